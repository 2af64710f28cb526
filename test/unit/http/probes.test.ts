/** `/livez` and `/readyz` over real HTTP: which check fails in which state. The answers have the format of etcd and Kubernetes. */
import { afterEach, describe, expect, test } from '@jest/globals';
import type { FirstSnapshotState, ReadinessState, ReadinessView } from '../../../src/domain/readiness.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { assertReady } from '../../../src/http/gate.ts';
import { probe, READY_CHECKS, type ProbedState } from '../../../src/http/probes.ts';
import { READY, startNodeOverHttp, type NodeOverHttp, type NodeOverHttpOptions } from '../../support/node-over-http.ts';

const WELL: ProbedState = { view: READY, chain: { viewAgeMs: 1_000, viewBlockMs: 0, failing: null, isFresh: true }, enclave: { failing: null }, isStopping: false };

function view(state: ReadinessState, over: Partial<ReadinessView> = {}): ReadinessView {
  return { ...READY, state, reason: reason(REASONS.firstSnapshotMissing, 'asked 2'), ...over };
}

const WITHOUT_SECRET = { secretConfirmed: false, confirmedHash: null };

const STATES: readonly (readonly [string, Partial<ProbedState>, readonly string[]])[] = [
  ['ready', {}, []],
  ['ready, although no member could send a snapshot', { view: { ...READY, firstSnapshot: 'none' } }, []],
  ['not a member', { view: view('ineligible') }, ['membership']],
  ['bootstrapping without a secret', { view: view('bootstrapping', WITHOUT_SECRET) }, ['secret_confirmed']],
  ['bootstrapping with a secret that the chain has just confirmed', { view: view('bootstrapping') }, ['secret_confirmed']],
  ['without the secret whose hash the chain shows', { view: view('syncing-secret', WITHOUT_SECRET) }, ['secret_confirmed']],
  ['without a first snapshot', { view: view('syncing-secret', { firstSnapshot: 'missing' }) }, ['first_snapshot']],
  ['with its secret and its snapshot, before the end of the tick', { view: view('syncing-secret') }, ['first_snapshot']],
  ['just started', { view: view('ineligible', { ...WITHOUT_SECRET, firstSnapshot: 'missing' }), chain: { viewAgeMs: null, viewBlockMs: null, failing: null, isFresh: false } }, ['membership', 'chain_fresh', 'secret_confirmed', 'first_snapshot']],
  ['unable to read the chain, with a view that is fresh enough', { chain: { viewAgeMs: 90_000, viewBlockMs: 0, failing: { sinceMs: 1, why: 'HTTP 401' }, isFresh: true } }, []],
  ['unable to read the chain, with a view that is too old', { chain: { viewAgeMs: 900_001, viewBlockMs: 0, failing: { sinceMs: 1, why: 'HTTP 401' }, isFresh: false } }, ['chain_fresh']],
  ['without an enclave API', { enclave: { failing: 'connection refused' } }, ['enclave_api']],
  ['stopping', { isStopping: true }, ['stopping']],
];

const ALL = { names: Object.keys(READY_CHECKS), excluded: new Set<string>(), isVerbose: false };

function failing(text: string): string[] {
  return [...text.matchAll(/^\[-\](\w+) failed: ./gm)].map(([, name]) => name!);
}

describe('readiness', () => {
  test.each(STATES)('fails exactly the expected checks if the node is in this state: %s', (_, over, failed) => {
    const answer = probe('readyz', READY_CHECKS, { ...WELL, ...over }, ALL);
    expect(answer.isOk).toBe(failed.length === 0);
    expect(failing(answer.text)).toEqual(failed);
  });

  test('has at least one failed check in every state in which the gate is closed', () => {
    const states: readonly ReadinessState[] = ['ineligible', 'bootstrapping', 'syncing-secret', 'ready'];
    const snapshots: readonly FirstSnapshotState[] = ['missing', 'complete', 'none'];
    for (const state of states) {
      for (const firstSnapshot of snapshots) {
        for (const secretConfirmed of [true, false]) {
          const seen = view(state, { firstSnapshot, secretConfirmed });
          if (probe('readyz', READY_CHECKS, { ...WELL, view: seen }, ALL).isOk) expect(() => assertReady(seen)).not.toThrow();
        }
      }
    }
  });
});

