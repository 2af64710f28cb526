/**
 * Real nodes claim the hash of the master secret on a real chain (protocol.md §1, §6, §9.2, §9.12, §9.22). The test decides when a block is
 * mined. Regardless of how a claim fails, in the end every node is ready and the chain has one claim.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { KMS_APP_ID, VERSION_STATUS } from '../../src/dev/dev-chain.ts';
import type { Cluster } from '../../src/dev/cluster.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { AskingMember } from './support/asking-member.ts';
import { answersOf, askMasterSecret, expectNoSecrets, secretsFrom } from './support/cluster-secrets.ts';
import { fingerprintsOf } from './support/fingerprint.ts';
import { startAll, startManualCluster, type ManualCluster } from './support/manual-cluster.ts';
import { allReady, deriveRefusal, endOfLines, said, viewOf, waitForLine, waitForReason, waitForTicks } from './support/node-view.ts';
import { waitForStates } from './support/quick-blocks.ts';
import type { Secret } from './support/secret-search.ts';

const ZERO = `0x${'0'.repeat(64)}`;
const PENDING = 'claim of the master secret hash is pending';
const DEPRECATED_VERSION = 2;
/** A base fee in wei per gas. It is far above the price that a first claim offers, but below the cap (0.05 ether for 300,000 gas). */
const HIGH_BASE_FEE = 100_000_000_000n;

let manual: ManualCluster;
let cluster: Cluster;
let app: DevApp;
const asker = new AskingMember();
const closers: (() => Promise<void>)[] = [() => asker.close()];
/** Number of claims that were mined before the test. */
let claimsBefore = 0;
/** The number of lines that each node had printed before the test. */
let ends = new Map<ClusterNode, number>();
/** The master secret at the end of each test, and keys derived from it. */
const served: Secret[] = [];

