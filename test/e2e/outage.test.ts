/**
 * The dependencies of a node fail and come back (protocol.md §1, §6, §9.18): its enclave API and its chain RPC. A proxy between the node
 * and the RPC fails in the way that the test chooses. No outage makes a node lose its secret or claim a second time.
 */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { toFunctionSelector } from 'viem';
import type { Cluster } from '../../src/dev/cluster.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { answersOf, expectNoSecrets } from './support/cluster-secrets.ts';
import { fingerprintsOf, waitForKnownKey } from './support/fingerprint.ts';
import { startAll, startManualCluster, type ManualCluster } from './support/manual-cluster.ts';
import { allReady, deriveRefusal, endOfLines, listedOperators, said, viewOf, waitForReason, waitForTicks, waitForView } from './support/node-view.ts';
import type { RpcCall, RpcFate, RpcRule } from './support/rpc-proxy.ts';

const LIST_SELECTOR = toFunctionSelector('getActiveInstances(uint256)').slice(2);

const closers: (() => Promise<void>)[] = [];
let manual: ManualCluster;
let cluster: Cluster;
let app: DevApp;
let fingerprint: string;
/** The number of "master secret installed" lines of each node. It must not rise. */
let takenOver: readonly number[];

const takenOverNow = (): readonly number[] => cluster.nodes.map((node) => said(node, 'master secret installed').length);

beforeAll(async () => {
  // The nodes tolerate no outage, so the first failed read of the chain already makes them refuse requests.
  manual = await startManualCluster({ nodes: 3, tickSeconds: 1, rpcProxies: true, allowFaults: true, environment: { CHAIN_OUTAGE_SECONDS: '0' } });
  closers.push(() => manual.close());
  ({ cluster } = manual);
  app = await cluster.createApp();
  await cluster.mineConfirmations();
  await startAll(cluster);
  await Promise.all(cluster.nodes.map((node) => waitForReason(node, 'master secret hash not deep enough', WAIT_TIMEOUT_MS)));
  await cluster.mineConfirmations();
  await allReady(cluster.nodes, WAIT_TIMEOUT_MS);
  [fingerprint] = (await fingerprintsOf(app, cluster.nodes)) as [string];
  takenOver = takenOverNow();
});

afterAll(async () => {
  for (const close of closers) await close();
});

/** After every outage, all nodes must return to the state that they were in before. */
afterEach(async () => {
  for (const proxy of manual.proxies) proxy.passAll();
  await Promise.all(cluster.nodes.map((node) => node.enclave.setFault('*', 'none')));
  await allReady(cluster.nodes, WAIT_TIMEOUT_MS);
  expect(await fingerprintsOf(app, cluster.nodes)).toEqual([fingerprint]);
  expect(takenOverNow()).toEqual(takenOver);
  expect(await cluster.chain.claimsMined()).toBe(1);
});

async function expectRefusal(node: ClusterNode, message: RegExp): Promise<void> {
  const refusal = await deriveRefusal(node);
  expect(refusal).toMatchObject({ status: 503, code: 'service_unavailable' });
  expect(refusal.message).toMatch(message);
  expect(refusal.retryAfter).toMatch(/^\d+$/);
}

test('when an RPC refuses connections, returns garbage or returns errors for three ticks, the nodes refuse requests and say why', async () => {
  const fates: readonly (readonly [RpcFate, RegExp])[] = [
    ['refuse', /^peer cache refresh failed: the chain RPC at 127\.0\.0\.1:\d+ cannot be reached: it closed the connection \(\w+\)$/],
    ['garbage', /^peer cache refresh failed: the chain RPC at 127\.0\.0\.1:\d+ gave an answer to eth_\w+ that is not JSON$/],
    ['error', /^peer cache refresh failed: the chain RPC at 127\.0\.0\.1:\d+ answered eth_\w+ with the error -32000$/],
  ];
  await Promise.all(
    fates.map(async ([fate, message], index) => {
      const [node, proxy] = [cluster.nodes[index]!, manual.proxies[index]!];
      proxy.setRule(() => fate);
      await waitForTicks(node, 3, WAIT_TIMEOUT_MS);
      await expectRefusal(node, message);
      expect(await listedOperators(node)).toEqual(cluster.nodes.map(({ wallet }) => wallet).sort());
    }),
  );
});

