/**
 * Compatibility with an older node (protocol.md §9, §10): two real nodes and an imitated older node, which lacks the additions of this
 * implementation, are members of one cluster. Writes reach all nodes in both directions. The real nodes stay within the older node's rate
 * limit, and never answer its requests with 429.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { memberOf } from '../support/node-over-http.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { viewOf, waitForView } from './support/node-view.ts';
import { OlderNode } from './support/older-node.ts';

const BODY_LIMIT_BYTES = 2 * 1024 * 1024;

/** Enough for two rounds of anti-entropy with the older node: at each sync_tick, a node compares stores with the next of its two peers. */
const SYNC_TICKS = 5;

const secret = randomBytes(32).toString('hex');
let cluster: Cluster;
let older: OlderNode;
const closers: (() => Promise<void>)[] = [];
let app: DevApp;
let a: ClusterNode;
let b: ClusterNode;

beforeAll(async () => {
  older = await OlderNode.start({ secret, peers: 2 });
  closers.push(() => older.close());
  cluster = await startCluster({
    nodes: 2,
    tickSeconds: 5,
    environment: { MASTER_SECRET_HEX: secret, DATA_SYNC_INTERVAL_SECONDS: '1' },
    prepare: async ({ chain }) => {
      await chain.register({ wallet: older.wallet, teePubkey: older.teePubkey, url: older.url });
    },
  });
  closers.push(() => cluster.close());
  [a, b] = cluster.nodes as [ClusterNode, ClusterNode];
  const members = [...cluster.nodes, older].map(({ wallet, teePubkey, url }) => memberOf(wallet, teePubkey, url));
  older.know(members);
  app = await cluster.createApp();
  await Promise.all(cluster.nodes.map((node) => node.waitForState('ready', WAIT_TIMEOUT_MS)));
  await cluster.mineConfirmations();
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

async function readFrom(node: ClusterNode, key: string): Promise<string | null> {
  const held = await app.client.get(key, { node: node.wallet });
  return held === null ? null : Buffer.from(held.value).toString();
}

/** Waits until `read` returns the expected value for every key. @param where the name of the node that `read` reads from */
async function shows(where: string, read: (key: string) => Promise<string | null> | string | null, expected: ReadonlyMap<string, string | null>): Promise<void> {
  const left = new Map(expected);
  await waitUntil({ what: `all values on ${where}`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 250 }, async () => {
    for (const [key, value] of left) {
      if ((await read(key)) !== value) return `${left.size} of ${expected.size} are missing, such as ${key}`;
      left.delete(key);
    }
    return null;
  });
}

test('writes and deletes of the real nodes reach the older node in few requests', async () => {
  const written = new Map<string, string | null>();
  for (let index = 0; index < 60; index += 1) {
    const key = `from ${index % 2 === 0 ? 'a' : 'b'}/${index}`;
    await app.client.put({ key, value: bytes(`value ${index}`) }, { node: (index % 2 === 0 ? a : b).wallet });
    written.set(key, `value ${index}`);
  }
  for (const key of [...written.keys()].slice(0, 10)) {
    await app.client.delete({ key }, { node: a.wallet });
    written.set(key, null);
  }
  await shows('the older node', (key) => older.read(app.appId, key), written);
  // There are 70 writes and deletes. Fewer requests mean that a message carried several writes.
  expect(older.served.filter(({ path }) => path === '/sync').length).toBeLessThan(70);
});

test('writes and deletes of the older node reach the real nodes, and no answer to the older node is 429', async () => {
  const written = new Map<string, string | null>();
  for (let index = 0; index < 30; index += 1) {
    const key = `from older/${index}`;
    const record = older.write(app.appId, key, `value ${index}`);
    written.set(key, `value ${index}`);
    // The older node sends one message per record to each node. It would itself accept only one message from a peer every two seconds.
    // A node skips a record that it already got through anti-entropy with the other real node.
    for (const node of [a, b]) expect(await older.push(node, app.appId, [record])).toMatchObject({ status: 'ok', total: 1, rejected: 0 });
  }
  const gone = [...written.keys()].slice(0, 5);
  const tombstones = gone.map((key) => older.write(app.appId, key, null));
  for (const key of gone) written.set(key, null);
  await older.push(a, app.appId, tombstones);
  for (const node of [a, b]) await shows(node.name, (key) => readFrom(node, key), written);
  expect(older.answers.filter((status) => status !== 200)).toEqual([]);
});

test('a record that the older node pushed to only one of the real nodes also reaches the other real node', async () => {
  const told = older.write(app.appId, 'pushed only to node a', 'value');
  expect(await older.push(a, app.appId, [told])).toMatchObject({ total: 1, rejected: 0 });
  await shows('node b', (key) => readFrom(b, key), new Map([['pushed only to node a', 'value']]));
});

test('the later write wins on both sides, regardless of which node wrote it', async () => {
  older.write(app.appId, 'shared', 'first, from the older node');
  await older.push(a, app.appId, [older.write(app.appId, 'shared', 'second, from the older node')]);
  await app.client.put({ key: 'shared', value: bytes('third, from node a') }, { node: a.wallet });
  await shows('the older node', (key) => older.read(app.appId, key), new Map([['shared', 'third, from node a']]));
  await older.push(b, app.appId, [older.write(app.appId, 'shared', 'fourth, from the older node')]);
  for (const node of [a, b]) await shows(node.name, (key) => readFrom(node, key), new Map([['shared', 'fourth, from the older node']]));
});

test("when a write asks for two acks, the older node's answer counts as one of them", async () => {
  const { acks } = await app.client.put({ key: 'acknowledged', value: bytes('value'), acks: 2, ackTimeoutMs: 30_000 }, { node: a.wallet, timeoutMs: 60_000 });
  expect([acks, older.read(app.appId, 'acknowledged')]).toEqual([2, 'value']);
});

test('a value that is too large for the older node does not block other writes, and reaches the other real node (§9.6)', async () => {
  const large = new Uint8Array(1_048_576).fill(7);
  await app.client.put({ key: 'large', value: large }, { node: a.wallet });
  await app.client.put({ key: 'after the large one', value: bytes('value') }, { node: a.wallet });
  await shows('the older node', (key) => older.read(app.appId, key), new Map([['after the large one', 'value']]));
  await waitUntil({ what: 'the large value on node b', timeoutMs: WAIT_TIMEOUT_MS }, async () => ((await app.client.get('large', { node: b.wallet })) === null ? 'node b does not have it' : null));
  expect(older.read(app.appId, 'large')).toBeNull();
});

test('the older node gets a complete snapshot in one answer, with tombstones and without a cursor', async () => {
  const answer = await older.askSnapshot(a);
  const keys = (answer?.['data'] as Record<string, readonly { readonly key: string }[]>)[app.appId]!.map(({ key }) => key);
  expect(answer).not.toHaveProperty('next_cursor');
  expect(keys).toEqual(expect.arrayContaining([...older.keys(app.appId), 'from older/0']));
});

test('the real nodes have stopped asking the older node for digests, because it refused their first requests', async () => {
  const refusals = (): number => older.served.filter(({ status }) => status === 403).length;
  // A node ignores a refusal that arrives after the request has timed out. So on a busy machine, a node may have asked more than once.
  const before = refusals();
  for (const node of [a, b]) {
    const { run } = (await viewOf(node)).readiness.sync_ticks;
    await waitForView(node, `${SYNC_TICKS} more sync_ticks`, WAIT_TIMEOUT_MS, ({ readiness }) => readiness.sync_ticks.run >= run + SYNC_TICKS);
  }
  expect(refusals()).toBe(before);
});

test('the real nodes stayed within the limits of the older node in all these tests', () => {
  const refused = older.served.filter(({ status }) => status === 429);
  expect([refused.length, older.longestRefusal()]).toEqual([0, 0]);
  expect(older.served.filter(({ bytes: length, status }) => length > BODY_LIMIT_BYTES && status !== 413)).toEqual([]);
  expect(older.answers).not.toContain(429);
});
