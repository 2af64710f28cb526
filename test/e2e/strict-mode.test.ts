/**
 * Strict mode (protocol.md §1, §3, §6, §10; `IN_ENCLAVE=true`, the default) with real processes on Anvil. The nodes are behind TLS and
 * use an HTTP proxy for all outgoing requests, as in the enclave. They drop members without https, require a proof from callers, probe
 * their peers, and never connect to a peer on loopback without the proxy.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { TeePubkey, Wallet } from '../../src/domain/ids.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { freePort } from '../../src/dev/listening-ports.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { expectError } from './support/answers.ts';
import { expectNoSecrets } from './support/cluster-secrets.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { HttpProxy } from './support/http-proxy.ts';
import { createCertificate, HttpsFront, type Certificate } from './support/https-front.ts';
import { waitForStates } from './support/quick-blocks.ts';
import { createRawApp, RawHttp, type RawApp } from './support/raw-caller.ts';

const APP_ID = 1_001;
const REFUSED_TARGET = 'the target is a loopback or link-local address';

const http = new RawHttp();
/** Functions that close what the tests have started. They run in reverse order. */
const closers: (() => Promise<void>)[] = [];
let certificate: Certificate;
let fronts: readonly HttpsFront[];
let proxy: HttpProxy;
let cluster: Cluster;
let app: RawApp;
let nodes: readonly [ClusterNode, ClusterNode, ClusterNode];
/** A member that is registered without https. The nodes drop it. */
const plain = { wallet: walletOf('a1'), teePubkey: `30${'a1'.repeat(119)}` as TeePubkey };
/** A member that is registered with https, but never started. */
const absent = { wallet: walletOf('b2'), teePubkey: `30${'b2'.repeat(119)}` as TeePubkey };

function walletOf(byte: string): Wallet {
  return `0x${byte.repeat(20)}` as Wallet;
}

