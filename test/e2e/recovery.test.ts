/**
 * Nodes stop being ready and become ready again (protocol.md §1, §6, and §10 "A reset hash"). These are real nodes on a real chain; the
 * test decides when a block is mined. Nodes 1 and 2 are registered with one version, and node 3 with another.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Hash32 } from '../../src/domain/ids.ts';
import { INSTANCE_STATUS, KMS_APP_ID, VERSION_STATUS } from '../../src/dev/dev-chain.ts';
import { CONFIRMATIONS, type Cluster } from '../../src/dev/cluster.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { AskingMember } from './support/asking-member.ts';
import { answersOf, expectNoSecrets } from './support/cluster-secrets.ts';
import { fingerprintFrom, fingerprintsOf, waitForKnownKey } from './support/fingerprint.ts';
import { freshKeys } from './support/fresh-keys.ts';
import { startAll, startManualCluster, type ManualCluster } from './support/manual-cluster.ts';
import { allReady, deriveRefusal, endOfLines, said, viewOf, waitForLine, waitForReason, waitForTicks, waitForView } from './support/node-view.ts';
import { rawTransaction, reorganise } from './support/reorganisation.ts';

const ZERO = `0x${'0'.repeat(64)}`;
const TAKEN_OVER = 'master secret installed';
const PENDING = 'claim of the master secret hash is pending';
const OWN_VERSION = 2;

const asker = new AskingMember();
const closers: (() => Promise<void>)[] = [() => asker.close()];
let manual: ManualCluster;
let cluster: Cluster;
let app: DevApp;

beforeAll(async () => {
  manual = await startManualCluster({
    nodes: 3,
    tickSeconds: 1,
    plans: [{}, {}, { register: false }],
    prepare: async ({ chain, nodes }) => {
      await chain.setVersionStatus(KMS_APP_ID, OWN_VERSION, VERSION_STATUS.ENROLLED);
      const { wallet, teePubkey, url } = nodes[2]!;
      await chain.register({ wallet, teePubkey, url, versionId: OWN_VERSION });
      await chain.register({ wallet: asker.wallet, teePubkey: asker.teePubkey, url: asker.url });
    },
  });
  closers.push(() => manual.close());
  ({ cluster } = manual);
  app = await cluster.createApp();
  await cluster.mineConfirmations();
  await startAll(cluster);
  await Promise.all(cluster.nodes.map((node) => waitForReason(node, 'master secret hash not deep enough', WAIT_TIMEOUT_MS)));
  await cluster.mineConfirmations();
  await allReady(cluster.nodes, WAIT_TIMEOUT_MS);
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** Expects that the node answers 503 after its next complete node_tick. That tick starts after the last block was mined. */
async function expectRefusal(node: ClusterNode, message: string): Promise<void> {
  await waitForTicks(node, 1, WAIT_TIMEOUT_MS);
  const refusal = await deriveRefusal(node);
  expect(refusal).toMatchObject({ status: 503, code: 'service_unavailable' });
  expect(refusal.message).toBe(message);
  expect(Number(refusal.retryAfter)).toBeGreaterThanOrEqual(0);
}

const takenOver = (node: ClusterNode): number => said(node, TAKEN_OVER).length;