describe('over HTTP,', () => {
  let node: NodeOverHttp;
  afterEach(() => node.close());

  async function start(options: NodeOverHttpOptions = {}, over: Partial<NodeOverHttp['state']> = {}): Promise<void> {
    node = await startNodeOverHttp(options);
    Object.assign(node.state, over);
  }

  async function read(path: string): Promise<readonly [number, string]> {
    const answer = await fetch(`${node.url}${path}`);
    return [answer.status, await answer.text()];
  }

  const CHAIN_LOST = { viewAgeMs: 900_001, viewBlockMs: 0, failing: { sinceMs: 1, why: 'the chain RPC 127.0.0.1:1 cannot be reached' }, isFresh: false };
  const LOST = '[-]chain_fresh failed: the chain RPC 127.0.0.1:1 cannot be reached';

  test.each<readonly [string, Partial<NodeOverHttp['state']>, number, string]>([
    ['/livez', {}, 200, 'ok'],
    ['/livez?verbose', {}, 200, '[+]event_loop ok\nlivez check passed\n'],
    ['/livez', { view: view('ineligible'), chain: CHAIN_LOST, enclave: { failing: 'down' }, stopping: true }, 200, 'ok'],
    ['/readyz', {}, 200, 'ok'],
    ['/readyz?verbose', {}, 200, '[+]membership ok\n[+]chain_fresh ok\n[+]secret_confirmed ok\n[+]first_snapshot ok\n[+]enclave_api ok\n[+]stopping ok\nreadyz check passed\n'],
    ['/readyz', { chain: CHAIN_LOST }, 503, `[+]membership ok\n${LOST}\n[+]secret_confirmed ok\n[+]first_snapshot ok\n[+]enclave_api ok\n[+]stopping ok\nreadyz check failed\n`],
    ['/readyz?exclude=chain_fresh', { chain: CHAIN_LOST }, 200, 'ok'],
    ['/readyz?verbose&exclude=chain_fresh&exclude=membership', { chain: CHAIN_LOST }, 200, '[+]membership excluded: ok\n[+]chain_fresh excluded: ok\n[+]secret_confirmed ok\n[+]first_snapshot ok\n[+]enclave_api ok\n[+]stopping ok\nreadyz check passed\n'],
    ['/readyz/chain_fresh', { chain: CHAIN_LOST }, 503, `${LOST}\nreadyz check failed\n`],
    ['/readyz/membership', { chain: CHAIN_LOST }, 200, 'ok'],
    ['/readyz/membership?verbose=1', {}, 200, '[+]membership ok\nreadyz check passed\n'],
    ['/readyz/stopping', { stopping: true }, 503, '[-]stopping failed: the node is stopping\nreadyz check failed\n'],
  ])('%s is answered according to the state of the node: %j', async (path, over, status, text) => {
    await start({}, over);
    expect(await read(path)).toEqual([status, text]);
  });

  test('answers are plain text and not cached', async () => {
    await start({}, { stopping: true });
    const { headers } = await fetch(`${node.url}/readyz`);
    expect([headers.get('content-type'), headers.get('cache-control')]).toEqual(['text/plain; charset=utf-8', 'no-store']);
  });

  test.each<readonly [string, string, number]>([
    ['GET', '/readyz?exclude=chain_fresh&exclude=no_such_check', 400],
    ['GET', '/livez?exclude=membership', 400],
    ['GET', '/readyz/no_such_check', 404],
    ['GET', '/readyz/', 404],
    ['POST', '/readyz', 405],
    ['DELETE', '/livez', 405],
    ['HEAD', '/readyz', 200],
  ])('%s %s is answered with %i', async (method, path, status) => {
    await start();
    expect((await fetch(`${node.url}${path}`, { method })).status).toBe(status);
  });

  test('/livez has no rate limit, and the other probes share the rate limit of /status', async () => {
    await start({ http: { rateLimitPerMinute: 1, trustedProxies: ['127.0.0.1'] } });
    const first = await Promise.all(['/livez', '/livez', '/livez'].map(read));
    expect(first.map(([status]) => status)).toEqual([200, 200, 200]);
    expect((await read('/readyz'))[0]).toBe(200);
    expect((await read('/status'))[0]).toBe(429);
    expect((await read('/readyz/membership'))[0]).toBe(429);
  });
});