beforeAll(async () => {
  certificate = await createCertificate();
  closers.push(() => certificate.remove());
  fronts = await Promise.all([1, 2, 3].map(() => HttpsFront.start(certificate)));
  for (const front of fronts) closers.push(() => front.close());
  proxy = await HttpProxy.start();
  closers.push(() => proxy.close());
  app = await createRawApp('the app', { http });
  // A name that resolves to loopback, and the loopback address itself. Without a proxy, the node must refuse to connect to either.
  const hosts = ['localhost', '127.0.0.1', '127.0.0.1'];
  const closedPort = await freePort();
  cluster = await startCluster({
    nodes: 3,
    tickSeconds: 2,
    start: false,
    keepLines: 100_000,
    environment: {
      IN_ENCLAVE: 'true',
      LOG_LEVEL: 'DEBUG',
      NODE_EXTRA_CA_CERTS: certificate.file,
      RATE_LIMIT_PER_MINUTE: '0',
    },
    plans: hosts.map((host, index) => ({
      url: (port: number) => {
        fronts[index]!.forwardTo(port);
        return `https://${host}:${fronts[index]!.port}`;
      },
    })),
    prepare: async ({ chain }) => {
      await chain.register({ ...plain, url: `http://127.0.0.1:${closedPort}` });
      await chain.register({ ...absent, url: `https://127.0.0.1:${closedPort}` });
      await chain.createApp(APP_ID);
      await chain.register({ appId: APP_ID, wallet: app.caller.wallet, teePubkey: app.caller.teePubkey, url: 'https://app.test' });
    },
  });
  closers.push(() => cluster.close());
  nodes = [cluster.node(1), cluster.node(2), cluster.node(3)];
  await nodes[0].start({ HTTPS_PROXY: proxy.url });
  await waitForStates(cluster, [nodes[0]], 'ready');
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

interface Nodes {
  readonly operators: readonly {
    readonly operator: string;
    readonly connection: Readonly<Record<string, unknown>>;
  }[];
}

async function connectionOf(seenBy: ClusterNode, wallet: Wallet): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { json } = await http.get(seenBy.localUrl, '/nodes');
  return (json as Nodes).operators.find(({ operator }) => operator === wallet)?.connection;
}

/** Waits until the node has probed a peer. @returns the result of the probe */
async function probed(seenBy: ClusterNode, wallet: Wallet, reachable: boolean): Promise<Readonly<Record<string, unknown>>> {
  let found: Readonly<Record<string, unknown>> = {};
  await waitUntil({ what: `the probe of ${wallet}`, timeoutMs: WAIT_TIMEOUT_MS }, async () => {
    found = (await connectionOf(seenBy, wallet)) ?? {};
    return found['status_endpoint_reachable'] === reachable ? null : JSON.stringify(found);
  });
  return found;
}

describe('without the proxy,', () => {
  afterEach(() => nodes[2].stop());

  test('a node does not connect to a peer on loopback, whether by name or by address, and logs the reason', async () => {
    const [, , alone] = nodes;
    const before = fronts[0]!.connections;
    await alone.start();
    await waitForStates(cluster, [alone], 'syncing-secret');
    const refused = (): readonly string[] => alone.lines().map(({ text }) => text).filter((text) => text.includes(REFUSED_TARGET));
    await waitUntil({ what: 'a refused request to each of the two peers', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
      const missing = [nodes[0], nodes[1]].filter(({ wallet }) => !refused().some((text) => text.includes(wallet)));
      return missing.length === 0 ? null : `none to ${missing.map(({ name }) => name).join(' or ')} yet`;
    });
    await probed(alone, nodes[0].wallet, false);
    // Only this node could have connected to the front of node 1.
    expect(fronts[0]!.connections).toBe(before);
    const { readiness } = await alone.status();
    expect(readiness?.reason).toMatch(/^no reachable member holds the master secret/);
  });

  test('NO_PROXY does not allow a node to connect to a peer on loopback', async () => {
    const [, , alone] = nodes;
    const seen = proxy.seen.length;
    const before = fronts[0]!.connections;
    await alone.start({ HTTPS_PROXY: proxy.url, NO_PROXY: '*' });
    await waitForStates(cluster, [alone], 'syncing-secret');
    await probed(alone, nodes[0].wallet, false);
    expect(fronts[0]!.connections).toBe(before);
    expect(proxy.seen.slice(seen).filter(({ port }) => port === fronts[0]!.port)).toEqual([]);
  });
});

describe('with the proxy,', () => {
  beforeAll(async () => {
    await Promise.all([nodes[1].start({ https_proxy: proxy.url }), nodes[2].start({ HTTPS_PROXY: proxy.url })]);
    await waitForStates(cluster, nodes, 'ready');
  });

  test('nodes become ready over TLS, with the secret of node 1', async () => {
    for (const node of nodes.slice(1)) {
      const status = await node.status();
      expect(status.node).toMatchObject({ service_available: true, master_secret: { state: 'synced' }, node_url: node.url });
    }
    const doors = new Set(proxy.seen.map(({ kind, host, port }) => `${kind} ${host}:${port}`));
    expect(doors).toContain(`tunnel localhost:${fronts[0]!.port}`);
  });

  test('a member without https is dropped, and /status shows why', async () => {
    for (const node of nodes) {
      const { cluster: seen } = (await http.get(node.localUrl, '/status')).json as { cluster: Record<string, unknown> };
      expect(seen['dropped']).toEqual([{ wallet: plain.wallet, why: 'URL is not https' }]);
      expect(seen['total_instances']).toBe(4);
      expect(await connectionOf(node, plain.wallet)).toBeUndefined();
    }
  });

  test('peers are probed, and /nodes shows which peers answer, with which code, and how fast', async () => {
    const reached = await probed(nodes[0], nodes[1].wallet, true);
    expect(reached).toEqual({
      in_peer_cache: true,
      cached_status: 'ACTIVE',
      status_endpoint_reachable: true,
      status_endpoint_http_code: 200,
      status_probe_ms: expect.any(Number),
      status_checked_at_ms: expect.any(Number),
    });
    const missed = await probed(nodes[0], absent.wallet, false);
    expect(missed).toMatchObject({ status_endpoint_http_code: null, status_probe_ms: null, status_checked_at_ms: expect.any(Number) });
  });

  test('x-tee-wallet is not accepted as a proof', async () => {
    const { caller } = app;
    const unsigned = Object.fromEntries(['signature', 'nonce', 'timestamp', 'wallet'].map((name) => [`x-app-${name}`, undefined]));
    for (const node of nodes) {
      const headers = { ...unsigned, 'x-tee-wallet': caller.wallet };
      const refused = await caller.send(node, 'POST', '/kms/derive', { path: 'a path of some length' }, { headers });
      expect(expectError(refused, 403, 'unauthorized')).toMatch(/x-app- headers/);
    }
  });

  test('every node answers a signed request with the same key', async () => {
    const { caller } = app;
    const path = `path ${randomBytes(18).toString('base64')}`;
    const answers = await Promise.all(nodes.map((node) => caller.send(node, 'POST', '/kms/derive', { path })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const keys = await Promise.all(answers.map(async (answer) => (await caller.open(answer))['key'] as string));
    expect(new Set(keys).size).toBe(1);
  });
});

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(cluster, { secrets: [...app.keys, ...app.caller.sent], outputs: http.outputs });
});
