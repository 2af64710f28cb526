/**
 * The hand-over of the master secret and the first snapshot (protocol.md §5, §9.1, §9.3, §9.5, §9.21, §10), between real nodes and
 * members that give wrong answers, no answers or incomplete answers. Node 1 holds the secret from the start. The registered URL of node 1
 * is that of a front: a proxy that can hold back or refuse the requests of the node's peers.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { INSTANCE_STATUS } from '../../src/dev/dev-chain.ts';
import type { Cluster } from '../../src/dev/cluster.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { memberOf } from '../support/node-over-http.ts';
import { AskingMember, type AskedNode } from './support/asking-member.ts';
import { BlackHole } from './support/black-hole.ts';
import { answersOf, expectNoSecrets } from './support/cluster-secrets.ts';
import { fingerprintFrom } from './support/fingerprint.ts';
import { GarbagePeer } from './support/garbage-peer.ts';
import { LyingPeer, type Lie } from './support/lying-peer.ts';
import { startManualCluster, type ManualCluster } from './support/manual-cluster.ts';
import { NodeFront } from './support/node-front.ts';
import { allReady, endOfLines, said, viewOf, waitForLine, waitForReason, waitForView } from './support/node-view.ts';

const TAKEN_OVER = 'master secret installed';
const WRONG_SECRET = 'a member sent a master secret that the chain does not confirm';
const NO_SECRET = 'a member sent no master secret';
/** Makes the next tick come much later, for tests that check the effect of a single tick. */
const LONG_BEAT = { KMS_NODE_TICK_SECONDS: '600' };
/**
 * A node asks the two members in random order. The chance that it never asks a given member first in 30 joins is one in a billion.
 */
const MAX_JOINS = 30;

const rightSecret = randomBytes(32).toString('hex');
const asker = new AskingMember();
const closers: (() => Promise<void>)[] = [() => asker.close()];
let manual: ManualCluster;
let cluster: Cluster;
let front: NodeFront;
let app: DevApp;
let holder: ClusterNode;
let joiner: ClusterNode;
/** The fingerprint of a key derived from the right secret. */
let fingerprint: string;