describe('a member that loses its eligibility for a while', () => {
  const LOSSES = [
    {
      loss: 'its instance is STOPPED',
      message: 'self not in KMS node list',
      cause: (node: ClusterNode) => cluster.chain.setInstanceStatus(node.wallet, INSTANCE_STATUS.STOPPED),
      undo: (node: ClusterNode) => cluster.chain.setInstanceStatus(node.wallet, INSTANCE_STATUS.ACTIVE),
    },
    {
      loss: 'its version is REVOKED',
      message: 'self not in KMS node list: version is REVOKED',
      cause: () => cluster.chain.setVersionStatus(KMS_APP_ID, OWN_VERSION, VERSION_STATUS.REVOKED),
      undo: () => cluster.chain.setVersionStatus(KMS_APP_ID, OWN_VERSION, VERSION_STATUS.ENROLLED),
    },
    {
      loss: 'another teePubkey is registered for it',
      message: 'local teePubkey mismatch with registry',
      cause: (node: ClusterNode) => cluster.chain.setTeePubkey(node.wallet, freshKeys().teePubkey),
      undo: (node: ClusterNode) => cluster.chain.setTeePubkey(node.wallet, node.teePubkey),
    },
  ];

  test.each(LOSSES)('refuses requests when $loss, from the first tick at which the change is six blocks deep, and becomes ready with the same secret after the change is undone', async ({ message, cause, undo }) => {
    const node = cluster.node(3);
    const others = [cluster.node(1), cluster.node(2)];
    const fetched = takenOver(node);
    const fingerprint = await fingerprintFrom(app, node);
    const block = await manual.nextBlock();
    await cause(node);
    await manual.bury(block, CONFIRMATIONS - 1);
    // One confirmation is still missing, so the node does not see the change yet.
    await waitForTicks(node, 1, WAIT_TIMEOUT_MS);
    expect((await viewOf(node)).readiness.state).toBe('ready');
    await manual.bury(block, CONFIRMATIONS);
    await expectRefusal(node, message);
    await allReady(others, WAIT_TIMEOUT_MS);
    await undo(node);
    await cluster.mineConfirmations();
    await allReady([node], WAIT_TIMEOUT_MS);
    expect(takenOver(node)).toBe(fetched);
    expect(await fingerprintFrom(app, node)).toBe(fingerprint);
  });

  test('refuses requests after its enclave has restarted with a new key, and becomes ready again when that key is registered', async () => {
    const node = cluster.node(2);
    const fetched = takenOver(node);
    await node.restartEnclave({ register: false });
    await waitForReason(node, 'local teePubkey mismatch with registry', WAIT_TIMEOUT_MS);
    await expectRefusal(node, 'local teePubkey mismatch with registry');
    await cluster.chain.setTeePubkey(node.wallet, node.teePubkey);
    await cluster.mineConfirmations();
    await allReady([node], WAIT_TIMEOUT_MS);
    expect(takenOver(node)).toBe(fetched);
    expect(await asker.askForSecret(node)).toEqual({ kind: 'given', hash: await cluster.chain.masterSecretHash() });
    await waitForKnownKey(app, node);
    expect(await fingerprintsOf(app, cluster.nodes)).toHaveLength(1);
  });
});

test('after the owner resets the hash, the nodes claim one new secret and give the old secret to no member', async () => {
  const { chain, nodes } = cluster;
  const oldHash = await chain.masterSecretHash();
  const [oldFingerprint] = await fingerprintsOf(app, nodes);
  const claims = await chain.claimsMined();
  const block = await manual.nextBlock();
  await chain.resetMasterSecretHash();
  await manual.bury(block, CONFIRMATIONS - 1);
  await Promise.all(nodes.map((node) => waitForTicks(node, 1, WAIT_TIMEOUT_MS)));
  for (const node of nodes) expect((await viewOf(node)).readiness.state).toBe('ready');
  await manual.bury(block, CONFIRMATIONS);
  await Promise.all(nodes.map((node) => waitForTicks(node, 1, WAIT_TIMEOUT_MS)));
  for (const node of nodes) {
    const { status, message } = await deriveRefusal(node);
    expect(status).toBe(503);
    expect(message).toMatch(/^(?:awaiting on-chain master secret hash|master secret hash not deep enough|failed to set master secret hash: MasterSecretHashAlreadySet)/);
    expect(await asker.askForSecret(node)).toEqual({ kind: 'refused', status: 503 });
  }
  await Promise.all(nodes.map((node) => waitForReason(node, 'master secret hash not deep enough', WAIT_TIMEOUT_MS)));
  const newHash = await chain.masterSecretHash();
  expect([ZERO, oldHash]).not.toContain(newHash);
  for (const node of nodes) expect(await asker.askForSecret(node)).toEqual({ kind: 'refused', status: 503 });
  await cluster.mineConfirmations();
  await allReady(nodes, WAIT_TIMEOUT_MS);
  expect(await chain.claimsMined()).toBe(claims + 1);
  const fingerprints = await fingerprintsOf(app, nodes);
  expect(fingerprints).toHaveLength(1);
  expect(fingerprints[0]).not.toBe(oldFingerprint);
  for (const node of nodes) expect(await asker.askForSecret(node)).toEqual({ kind: 'given', hash: newHash });
});

