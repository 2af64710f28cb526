/**
 * The steps from a request to its answer (protocol.md §2): shutdown, rate limit, gate, route, error table. Requests are injected into the
 * Express app, so that a test can check whether a body is read.
 */
import { describe, expect, test } from '@jest/globals';
import { Readable } from 'node:stream';
import inject from 'light-my-request';
import { DependencyError, InvariantError, RefusalError } from '../../../src/domain/errors.ts';
import type { ReadinessView } from '../../../src/domain/readiness.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { createApp, type AppModules, type AppOptions } from '../../../src/http/app.ts';
import { READY, nodeParts, type NodeParts } from '../../support/node-over-http.ts';

const UNREADY: ReadinessView = { ...READY, state: 'ineligible', reason: reason(REASONS.selfNotInNodeList), secretConfirmed: false, confirmedHash: null };

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: object;
}

/** Headers that every answer has, or that the library adds. */
const COMMON = /^(?:access-control-.*|cache-control|connection|content-length|content-type|date|keep-alive|transfer-encoding)$/;

interface Given {
  readonly options?: Partial<AppOptions>;
  readonly readiness?: ReadinessView;
  readonly isStopping?: boolean;
  readonly identity?: null;
  readonly nonces?: AppModules['node']['nonces'];
}

/** Creates the Express app of a node, and counts the bodies that it reads. */
function start({ options, readiness = READY, isStopping = false, identity, nonces }: Given = {}) {
  const parts: NodeParts = nodeParts(options === undefined ? {} : { http: options });
  parts.state.view = readiness;
  parts.state.stopping = isStopping;
  const { appModules } = parts;
  const unknown = identity === null ? { identity: () => null } : {};
  const app = createApp(parts.appOptions, {
    ...appModules,
    node: { ...appModules.node, nonces: nonces ?? appModules.node.nonces },
    kms: { ...appModules.kms, ...unknown },
    sync: { ...appModules.sync, ...unknown },
  });
  const counts = { bodies: 0 };
  const ask = async (method: string, path: string, client = '203.0.113.7'): Promise<Reply> => {
    const payload = new Readable({
      read() {
        counts.bodies += 1;
        this.push(null);
      },
    });
    const { statusCode, headers, body } = await inject(app, { method, url: path, remoteAddress: client, payload });
    const own = Object.entries(headers).filter(([name]) => !COMMON.test(name));
    return { status: statusCode, headers: Object.fromEntries(own), body: body === '' ? {} : (JSON.parse(body) as object) };
  };
  return { ask, counts, parts };
}

function codeOf(reply: Reply): unknown {
  return 'code' in reply.body ? reply.body.code : reply.status;
}

describe('an unready node', () => {
  test.each([
    ['POST', '/kms/derive'],
    ['GET', '/kms/derive'],
    ['GET', '/kms/data'],
    ['PUT', '/kms/data'],
    ['DELETE', '/kms/anything/else'],
    ['GET', '/kms'],
    ['GET', '/kms/'],
    ['POST', '/sync'],
  ])('answers %s %s with 503, its reason and Retry-After, and reads no body', async (method, path) => {
    const { ask, counts } = start({ readiness: UNREADY });
    expect(await ask(method, path)).toEqual({
      status: 503,
      headers: { 'retry-after': '30' },
      body: { code: 'service_unavailable', message: 'self not in KMS node list' },
    });
    expect(counts.bodies).toBe(0);
  });

  test.each([
    ['GET', '/', 200],
    ['GET', '/health', 200],
    ['HEAD', '/health', 200],
    ['GET', '/status', 200],
    ['GET', '/nonce', 200],
    ['GET', '/nodes', 200],
    ['GET', '/kmsx', 404],
    ['GET', '/KMS/data', 404],
    ['GET', '/sync', 405],
  ])('answers %s %s with %i, as a ready node does', async (method, path, status) => {
    expect((await start({ readiness: UNREADY }).ask(method, path)).status).toBe(status);
  });

  test('opens /sync when its secret is confirmed, but the other checks still apply', async () => {
    const view: ReadinessView = { ...UNREADY, state: 'syncing-secret', secretConfirmed: true, confirmedHash: READY.confirmedHash };
    expect(codeOf(await start({ readiness: view }).ask('POST', '/sync'))).toBe('unauthorized');
  });
});

describe('a ready node', () => {
  test.each([
    ['GET', '/kms/data', 'unauthorized', undefined],
    ['PATCH', '/kms/data', 'method_not_allowed', 'GET, PUT, DELETE'],
    ['POST', '/kms/derive/', 'not_found', undefined],
    ['GET', '/nothing', 'not_found', undefined],
    ['GET', '/kms/derive', 'method_not_allowed', 'POST'],
    ['DELETE', '/status', 'method_not_allowed', 'GET'],
    ['POST', '/kms/derive', 'unauthorized', undefined],
  ])('answers %s %s with %s', async (method, path, code, allow) => {
    const reply = await start().ask(method, path);
    expect(codeOf(reply)).toBe(code);
    expect(reply.headers['allow']).toBe(allow);
    expect(Object.keys(reply.body)).toEqual(['code', 'message']);
  });

  test('refuses HEAD on a route without GET, and sends no body', async () => {
    expect(await start().ask('HEAD', '/sync')).toEqual({ status: 405, headers: { allow: 'POST' }, body: {} });
  });

  test('refuses all requests while it shuts down', async () => {
    const { ask } = start({ isStopping: true });
    for (const path of ['/health', '/status', '/kms/derive', '/nothing']) expect(codeOf(await ask('GET', path))).toBe('service_unavailable');
  });

  test('answers 503 while it does not know its identity', async () => {
    const { ask } = start({ identity: null });
    for (const path of ['/kms/derive', '/sync']) expect(codeOf(await ask('POST', path))).toBe('service_unavailable');
  });

  test('never reads the body of an unauthenticated caller at /sync', async () => {
    const { ask, counts } = start();
    expect(codeOf(await ask('POST', '/sync'))).toBe('unauthorized');
    expect(counts.bodies).toBe(0);
  });
});