beforeAll(async () => {
  front = await NodeFront.start();
  closers.push(() => front.close());
  manual = await startManualCluster({
    nodes: 3,
    tickSeconds: 2,
    environment: { LOG_LEVEL: 'DEBUG' },
    plans: [{ url: front.url, environment: { MASTER_SECRET_HEX: rightSecret } }],
  });
  closers.push(() => manual.close());
  ({ cluster } = manual);
  [holder, joiner] = [cluster.node(1), cluster.node(2)];
  front.targetPort = holder.port;
  app = await cluster.createApp();
  await cluster.mineConfirmations();
  await holder.start();
  await waitForReason(holder, 'master secret hash not deep enough: claimed here', WAIT_TIMEOUT_MS);
  await cluster.mineConfirmations();
  await allReady([holder], WAIT_TIMEOUT_MS);
  fingerprint = await fingerprintFrom(app, holder);
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function list(member: AskedNode): Promise<void> {
  await cluster.chain.register(member);
  await cluster.mineConfirmations();
}

async function setListed(member: Pick<AskedNode, 'wallet'>, status: number): Promise<void> {
  await cluster.chain.setInstanceStatus(member.wallet, status);
  await cluster.mineConfirmations();
}

test('a killed node fetches the secret from a member when it starts again', async () => {
  await joiner.start();
  await allReady([joiner], WAIT_TIMEOUT_MS);
  expect(await fingerprintFrom(app, joiner)).toBe(fingerprint);
  await joiner.kill();
  const end = endOfLines(joiner);
  await joiner.start();
  await allReady([joiner], WAIT_TIMEOUT_MS);
  expect(said(joiner, TAKEN_OVER, end)).toHaveLength(1);
  expect((await viewOf(joiner)).node.master_secret).toEqual({ state: 'synced', synced_from: holder.wallet });
  expect(await fingerprintFrom(app, joiner)).toBe(fingerprint);
});

/** Starts the joiner. The front holds back the joiner's request to the holder until the joiner has logged the answer from `liar`. */
async function joinAfterHearing(liar: AskedNode, sentence: string): Promise<Record<string, unknown>> {
  await joiner.kill();
  const end = endOfLines(joiner);
  front.hold('secret');
  await joiner.start(LONG_BEAT);
  const heard = () => said(joiner, sentence, end).find(({ member }) => member === liar.wallet);
  await waitUntil({ what: 'the joiner logging the answer of the liar', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () =>
    heard() === undefined ? 'the joiner has not logged this line' : null,
  );
  expect((await viewOf(joiner)).readiness.state).toBe('syncing-secret');
  front.passAll();
  await allReady([joiner], WAIT_TIMEOUT_MS);
  return heard()!;
}

async function expectRightSecretInOneTick(): Promise<void> {
  const { node, readiness } = await viewOf(joiner);
  expect(readiness.ticks.run).toBe(1);
  expect(node.master_secret).toEqual({ state: 'synced', synced_from: holder.wallet });
  expect(await fingerprintFrom(app, joiner)).toBe(fingerprint);
}

const LIES: readonly { lie: Lie; sentence: string; noted: Record<string, unknown> }[] = [
  { lie: 'the wrong secret', sentence: WRONG_SECRET, noted: { what: 'wrong_hash' } },
  { lie: 'a secret that is one byte too long', sentence: WRONG_SECRET, noted: { what: 'does_not_open' } },
  { lie: 'a message that is not valid JSON', sentence: NO_SECRET, noted: { why: 'the decrypted answer is malformed' } },
  { lie: 'an envelope that does not open', sentence: NO_SECRET, noted: { why: 'the answer does not decrypt' } },
  { lie: 'the content of its first answer', sentence: NO_SECRET, noted: { why: 'the answer belongs to a different request' } },
  { lie: 'a signature by the wrong wallet', sentence: NO_SECRET, noted: { why: "the answer is not signed by the peer's wallet" } },
];

test.each(LIES)('a peer that answers with $lie is logged and skipped in the same tick', async ({ lie, sentence, noted }) => {
  const liar = await LyingPeer.start({ lie, rightSecret });
  try {
    liar.know([joiner, asker].map(({ wallet, teePubkey, url }) => memberOf(wallet, teePubkey, url)));
    // The liar gives its first answer to another member, so its next answer is a replay.
    if (lie === 'the content of its first answer') expect(await asker.askForSecret(liar)).toMatchObject({ kind: 'given' });
    await list(liar);
    const heard = await joinAfterHearing(liar, sentence);
    expect(heard).toMatchObject(noted);
    await expectRightSecretInOneTick();
  } finally {
    await setListed(liar, INSTANCE_STATUS.STOPPED);
    await liar.close();
  }
});

test('a peer that sends the exact bytes of its first answer again is logged and skipped', async () => {
  const liar = await LyingPeer.start({ lie: 'the envelope of its first answer', rightSecret });
  try {
    liar.know([memberOf(joiner.wallet, joiner.teePubkey, joiner.url)]);
    await list(liar);
    expect(await joinAfterHearing(liar, WRONG_SECRET)).toMatchObject({ what: 'wrong_hash' });
    expect(await joinAfterHearing(liar, NO_SECRET)).toMatchObject({ why: 'the answer does not decrypt' });
    expect(liar.told).toBe(2);
    await expectRightSecretInOneTick();
  } finally {
    await setListed(liar, INSTANCE_STATUS.STOPPED);
    await liar.close();
  }
});

test('a peer that answers only garbage is logged and skipped in the same tick', async () => {
  const peer = await GarbagePeer.start();
  try {
    await list(peer);
    expect(await joinAfterHearing(peer, NO_SECRET)).toMatchObject({ why: 'the peer sent no usable nonce' });
    await expectRightSecretInOneTick();
  } finally {
    await setListed(peer, INSTANCE_STATUS.STOPPED);
    await peer.close();
  }
});

test('a joining node becomes ready in its first tick even if a peer accepts connections and never answers', async () => {
  const hole = await BlackHole.start();
  try {
    await list(hole);
    for (let join = 0; join < MAX_JOINS && hole.swallowed === 0; join += 1) {
      await joiner.kill();
      await joiner.start(LONG_BEAT);
      await allReady([joiner], WAIT_TIMEOUT_MS);
      await expectRightSecretInOneTick();
    }
    expect(hole.swallowed).toBeGreaterThan(0);
  } finally {
    await setListed(hole, INSTANCE_STATUS.STOPPED);
    await hole.close();
  }
});

test('two nodes without a first snapshot get it from each other and become ready when no other member is left to ask', async () => {
  const pair = [cluster.node(2), cluster.node(3)];
  await Promise.all(pair.map((node) => node.kill()));
  front.refuse('snapshot');
  // A node asks at each tick, and becomes ready without a snapshot after enough requests have failed. The interval between ticks is
  // long here, so that too few requests fail for the node to become ready.
  await Promise.all(pair.map((node) => node.start({ KMS_NODE_TICK_SECONDS: '60' })));
  await Promise.all(pair.map((node) => waitForReason(node, 'first snapshot missing', WAIT_TIMEOUT_MS)));
  await setListed(holder, INSTANCE_STATUS.STOPPED);
  await allReady(pair, WAIT_TIMEOUT_MS);
  for (const node of pair) expect((await viewOf(node)).first_snapshot).toBe('complete');
  await setListed(holder, INSTANCE_STATUS.ACTIVE);
  front.passAll();
});

test('when the only member with a complete store refuses snapshots, two new nodes become ready without a snapshot, and keep asking for one', async () => {
  const pair = [cluster.node(2), cluster.node(3)];
  await Promise.all(pair.map((node) => node.kill()));
  front.refuse('snapshot');
  const ends = pair.map(endOfLines);
  await Promise.all(pair.map((node) => node.start()));
  await allReady(pair, WAIT_TIMEOUT_MS);
  for (const [index, node] of pair.entries()) {
    const { first_snapshot: snapshot, readiness } = await viewOf(node);
    expect(snapshot).toBe('none');
    expect(readiness.ticks.run).toBeGreaterThanOrEqual(3);
    const reasons = said(node, 'readiness changed', ends[index]).map(({ reason }) => reason);
    expect(reasons).toContain('first snapshot missing');
    expect(await fingerprintFrom(app, node)).toBe(fingerprint);
  }
  front.passAll();
  for (const [index, node] of pair.entries()) {
    await waitForLine(node, 'first snapshot is complete', WAIT_TIMEOUT_MS, ends[index]);
    await waitForView(node, 'its first snapshot', WAIT_TIMEOUT_MS, ({ first_snapshot: snapshot }) => snapshot === 'complete');
  }
});

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(manual.cluster, { outputs: await answersOf(manual.cluster) });
});
