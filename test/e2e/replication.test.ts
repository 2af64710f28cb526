/**
 * An acknowledged write reaches every node and stays there (protocol.md §4, §10), even if real nodes are killed, frozen, cut off and
 * stopped while an app writes. Only a write that no other node had when its node was killed may be lost. Each member is registered with the
 * URL of a front: a proxy that can cut the link between two members.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import process from 'node:process';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { MAX_ACK_TIMEOUT_MS } from '../../src/domain/limits.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { answersOf, expectNoSecrets } from './support/cluster-secrets.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { waitForStates } from './support/quick-blocks.ts';
import { ReplicationFront } from './support/replication-front.ts';
import { expectedValues, keysOn, valuesOn, waitForSameKeys } from './support/replication-view.ts';
import { forEachOf, ReplicationWriter, valueOf } from './support/replication-writer.ts';

const WRITES = 1_000;
const BURST = 100;
const AT_ONCE = 8;

const fronts: ReplicationFront[] = [];
let cluster: Cluster;
let app: DevApp;

beforeAll(async () => {
  for (let count = 0; count < 3; count += 1) fronts.push(await ReplicationFront.start());
  cluster = await startCluster({
    nodes: 3,
    tickSeconds: 2,
    start: false,
    keepLines: 20_000,
    environment: { LOG_LEVEL: 'DEBUG', DATA_SYNC_INTERVAL_SECONDS: '1', RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0' },
    plans: fronts.map(({ url }) => ({ url })),
  });
  for (const [index, front] of fronts.entries()) front.targetPort = cluster.nodes[index]!.port;
  app = await cluster.createApp();
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await waitForStates(cluster, cluster.nodes, 'ready');
});

afterAll(async () => {
  await cluster.close();
  await Promise.all(fronts.map((front) => front.close()));
});

function frontOf(node: ClusterNode): ReplicationFront {
  return fronts[node.index - 1]!;
}

async function startAgain(node: ClusterNode): Promise<void> {
  await node.start();
  await node.waitForState('ready', WAIT_TIMEOUT_MS);
}

/** Freezes the process: its sockets stay open, but it does not answer. `thaw` first waits until a push to the node has timed out. */
function freeze(node: ClusterNode): { readonly thaw: () => Promise<void> } {
  const { pid } = node;
  if (pid === undefined) throw new Error(`${node.name} has no process`);
  process.kill(pid, 'SIGSTOP');
  const before = frontOf(node).abandoned;
  return {
    async thaw() {
      await waitUntil({ what: `a push to ${node.name} being abandoned`, timeoutMs: WAIT_TIMEOUT_MS }, async () =>
        frontOf(node).abandoned > before ? null : 'no push has been abandoned',
      );
      process.kill(pid, 'SIGCONT');
    },
  };
}

/** Deletes keys through a node that holds them. */
async function deleteAll(node: ClusterNode, keys: readonly string[], acks = 0): Promise<void> {
  await forEachOf(keys, AT_ONCE, async (key) => {
    const { deleted } = await app.client.delete({ key, acks, ackTimeoutMs: MAX_ACK_TIMEOUT_MS }, { node: node.wallet });
    expect({ key, deleted }).toEqual({ key, deleted: true });
  });
}

function putAll(node: ClusterNode, keys: readonly string[]): Promise<void> {
  return forEachOf(keys, AT_ONCE, async (key) => {
    await app.client.put({ key, value: valueOf(key) }, { node: node.wallet });
  });
}