describe('the rate limit', () => {
  async function codes(ask: ReturnType<typeof start>['ask'], method: string, path: string, times: number, client?: string): Promise<unknown[]> {
    const all: unknown[] = [];
    for (let time = 0; time < times; time += 1) all.push(codeOf(await ask(method, path, client)));
    return all;
  }

  test.each([
    ['GET', '/status', 200],
    ['GET', '/nothing', 'not_found'],
    ['PUT', '/health', 'method_not_allowed'],
    ['POST', '/kms/derive', 'unauthorized'],
    ['GET', '/kms/nothing', 'not_found'],
    ['POST', '/sync', 'unauthorized'],
  ])('applies to %s %s', async (method, path, code) => {
    const { ask } = start({ options: { rateLimitPerMinute: 2 } });
    expect(await codes(ask, method, path, 3)).toEqual([code, code, 'rate_limited']);
    expect(await codes(ask, method, path, 1, '203.0.113.8')).toEqual([code]);
  });

  test('is checked before the gate', async () => {
    const { ask } = start({ options: { rateLimitPerMinute: 1 }, readiness: UNREADY });
    expect(await codes(ask, 'POST', '/kms/derive', 2)).toEqual(['service_unavailable', 'rate_limited']);
  });

  test('is separate for /nonce', async () => {
    const { ask } = start({ options: { rateLimitPerMinute: 1, nonceRateLimitPerMinute: 2 } });
    expect(await codes(ask, 'GET', '/nonce', 3)).toEqual([200, 200, 'rate_limited']);
    expect(await codes(ask, 'GET', '/status', 2)).toEqual([200, 'rate_limited']);
  });

  test('does not apply to GET /health', async () => {
    const { ask } = start({ options: { rateLimitPerMinute: 1 } });
    expect(await codes(ask, 'GET', '/health', 5)).toEqual([200, 200, 200, 200, 200]);
  });

  test('tells the caller when to retry', async () => {
    const { ask } = start({ options: { nonceRateLimitPerMinute: 1 } });
    await ask('GET', '/nonce');
    expect((await ask('GET', '/nonce')).headers).toEqual({ 'retry-after': '60' });
  });

  test('treats all clients behind the platform’s ingress as one client with ten times the limit', async () => {
    const { ask } = start({ options: { rateLimitPerMinute: 1 } });
    const both = [...(await codes(ask, 'GET', '/nothing', 5, '127.0.0.1')), ...(await codes(ask, 'GET', '/nothing', 6, '::1'))];
    expect(both.filter((code) => code === 'not_found')).toHaveLength(10);
  });

  test.each(['/nonce', '/status', '/nodes', '/'])('does not apply to %s behind the platform’s ingress, because a refusal there costs as much as an answer', async (path) => {
    const { ask } = start({ options: { rateLimitPerMinute: 1, nonceRateLimitPerMinute: 1 } });
    expect(await codes(ask, 'GET', path, 30, '127.0.0.1')).toEqual(Array.from({ length: 30 }, () => 200));
    expect(await codes(ask, 'GET', path, 2)).toEqual([200, 'rate_limited']);
  });
});

describe('a failure', () => {
  async function failing(thrown: unknown): Promise<{ reply: Reply; broken: Error[]; logged: string }> {
    const nonces = {
      issue: (): string => {
        throw thrown;
      },
    };
    const { ask, parts } = start({ nonces });
    const reply = await ask('GET', '/nonce');
    return { reply, broken: parts.state.broken, logged: JSON.stringify(parts.log.lines) };
  }

  test('that breaks an invariant stops the node and reveals nothing to the caller', async () => {
    const error = new InvariantError('secret deadbeef');
    const { reply, broken } = await failing(error);
    expect(broken).toEqual([error]);
    expect(reply).toEqual({ status: 500, headers: {}, body: { code: 'internal_error', message: 'internal error' } });
  });

  test('of a dependency is answered with 503', async () => {
    const { reply, broken } = await failing(new DependencyError('enclave', 'timeout', 'the enclave API did not answer'));
    expect(reply).toMatchObject({ status: 503, headers: { 'retry-after': '2' }, body: { code: 'service_unavailable', message: 'the enclave API did not answer' } });
    expect(broken).toEqual([]);
  });

  test('that is a refusal is not logged', async () => {
    expect(await failing(new RefusalError('forbidden', 'why'))).toMatchObject({ reply: { status: 403 }, broken: [], logged: '[]' });
  });

  test('that is unexpected is logged with its type but without its message', async () => {
    const { reply, broken, logged } = await failing(new TypeError('key deadbeef'));
    expect(reply.status).toBe(500);
    expect(broken).toEqual([]);
    expect(logged).toContain('TypeError');
    expect(logged).not.toContain('deadbeef');
  });
});