beforeAll(async () => {
  manual = await startManualCluster({ nodes: 3, tickSeconds: 1, rpcProxies: true });
  closers.push(() => manual.close());
  ({ cluster } = manual);
  app = await cluster.createApp();
  await cluster.chain.register({ wallet: asker.wallet, teePubkey: asker.teePubkey, url: asker.url });
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** At the start of each test, the chain shows no hash and no node is running. */
beforeEach(async () => {
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  for (const proxy of manual.proxies) proxy.passAll();
  await manual.resumeMining();
  if ((await cluster.chain.masterSecretHash()) !== ZERO) await cluster.chain.resetMasterSecretHash();
  await cluster.mineConfirmations();
  claimsBefore = await cluster.chain.claimsMined();
  ends = new Map(cluster.nodes.map((node) => [node, endOfLines(node)]));
});

const claimsNow = async (): Promise<number> => (await cluster.chain.claimsMined()) - claimsBefore;
const pendingLines = (node: ClusterNode) => said(node, PENDING, ends.get(node));
const waitForPending = (node: ClusterNode): Promise<void> => waitForLine(node, PENDING, WAIT_TIMEOUT_MS, ends.get(node));

async function nonceOf(node: ClusterNode): Promise<number> {
  return cluster.chain.client.getTransactionCount({ address: node.wallet as `0x${string}` });
}

/** Mines the confirmations that the claim needs. Then expects that all nodes are ready, with one claim and one key. */
async function expectGoodEnd(nodes: readonly ClusterNode[]): Promise<void> {
  await cluster.mineConfirmations();
  await allReady(nodes, WAIT_TIMEOUT_MS);
  expect(await claimsNow()).toBe(1);
  expect(await cluster.chain.masterSecretHash()).not.toBe(ZERO);
  expect(await fingerprintsOf(app, nodes)).toHaveLength(1);
  served.push(...secretsFrom(await askMasterSecret(nodes[0]!)));
}

test('three nodes that start at the same time agree on one claim and derive the same key', async () => {
  await startAll(cluster);
  await Promise.all(cluster.nodes.map((node) => waitForReason(node, 'master secret hash not deep enough', WAIT_TIMEOUT_MS)));
  await expectGoodEnd(cluster.nodes);
});

test('when three claims are in one block, two of them revert, and their nodes fetch the secret of the third node', async () => {
  await manual.pauseMining();
  await startAll(cluster);
  await Promise.all(cluster.nodes.map(waitForPending));
  await cluster.chain.mine(1);
  const hashes = cluster.nodes.map((node) => pendingLines(node)[0]!['transaction'] as `0x${string}`);
  const receipts = await Promise.all(hashes.map((hash) => cluster.chain.client.getTransactionReceipt({ hash })));
  expect(receipts.map(({ status }) => status).sort()).toEqual(['reverted', 'reverted', 'success']);
  expect(new Set(receipts.map(({ blockNumber }) => blockNumber)).size).toBe(1);
  await expectGoodEnd(cluster.nodes);
});

test('an underpriced claim is reported as underpriced, and sent again at the price of the next block', async () => {
  const node = cluster.node(1);
  await manual.pauseMining();
  await cluster.chain.test.setNextBlockBaseFeePerGas({ baseFeePerGas: HIGH_BASE_FEE });
  await node.start();
  await waitForReason(node, 'failed to set master secret hash: the claim is underpriced', WAIT_TIMEOUT_MS);
  expect(await claimsNow()).toBe(0);
  await cluster.chain.mine(1);
  await waitForPending(node);
  await cluster.chain.mine(1);
  await expectGoodEnd([node]);
});

test('a claim that is stuck in the mempool is replaced by one with the same nonce and with fees that the chain accepts', async () => {
  const node = cluster.node(1);
  await manual.pauseMining();
  await node.start();
  await waitForPending(node);
  const nonce = await nonceOf(node);
  for (let block = 0; block < 10; block += 1) {
    await cluster.chain.test.setNextBlockBaseFeePerGas({ baseFeePerGas: HIGH_BASE_FEE });
    await cluster.chain.mine(1);
  }
  expect(await nonceOf(node)).toBe(nonce);
  const first = pendingLines(node)[0]!['transaction'];
  await waitForReplacement(node, first);
  await cluster.chain.mine(1);
  expect(await nonceOf(node)).toBe(nonce + 1);
  await expectGoodEnd([node]);
});

async function waitForReplacement(node: ClusterNode, first: unknown): Promise<void> {
  for (let tick = 0; tick < 5; tick += 1) {
    if (pendingLines(node).some(({ transaction }) => transaction !== first)) return;
    await waitForTicks(node, 1, WAIT_TIMEOUT_MS);
  }
  throw new Error('the claim was not replaced');
}

test.each([
  { fate: 'lose the answer', problem: 'got no answer' },
  { fate: 'deny the answer', problem: 'got an error as the answer' },
] as const)('a node finds its mined claim on the chain even if it $problem when it sent the transaction', async ({ fate }) => {
  const [first, second] = [cluster.node(1), cluster.node(2)];
  const proxy = manual.proxies[0]!;
  proxy.setRule(({ method }) => (method === 'eth_sendRawTransaction' ? fate : 'pass'));
  await first.start();
  await waitForReason(first, 'master secret hash not deep enough: claimed here', WAIT_TIMEOUT_MS);
  // A node that gets no usable answer may send the same transaction again, but the chain accepts the transaction only once.
  expect(proxy.marred).toBeGreaterThanOrEqual(1);
  await second.start();
  await expectGoodEnd([first, second]);
});

test('a node sends no second claim while its first one is pending, even if the answer to the first one was an error', async () => {
  const node = cluster.node(1);
  await manual.pauseMining();
  manual.proxies[0]!.setRule(({ method }) => (method === 'eth_sendRawTransaction' ? 'deny the answer' : 'pass'));
  await node.start();
  await waitForReason(node, 'failed to set master secret hash', WAIT_TIMEOUT_MS);
  manual.proxies[0]!.passAll();
  await waitForPending(node);
  const nonce = await nonceOf(node);
  await cluster.chain.mine(1);
  expect(await nonceOf(node)).toBe(nonce + 1);
  await expectGoodEnd([node]);
});

test('no member gets a candidate before the chain shows the hash of that candidate six blocks deep', async () => {
  await manual.pauseMining();
  const node = cluster.node(1);
  await node.start();
  await waitForPending(node);
  expect(await asker.askForSecret(node)).toEqual({ kind: 'refused', status: 503 });
  await cluster.chain.mine(1);
  await waitForReason(node, 'master secret hash not deep enough: claimed here', WAIT_TIMEOUT_MS);
  expect(await asker.askForSecret(node)).toEqual({ kind: 'refused', status: 503 });
  // Now five blocks are on top of the claim, one fewer than the node needs.
  await cluster.chain.mine(5);
  await waitForTicks(node, 1, WAIT_TIMEOUT_MS);
  expect((await viewOf(node)).readiness.state).toBe('bootstrapping');
  expect(await asker.askForSecret(node)).toEqual({ kind: 'refused', status: 503 });
  await cluster.chain.mine(1);
  await allReady([node], WAIT_TIMEOUT_MS);
  expect(await asker.askForSecret(node)).toEqual({ kind: 'given', hash: await cluster.chain.masterSecretHash() });
});

test('a member on a DEPRECATED version does not claim, but fetches the secret after a member on an ENROLLED version has claimed', async () => {
  const [deprecated, enrolled] = [cluster.node(3), cluster.node(1)];
  await cluster.chain.setVersionStatus(KMS_APP_ID, DEPRECATED_VERSION, VERSION_STATUS.DEPRECATED);
  const { wallet, teePubkey, url } = deprecated;
  await cluster.chain.register({ wallet, teePubkey, url, versionId: DEPRECATED_VERSION });
  await cluster.mineConfirmations();
  const nonce = await nonceOf(deprecated);
  await deprecated.start();
  await waitForTicks(deprecated, 2, WAIT_TIMEOUT_MS);
  expect(await deriveRefusal(deprecated)).toMatchObject({ status: 503, code: 'service_unavailable', message: 'version may not claim' });
  expect(await claimsNow()).toBe(0);
  await enrolled.start();
  await waitForReason(enrolled, 'master secret hash not deep enough: claimed here', WAIT_TIMEOUT_MS);
  await expectGoodEnd([deprecated, enrolled]);
  expect(await nonceOf(deprecated)).toBe(nonce);
});

test('no output or answer contains a secret', async () => {
  await cluster.node(1).start();
  await waitForStates(cluster, [cluster.node(1)], 'ready');
  await expectNoSecrets(cluster, { secrets: served, outputs: await answersOf(cluster) });
});
