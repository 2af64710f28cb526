/** `/status` and `/nodes`, which operators read, and how clients behind proxies are told apart (protocol.md §2, §8, §10), over real HTTP. */
import { afterEach, describe, expect, test } from '@jest/globals';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { memberOf, READY, startNodeOverHttp, type NodeOverHttp, type NodeOverHttpOptions } from '../../support/node-over-http.ts';

const PEER = memberOf(`0x${'0b'.repeat(20)}` as Wallet, 'bb' as TeePubkey);

let node: NodeOverHttp;
afterEach(() => node.close());

async function start(options: NodeOverHttpOptions = {}): Promise<void> {
  node = await startNodeOverHttp({ members: [PEER], ...options });
}

async function read(path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`${node.url}${path}`)).json()) as Record<string, unknown>;
}

describe('GET /status', () => {
  test('returns the fields that nodes written in other languages return, and also the readiness', async () => {
    await start();
    node.peerCache.update({ block: 7n, members: [PEER, memberOf(node.identity.wallet, node.identity.teePubkey)], dropped: [] });
    expect(await read('/status')).toMatchObject({
      node: {
        tee_wallet: node.identity.wallet,
        tee_pubkey: node.identity.teePubkey,
        node_url: 'http://node.test',
        is_operator: true,
        service_available: true,
        master_secret: { state: 'generated', synced_from: null },
        master_secret_initialized: true,
      },
      cluster: { kms_app_id: 49, registry_address: `0x${'aa'.repeat(20)}`, total_instances: 2, master_secret_hash: READY.confirmedHash, membership_block: 7 },
      data_store: { namespaces: 0, total_keys: 0, total_bytes: 0 },
      readiness: { state: 'ready', reason: null, since_ms: 0, last_tick: null, next_tick_in_ms: 30_000 },
      first_snapshot: 'complete',
    });
  });

  test('reports why a node is not ready, and how its last tick ended', async () => {
    await start();
    node.state.view = {
      ...READY,
      state: 'syncing-secret',
      reason: reason(REASONS.nobodyHoldsSecret, '2 asked'),
      secretConfirmed: false,
      confirmedHash: null,
      firstSnapshot: 'missing',
      lastTick: { startedAtMs: 5, durationMs: 6, outcome: 'no reachable member holds the master secret: 2 asked' },
      nextTickInMs: null,
    };
    expect(await read('/status')).toMatchObject({
      node: { service_available: false, is_operator: false, master_secret_initialized: false },
      cluster: { master_secret_hash: null },
      readiness: {
        state: 'syncing-secret',
        reason: 'no reachable member holds the master secret: 2 asked',
        last_tick: { started_at_ms: 5, duration_ms: 6, outcome: 'no reachable member holds the master secret: 2 asked' },
        next_tick_in_ms: null,
      },
      first_snapshot: 'missing',
    });
  });

  test('never contains the secret', async () => {
    await start();
    const text = JSON.stringify([await read('/status'), await read('/nodes'), await read('/')]);
    expect(text).not.toContain('42'.repeat(16));
    expect(text).not.toContain(Buffer.alloc(32, 0x42).toString('base64').slice(0, 20));
  });
});

describe('GET /nodes', () => {
  test('lists the members from the peer cache, in the form that nodes written in other languages use', async () => {
    await start();
    expect(await read('/nodes')).toEqual({
      operators: [
        {
          operator: PEER.wallet,
          instance: {
            instance_id: 7,
            app_id: 49,
            version_id: 1,
            operator: PEER.instance.operator,
            instance_url: 'https://peer.test',
            tee_wallet: PEER.wallet,
            zk_verified: true,
            instance_status: { value: 0, name: 'ACTIVE' },
            registered_at: 1,
          },
          connection: {
            in_peer_cache: true,
            cached_status: 'ACTIVE',
            status_endpoint_reachable: null,
            status_endpoint_http_code: null,
            status_probe_ms: null,
            status_checked_at_ms: null,
          },
        },
      ],
      count: 1,
    });
  });
});

describe('GET /', () => {
  test('lists the endpoints', async () => {
    await start();
    const overview = await read('/');
    expect(Object.keys(overview)).toEqual(expect.arrayContaining(['service', 'docs', 'auth', 'endpoints']));
    expect(overview['endpoints']).toEqual(expect.arrayContaining(['GET /health', 'GET /status', 'GET /nonce', 'GET /nodes', 'POST /kms/derive', 'POST /sync']));
  });
});

describe('a client', () => {
  /** Sends one request with each of these X-Forwarded-For headers, and returns how many of the requests pass a limit of one per minute. */
  async function passing(trustedProxies: readonly string[], forwarded: readonly string[]): Promise<number> {
    await start({ http: { rateLimitPerMinute: 1, trustedProxies } });
    let passed = 0;
    for (const header of forwarded) {
      const answer = await fetch(`${node.url}/nothing`, { headers: { 'x-forwarded-for': header } });
      if (answer.status === 404) passed += 1;
      else expect(answer.status).toBe(429);
    }
    return passed;
  }

  const many = Array.from({ length: 14 }, (_, number) => `203.0.113.${number}`);

  test.each<[string, readonly string[], readonly string[], number]>([
    ['is not identified by X-Forwarded-For when there is no trusted proxy', [], many, 10],
    ['is identified by X-Forwarded-For when a trusted proxy sends it', ['127.0.0.1'], many, 14],
    ['is identified by the right-most entry that is not a trusted proxy', ['127.0.0.1', '10.0.0.0/8'], many.map((own) => `${own}, 198.51.100.7, 10.0.0.1`), 1],
    ['cannot choose its address by adding entries on the left', ['127.0.0.1'], many.map((own) => `${own}, 198.51.100.7`), 1],
    ['is identified by the address of the proxy when the header is empty', ['127.0.0.1'], ['', '', ''], 1],
    ['is identified by the address of its socket when no trusted proxy has that address', ['10.0.0.1'], many, 1],
  ])('%s', async (_, trusted, forwarded, count) => {
    expect(await passing(trusted, forwarded)).toBe(count);
  });
});
