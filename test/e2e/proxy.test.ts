/**
 * A cluster whose nodes reach each other through HTTP proxies (protocol.md §7, §10). The nodes are real processes on Anvil. Nodes
 * 1 and 2 are registered under names that only the proxies can resolve, and node 3 under an IP address. Each node has a separate proxy,
 * which records the requests of that node.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { expectNoSecrets } from './support/cluster-secrets.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { HttpProxy } from './support/http-proxy.ts';
import { waitForStates } from './support/quick-blocks.ts';
import { createRawApp, RawHttp, type RawApp } from './support/raw-caller.ts';

const APP_ID = 1_001;

const http = new RawHttp();
/** Functions that close what the tests have started. They run in reverse order. */
const closers: (() => Promise<void>)[] = [];
let cluster: Cluster;
let proxies: readonly [HttpProxy, HttpProxy, HttpProxy];
let app: RawApp;

beforeAll(async () => {
  proxies = await Promise.all([HttpProxy.start(), HttpProxy.start(), HttpProxy.start()]);
  for (const proxy of proxies) closers.push(() => proxy.close());
  app = await createRawApp('the app', { http });
  const [first, second, third] = proxies;
  cluster = await startCluster({
    nodes: 3,
    tickSeconds: 2,
    start: false,
    keepLines: 100_000,
    environment: { LOG_LEVEL: 'DEBUG', RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0' },
    plans: [
      { url: (port) => `http://node-1.kms.test:${port}`, environment: { HTTP_PROXY: first.url } },
      // The names of the variables are in lower case, and `no_proxy` contains the address of node 3.
      { url: (port) => `http://node-2.kms.test:${port}`, environment: { http_proxy: second.url, no_proxy: 'elsewhere.test,127.0.0.1' } },
      // This node is registered with an IP address. A peer reaches it through a proxy unless the peer's `NO_PROXY` contains this address.
      { environment: { HTTP_PROXY: third.url, NO_PROXY: 'elsewhere.test' } },
    ],
    prepare: async ({ chain }) => {
      await chain.createApp(APP_ID);
      await chain.register({ appId: APP_ID, wallet: app.caller.wallet, teePubkey: app.caller.teePubkey, url: 'http://127.0.0.1:9' });
    },
  });
  closers.push(() => cluster.close());
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

function doorOf(node: ClusterNode): string {
  return new URL(node.url).host;
}

test('nodes that reach each other through proxies become ready and hold the same secret', async () => {
  // The nodes start one after another, so that nodes 2 and 3 must fetch the secret from an earlier node.
  for (const node of cluster.nodes) {
    await node.start();
    await waitForStates(cluster, [node], 'ready');
  }
  const origins = await Promise.all(cluster.nodes.map(async (node) => (await node.status()).node.master_secret.state));
  expect(origins).toEqual(['generated', 'synced', 'synced']);
  const path = `path ${randomBytes(18).toString('base64')}`;
  const answers = await Promise.all(cluster.nodes.map((node) => app.caller.send(node, 'POST', '/kms/derive', { path })));
  const keys = await Promise.all(answers.map(async (answer) => (await app.caller.open(answer))['key'] as string));
  expect(new Set(keys).size).toBe(1);
});

test('a node sends its requests through its proxy, whether the name of the proxy variable is in upper or lower case', () => {
  const [, second, third] = proxies;
  const [one] = cluster.nodes.map(doorOf);
  // When node 2 started, only node 1 was running. Node 3 asked node 1 or node 2.
  expect(second.targets()).toContain(one);
  expect([...third.targets()].some((target) => /^node-[12]\.kms\.test:/.test(target))).toBe(true);
});

test('a node reaches an address in NO_PROXY directly, and any other address through the proxy', async () => {
  const [first, second] = proxies;
  const [one, two, three] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  // After nodes 1 and 2 have stopped, only node 3 holds the secret. When they start again, they must ask node 3 at its address.
  await Promise.all([one.stop(), two.stop()]);
  const seen = [first.seen.length, second.seen.length];
  await Promise.all([one.start(), two.start()]);
  await waitForStates(cluster, [one, two], 'ready');
  await waitUntil({ what: 'a request to node 3 through the proxy of node 1', timeoutMs: WAIT_TIMEOUT_MS }, async () =>
    first.targets().has(doorOf(three)) ? null : 'the proxy has seen no such request',
  );
  expect(first.seen.length).toBeGreaterThan(seen[0]!);
  expect(second.targets()).not.toContain(doorOf(three));
  expect((await two.status()).node.master_secret.state).toBe('synced');
});

test('the enclave API and the RPC on loopback are reached directly', () => {
  const direct = [cluster.chain.url, ...cluster.nodes.map(({ enclave }) => enclave.url)].map((url) => new URL(url).host);
  for (const proxy of proxies) for (const host of direct) expect(proxy.targets()).not.toContain(host);
});

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(cluster, { secrets: [...app.keys, ...app.caller.sent], outputs: http.outputs });
});