test(
  'a thousand writes survive, except any that only a killed node had, and deleted keys stay deleted, when one node is killed twice and another is frozen',
  async () => {
    const [steady, killed, frozen] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    const writer = new ReplicationWriter(app, cluster.nodes);
    const deleted: string[] = [];

    const killInMidst = async (portion: number): Promise<void> => {
      const before = writer.written.length;
      const portionDone = writer.write(portion);
      await writer.reached(before + 40);
      await killed.kill();
      writer.setDown(killed, true);
      await portionDone;
    };
    const reviveInMidst = async (portion: number): Promise<void> => {
      await Promise.all([startAgain(killed), writer.write(portion)]);
      writer.setDown(killed, false);
    };
    const erase = async (node: ClusterNode, keys: readonly string[], acks = 0): Promise<void> => {
      await deleteAll(node, keys, acks);
      deleted.push(...keys);
    };

    await writer.write(200);
    const early = await waitForSameKeys(app, cluster.nodes, WAIT_TIMEOUT_MS, (keys) => (keys.size === 200 ? null : `${keys.size} keys`));

    await killInMidst(150);
    await Promise.all([erase(steady, early.slice(0, 20)), erase(frozen, early.slice(20, 40)), reviveInMidst(100)]);
    await writer.write(50);

    const frost = freeze(frozen);
    // The writer still sends some of these writes to the frozen node, and they time out.
    await writer.write(20);
    writer.setDown(frozen, true);
    await killInMidst(130);
    await Promise.all([erase(steady, early.slice(40, 60)), reviveInMidst(100)]);
    await erase(killed, early.slice(60, 80), 1);
    await writer.write(100);
    const bySteady = writer.written.filter(({ node, atFirstTry }) => node === steady && atFirstTry).map(({ key }) => key);
    await erase(steady, bySteady.filter((key) => !early.includes(key)).slice(-20));
    await frost.thaw();
    writer.setDown(frozen, false);
    await writer.write(WRITES - writer.written.length);

    expect(new Set(writer.written.map(({ key }) => key)).size).toBe(WRITES);
    const isDeleted = new Set(deleted);
    const kept = writer.written.filter(({ key }) => !isDeleted.has(key));
    const onKilledAlone = kept.filter(({ node, acknowledgedByAnother }) => node === killed && !acknowledgedByAnother).map(({ key }) => key);
    const mayBeLost = new Set(onKilledAlone);
    const mustBeThere = kept.map(({ key }) => key).filter((key) => !mayBeLost.has(key));
    const keys = await waitForSameKeys(app, cluster.nodes, WAIT_TIMEOUT_MS, (there) => {
      const missing = mustBeThere.filter((key) => !there.has(key));
      const undead = deleted.filter((key) => there.has(key));
      return missing.length + undead.length === 0 ? null : `missing: ${missing.join(' ')}; deleted but present: ${undead.join(' ')}`;
    });

    const there = new Set(keys);
    const lost = onKilledAlone.filter((key) => !there.has(key));
    process.stdout.write(
      `writes that only the killed node had acknowledged: ${onKilledAlone.length}; lost: ${lost.length} (${lost.join(' ')})\n`,
    );
    expect([...keys, ...lost].sort()).toEqual(kept.map(({ key }) => key).sort());
    const expected = expectedValues(keys, valueOf);
    for (const node of cluster.nodes) expect(await valuesOn(app, node, keys)).toEqual(expected);
    for (const { acknowledgedByAnother, key } of kept) if (acknowledgedByAnother) expect(there.has(key)).toBe(true);
    expect(kept.filter(({ acknowledgedByAnother }) => acknowledgedByAnother).length).toBeGreaterThan(WRITES / 8);
  },
);

test(
  'a node that is stopped right after a burst of writes pushes all of them before it ends',
  async () => {
    const [first, second, stopped] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    await stopped.restart({ DATA_SYNC_NUDGE_MS: '0', DATA_SYNC_INTERVAL_SECONDS: '3600' });
    await stopped.waitForState('ready', WAIT_TIMEOUT_MS);
    const keys = Array.from({ length: BURST }, (_, index) => `burst-${index}`);
    // With these links cut, the other nodes cannot fetch the writes through anti-entropy. Only the last push can deliver them.
    for (const other of [first, second]) frontOf(stopped).cut(other.wallet);
    await putAll(stopped, keys);
    const held = await keysOn(app, first);
    expect(held.filter((key) => key.startsWith('burst-'))).toEqual([]);
    expect(await stopped.stop()).toEqual({ code: 0, signal: null });
    const expected = expectedValues(keys, valueOf);
    for (const node of [first, second]) expect(await valuesOn(app, node, keys)).toEqual(expected);
    for (const other of [first, second]) frontOf(stopped).mend(other.wallet);
    await startAgain(stopped);
    expect(await valuesOn(app, stopped, keys)).toEqual(expected);
  },
);

test(
  'when a node has pushed its writes to only one peer and then dies, the other peer gets the writes through anti-entropy',
  async () => {
    const [writer, witness, cutOff] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    frontOf(cutOff).cut(writer.wallet);
    frontOf(writer).cut(cutOff.wallet);
    const keys = Array.from({ length: 20 }, (_, index) => `last-words-${index}`);
    await forEachOf(keys, AT_ONCE, async (key) => {
      const { acks } = await app.client.put({ key, value: valueOf(key), acks: 1, ackTimeoutMs: MAX_ACK_TIMEOUT_MS }, { node: writer.wallet });
      expect(acks).toBe(1);
    });
    await app.client.delete({ key: keys[0]!, acks: 1, ackTimeoutMs: MAX_ACK_TIMEOUT_MS }, { node: writer.wallet });
    await waitUntil({ what: 'a push that is cut off', timeoutMs: WAIT_TIMEOUT_MS }, async () =>
      frontOf(cutOff).dropped(writer.wallet) > 0 ? null : 'no push was cut off',
    );
    await writer.kill();
    const left = keys.slice(1);
    await waitForSameKeys(app, [witness, cutOff], WAIT_TIMEOUT_MS, (there) => {
      const missing = left.filter((key) => !there.has(key));
      return missing.length === 0 && !there.has(keys[0]!) ? null : `missing: ${missing.join(' ')}`;
    });
    expect(await valuesOn(app, cutOff, left)).toEqual(expectedValues(left, valueOf));
    expect(writer.running).toBe(false);
  },
);

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(cluster, { outputs: await answersOf(cluster) });
});