describe('before the claim is deep enough,', () => {
  interface Claim {
    readonly node: ClusterNode;
    readonly hash: Hash32;
    readonly transaction: string;
  }

  /** Starts nodes 1 and 2 and mines both claims in the same block. The first claim succeeds. */
  async function twoClaims(): Promise<{ winner: Claim; loser: Claim }> {
    const { chain } = cluster;
    const nodes = [cluster.node(1), cluster.node(2)];
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await manual.resumeMining();
    await chain.resetMasterSecretHash();
    await cluster.mineConfirmations();
    await manual.pauseMining();
    const ends = nodes.map(endOfLines);
    await Promise.all(nodes.map((node) => node.start()));
    const claims = await Promise.all(
      nodes.map(async (node, index): Promise<Claim> => {
        await waitForLine(node, PENDING, WAIT_TIMEOUT_MS, ends[index]);
        const line = said(node, PENDING, ends[index])[0]!;
        return { node, hash: line['hash'] as Hash32, transaction: String(line['transaction']) };
      }),
    );
    await chain.mine(1);
    await Promise.all(nodes.map((node) => waitForReason(node, 'master secret hash not deep enough', WAIT_TIMEOUT_MS)));
    const shown = await chain.masterSecretHash();
    const winner = claims.find(({ hash }) => hash === shown);
    const loser = claims.find(({ hash }) => hash !== shown);
    if (winner === undefined || loser === undefined) throw new Error('the chain does not show exactly one of the two claims');
    return { winner, loser };
  }

  async function expectSecretOf(claim: Claim, from: Claim): Promise<void> {
    const nodes = [claim.node, from.node];
    await cluster.mineConfirmations();
    await allReady(nodes, WAIT_TIMEOUT_MS);
    expect(await cluster.chain.masterSecretHash()).toBe(claim.hash);
    expect((await viewOf(claim.node)).node.master_secret.state).toBe('generated');
    expect((await viewOf(from.node)).node.master_secret).toEqual({ state: 'synced', synced_from: claim.node.wallet });
    // A node reads apps at the head of the chain. The reorganisation changed no app, so the app still gets its key from both nodes.
    expect(await fingerprintsOf(app, nodes)).toHaveLength(1);
  }

  test('when a reorganisation replaces the claim with the claim of a second node, all nodes use the secret of the second node', async () => {
    const { winner, loser } = await twoClaims();
    await cluster.chain.mine(3);
    await reorganise(cluster.chain, 4, await rawTransaction(cluster.chain, loser.transaction));
    expect(await cluster.chain.masterSecretHash()).toBe(loser.hash);
    await expectSecretOf(loser, winner);
  });

  test('the nodes use the claimed secret when one reorganisation drops the claim and a second one brings it back', async () => {
    const { winner, loser } = await twoClaims();
    const transaction = await rawTransaction(cluster.chain, winner.transaction);
    await cluster.chain.mine(4);
    await reorganise(cluster.chain, 5);
    expect(await cluster.chain.masterSecretHash()).toBe(ZERO);
    // The node treats the zero hash as a reset and prepares a new candidate, but keeps the old one.
    await waitForView(winner.node, 'a new candidate', WAIT_TIMEOUT_MS, ({ readiness }) => readiness.reason === 'awaiting on-chain master secret hash');
    await reorganise(cluster.chain, 5, transaction);
    expect(await cluster.chain.masterSecretHash()).toBe(winner.hash);
    await expectSecretOf(winner, loser);
  });

  test('the nodes send new claims when a reorganisation drops all claims', async () => {
    const { winner, loser } = await twoClaims();
    const claims = await cluster.chain.claimsMined();
    await reorganise(cluster.chain, 1);
    expect(await cluster.chain.claimsMined()).toBe(claims - 1);
    await manual.resumeMining();
    // A node treats its claim as stuck if some blocks pass before the claim is mined.
    await cluster.chain.mine(10);
    await waitUntil({ what: 'a new claim', timeoutMs: WAIT_TIMEOUT_MS }, async () =>
      (await cluster.chain.masterSecretHash()) === ZERO ? 'the chain shows no hash' : null,
    );
    await cluster.mineConfirmations();
    await allReady([winner.node, loser.node], WAIT_TIMEOUT_MS);
    expect(await cluster.chain.claimsMined()).toBe(claims);
    expect(await fingerprintsOf(app, [winner.node, loser.node])).toHaveLength(1);
  });
});

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(manual.cluster, { outputs: await answersOf(manual.cluster) });
});