test('when a dependency hangs, the tick fails and reports why, and later ticks run', async () => {
  const [behindRpc, behindEnclave] = [cluster.node(1), cluster.node(2)];
  const rpcHangs = async (): Promise<void> => {
    const proxy = manual.proxies[0]!;
    proxy.setRule(() => 'hang');
    await waitForReason(behindRpc, 'peer cache refresh failed', WAIT_TIMEOUT_MS);
    await expectRefusal(behindRpc, /^peer cache refresh failed: the chain RPC at 127\.0\.0\.1:\d+ gave no answer in 5 s$/);
    // A tick with a hanging RPC takes ten seconds. To save time, the RPC refuses connections in the next two ticks.
    proxy.setRule(() => 'refuse');
    await waitForTicks(behindRpc, 2, WAIT_TIMEOUT_MS);
    await expectRefusal(behindRpc, /^peer cache refresh failed: the chain RPC at 127\.0\.0\.1:\d+ cannot be reached/);
  };
  const enclaveHangs = async (): Promise<void> => {
    await behindEnclave.enclave.setFault('*', 'hang');
    await waitForView(behindEnclave, 'refusing', WAIT_TIMEOUT_MS, ({ readiness }) => readiness.state === 'ineligible');
    await expectRefusal(behindEnclave, /^(?:cannot read local teePubkey|node_tick step timed out: checkingEligibility)/);
  };
  await Promise.all([rpcHangs(), enclaveHangs()]);
});

test.each([
  { call: 'for the head', matches: ({ method }: RpcCall) => method === 'eth_blockNumber' },
  { call: 'for the members', matches: ({ parameters }: RpcCall) => parameters.includes(LIST_SELECTOR) },
])('every node stays ready when one call $call fails in each tick', async ({ matches }) => {
  const ends = cluster.nodes.map(endOfLines);
  for (const proxy of manual.proxies) proxy.setRule(losingEverySecond(matches));
  await Promise.all(cluster.nodes.map((node) => waitForTicks(node, 2, WAIT_TIMEOUT_MS)));
  for (const [index, proxy] of manual.proxies.entries()) {
    const node = cluster.nodes[index]!;
    expect(proxy.marred).toBeGreaterThanOrEqual(2);
    expect(said(node, 'readiness changed', ends[index])).toHaveLength(0);
    expect((await viewOf(node)).readiness.last_tick?.outcome).toBe('ok');
  }
});

/** Refuses the first, third, fifth ... of the matching calls. */
function losingEverySecond(matches: (call: RpcCall) => boolean): RpcRule {
  let count = 0;
  return (call) => {
    if (!matches(call)) return 'pass';
    count += 1;
    return count % 2 === 1 ? 'refuse' : 'pass';
  };
}

test('when a node cannot read the list of members, it keeps its earlier list', async () => {
  const operators = cluster.nodes.map(({ wallet }) => wallet).sort();
  const fates: readonly RpcFate[] = ['error', 'revert', 'garbage'];
  await Promise.all(
    fates.map(async (fate, index) => {
      const [node, proxy] = [cluster.nodes[index]!, manual.proxies[index]!];
      proxy.setRule(({ parameters }) => (parameters.includes(LIST_SELECTOR) ? fate : 'pass'));
      await waitForReason(node, 'peer cache refresh failed', WAIT_TIMEOUT_MS);
      await waitForTicks(node, 1, WAIT_TIMEOUT_MS);
      await expectRefusal(node, /^peer cache refresh failed: /);
      expect(await listedOperators(node)).toEqual(operators);
    }),
  );
});

test('when an enclave API fails or returns garbage, its node refuses requests and says why', async () => {
  const outages = [
    { kind: 'fail', message: /^cannot read local teePubkey: the enclave API at 127\.0\.0\.1:\d+ answered 500$/ },
    { kind: 'garbage', message: /^cannot read local teePubkey: the enclave API at 127\.0\.0\.1:\d+ gave a malformed answer to .*$/ },
  ] as const;
  await Promise.all(
    outages.map(async ({ kind, message }, index) => {
      const node = cluster.nodes[index]!;
      await node.enclave.setFault('*', kind);
      await waitForReason(node, 'cannot read local teePubkey', WAIT_TIMEOUT_MS);
      await expectRefusal(node, message);
    }),
  );
});

test('a node whose enclave was killed refuses requests and says why, until the enclave has restarted and is registered again', async () => {
  const node = cluster.node(1);
  await node.enclave.kill();
  await waitForReason(node, 'cannot read local teePubkey', WAIT_TIMEOUT_MS);
  await expectRefusal(node, /^cannot read local teePubkey: the enclave API at 127\.0\.0\.1:\d+ cannot be reached: nothing listens there \(ECONNREFUSED\)$/);
  await node.restartEnclave();
  await cluster.mineConfirmations();
  await allReady([node], WAIT_TIMEOUT_MS);
  await waitForKnownKey(app, node);
});

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(manual.cluster, { outputs: await answersOf(manual.cluster) });
});
