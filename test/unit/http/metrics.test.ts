/** `GET /metrics` on the main port, and the route patterns (never the paths) that the meter records for requests, over real HTTP. */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import { METERED_ROUTES, type Meter, type MeteredRequest } from '../../../src/domain/meter.ts';
import { createApp, listenerOf, type AppModules } from '../../../src/http/app.ts';
import { measureRequests } from '../../../src/http/measure-requests.ts';
import { listen, type HttpServer } from '../../../src/http/server.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { nodeParts, type NodeOverHttpOptions } from '../../support/node-over-http.ts';

const TOKEN = 'a-token.of/operators+42==';
const METRICS = { tokenHash: createHash('sha256').update(TOKEN).digest(), contentType: 'text/plain; version=0.0.4; charset=utf-8', render: async () => 'up 1\n' };

let server: HttpServer;
let ended: MeteredRequest[];
let underWay: number;

const METER: Meter = {
  requestBegan: () => void (underWay += 1),
  requestEnded: (request) => {
    underWay -= 1;
    ended.push(request);
  },
  rpcEnded: () => undefined,
  enclaveEnded: () => undefined,
  recordJudged: () => undefined,
  recordPushed: () => undefined,
  faulted: () => undefined,
};

async function start(modules: Pick<AppModules, 'metrics'>, options: NodeOverHttpOptions = {}): Promise<string> {
  ended = [];
  underWay = 0;
  const parts = nodeParts(options);
  const app = createApp(parts.appOptions, { ...parts.appModules, ...modules });
  server = await listen({ host: '127.0.0.1', port: 0 }, { listener: listenerOf(app), clock: parts.clock, measure: measureRequests(METER, parts.clock) });
  return `http://127.0.0.1:${server.port}`;
}

afterEach(async () => {
  server.destroy();
  await server.drain();
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('GET /metrics', () => {
  test('is not a route unless it is configured', async () => {
    const url = await start({});
    expect((await fetch(`${url}/metrics`, { headers: bearer(TOKEN) })).status).toBe(404);
  });

  test('returns the metrics to a caller with the token', async () => {
    const url = await start({ metrics: METRICS });
    const answer = await fetch(`${url}/metrics`, { headers: bearer(TOKEN) });
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([200, METRICS.contentType, 'up 1\n']);
    expect((await fetch(`${url}/metrics`, { headers: { authorization: `bearer ${TOKEN}` } })).status).toBe(200);
  });

  test.each<readonly [string, Record<string, string>]>([
    ['no token', {}],
    ['the wrong token', bearer('another-token-of-no-one')],
    ['the hash of the token', bearer(METRICS.tokenHash.toString('hex'))],
    ['an empty token', { authorization: 'Bearer ' }],
    ['the wrong scheme', { authorization: `Basic ${Buffer.from(`:${TOKEN}`).toString('base64')}` }],
    ['the token without a scheme', { authorization: TOKEN }],
    ['the token twice', bearer(`${TOKEN} ${TOKEN}`)],
  ])('refuses a request with %s, and the answer contains the expected scheme', async (_, headers) => {
    const url = await start({ metrics: METRICS });
    const answer = await fetch(`${url}/metrics`, { headers });
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="metrics"']);
    expect(await answer.json()).toEqual({ code: 'unauthorized', message: 'the token for metrics is missing or wrong' });
  });

  test('accepts only GET', async () => {
    const url = await start({ metrics: METRICS });
    const answer = await fetch(`${url}/metrics`, { method: 'POST', headers: bearer(TOKEN) });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET']);
  });

  test('limits the rate of a caller that guesses tokens, but not the rate of a caller with the right token', async () => {
    const url = await start({ metrics: METRICS }, { http: { rateLimitPerMinute: 1, trustedProxies: ['127.0.0.1'] } });
    const statuses: number[] = [];
    for (const token of ['guess', 'guess', TOKEN, TOKEN]) statuses.push((await fetch(`${url}/metrics`, { headers: bearer(token) })).status);
    expect(statuses).toEqual([401, 429, 200, 200]);
  });
});

describe('the request meter records', () => {
  test.each<readonly [string, string, string, string, number]>([
    ['GET', '/', '/', 'GET', 200],
    ['GET', '/health', '/health', 'GET', 200],
    ['GET', '/livez?verbose', '/livez', 'GET', 200],
    ['GET', '/readyz', '/readyz', 'GET', 200],
    ['GET', '/readyz/membership', '/readyz/<check>', 'GET', 200],
    ['GET', '/metrics', '/metrics', 'GET', 401],
    ['GET', '/audit?after=7', '/audit', 'GET', 404],
    ['GET', '/status', '/status', 'GET', 200],
    ['GET', '/nodes', '/nodes', 'GET', 200],
    ['GET', '/nonce', '/nonce', 'GET', 200],
    ['HEAD', '/nonce', '/nonce', 'other', 200],
    ['POST', '/kms/derive', '/kms/derive', 'POST', 403],
    ['GET', '/kms/derive', '/kms/derive', 'other', 405],
    ['GET', '/kms/data', '/kms/data', 'GET', 403],
    ['PUT', '/kms/data?key=a', '/kms/data', 'PUT', 403],
    ['DELETE', '/kms/data', '/kms/data', 'DELETE', 403],
    ['GET', '/kms/data/a%2Fkey', '/kms/data/<key>', 'GET', 403],
    ['OPTIONS', '/kms/data/a/key', '/kms/data/<key>', 'other', 204],
    ['POST', '/sync', '/sync', 'POST', 403],
    ['GET', '/.well-known/attestation', '/.well-known/attestation', 'other', 404],
    ['GET', '/%6Eonce', '/nonce', 'GET', 200],
    ['GET', '/none', 'none', 'other', 404],
    ['GET', '/kms', 'none', 'other', 404],
    ['GET', '/hasOwnProperty', 'none', 'other', 404],
  ])('%s %s as the route %s with method %s and code %i', async (method, path, route, told, status) => {
    const url = await start({ metrics: METRICS });
    await (await fetch(`${url}${path}`, { method })).text();
    await waitUntil({ what: 'the end of the request', timeoutMs: WAIT_TIMEOUT_MS }, async () => (ended.length > 0 ? null : 'nothing was recorded'));
    expect(ended).toEqual([{ route, method: told, status, durationMs: expect.any(Number) }]);
    expect(underWay).toBe(0);
    if (told !== 'other') expect(METERED_ROUTES[route as '/']).toContain(told);
  });

  test('a request without a code when the caller hangs up before it gets an answer', async () => {
    const url = await start({ metrics: { ...METRICS, render: async () => Promise.withResolvers<string>().promise } });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET /metrics HTTP/1.1\r\nhost: node\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`);
    await waitUntil({ what: 'the request', timeoutMs: WAIT_TIMEOUT_MS }, async () => (underWay === 1 ? null : 'the request has not begun'));
    socket.destroy();
    await waitUntil({ what: 'the end of the request', timeoutMs: WAIT_TIMEOUT_MS }, async () => (ended.length > 0 ? null : 'nothing was recorded'));
    expect(ended).toEqual([{ route: '/metrics', method: 'GET', status: null, durationMs: expect.any(Number) }]);
  });
});
