/**
 * A client sees the effect of its own writes and deletes immediately, although the other nodes get them later. To read a key, it first asks
 * the node that accepted its last write to that key. A 404 from that node is final if it is sealed, or if this client deleted the
 * key there.
 */
import { describe, expect, test } from '@jest/globals';
import { createKmsClient, type KmsClient } from '../../../src/client/index.ts';
import { OwnWrites } from '../../../src/client/own-writes.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { NodeSide, transportToNodes, type Habits } from '../../support/node-side.ts';
import { answerOf } from '../../support/peer-side.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const NEWER: Partial<Habits> = { binds: true, seals: true };
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** Three nodes that never replicate to each other. */
async function start(habits: Partial<Habits> = NEWER) {
  const nodes = ['a', 'b', 'c'].map((name) => new NodeSide(name));
  const members = nodes.map(({ member }) => member);
  const clock = new ManualClock();
  const client = createKmsClient(
    { registry: `0x${'0f'.repeat(20)}`, chain: { source: { readMembership: async () => ({ members }) } }, identity: { privateKey: '11'.repeat(32) } },
    { clock, random: new SeededRandom('client'), transport: transportToNodes(nodes) },
  );
  const { teePubkey } = await client.identity();
  for (const node of nodes) {
    Object.assign(node.habits, habits);
    node.appKey = teePubkey;
  }
  const at = (url: string): NodeSide => nodes.find(({ member }) => member.url === url)!;
  const others = (url: string): readonly NodeSide[] => nodes.filter(({ member }) => member.url !== url);
  return { client, clock, nodes, at, others };
}

async function textOf(client: KmsClient, key: string): Promise<string | null> {
  const stored = await client.get(key);
  return stored === null ? null : Buffer.from(stored.value).toString();
}

describe('a written key', () => {
  test('is always read from the node that accepted the write', async () => {
    const { client, nodes } = await start();
    for (const node of nodes) node.values.set('k', Buffer.from('old').toString('base64'));
    await client.put({ key: 'k', value: bytes('new') });
    for (let turn = 0; turn < 6; turn += 1) expect(await textOf(client, 'k')).toBe('new');
  });

  test('makes the client request lists from the node that accepted its last write', async () => {
    const { client } = await start();
    await client.put({ key: 'first', value: bytes('1') });
    const { node } = await client.put({ key: 'second', value: bytes('2') });
    for (let turn = 0; turn < 3; turn += 1) expect((await client.list()).node.url).toBe(node.url);
  });

  test('is overwritten and deleted on the node that accepted the first write', async () => {
    const { client, nodes } = await start();
    const { node } = await client.put({ key: 'k', value: bytes('1') });
    for (let turn = 0; turn < 4; turn += 1) expect((await client.put({ key: 'k', value: bytes('2') })).node.url).toBe(node.url);
    expect((await client.delete({ key: 'k' })).node!.url).toBe(node.url);
    expect(nodes.every(({ values }) => values.size === 0)).toBe(true);
  });

  test('has no effect on the choice of nodes for other keys', async () => {
    const { client } = await start();
    const urls = [];
    for (const key of ['k1', 'k2', 'k3']) urls.push((await client.put({ key, value: bytes('v') })).node.url);
    expect(new Set(urls).size).toBe(3);
  });

  test('is read from another node only while the node that accepted the write cannot answer', async () => {
    const { client, clock, at, others } = await start();
    const { node } = await client.put({ key: 'k', value: bytes('new') });
    const taker = at(node.url);
    for (const other of others(node.url)) other.values.set('k', Buffer.from('replicated').toString('base64'));
    taker.bend = () => answerOf(503, { code: 'service_unavailable', message: 'initializing' });
    expect(await textOf(client, 'k')).toBe('replicated');
    taker.bend = (answer) => answer;
    await clock.advance(31_000);
    expect(await textOf(client, 'k')).toBe('new');
  });

  test('is read from the node that accepted the write, even if no peer acknowledged the write in time', async () => {
    const { client, nodes } = await start();
    for (const node of nodes) node.bend = (answer, { request }) => (request.method === 'PUT' ? answerOf(504, { code: 'not_replicated', message: 'no peer has it yet' }) : answer);
    await expect(client.put({ key: 'k', value: bytes('v'), acks: 1 })).rejects.toMatchObject({ serverCode: 'not_replicated' });
    expect(nodes.filter(({ values }) => values.has('k'))).toHaveLength(1);
    for (let turn = 0; turn < 3; turn += 1) expect(await textOf(client, 'k')).toBe('v');
  });
});

describe('a deleted key', () => {
  test.each<[string, Partial<Habits>]>([
    ['nodes that seal their 404 answers', NEWER],
    ['older nodes', {}],
  ])('is absent for this client immediately, although other nodes still have it (%s)', async (_, habits) => {
    const { client, nodes } = await start(habits);
    for (const node of nodes) node.values.set('k', Buffer.from('v').toString('base64'));
    expect((await client.delete({ key: 'k' })).deleted).toBe(true);
    const before = nodes.map(({ received }) => received.length);
    for (let turn = 0; turn < 3; turn += 1) expect(await textOf(client, 'k')).toBeNull();
    expect((await client.delete({ key: 'k' })).deleted).toBe(false);
    expect(nodes.filter(({ received }, place) => received.length > before[place]!)).toHaveLength(1);
  });
});

describe('a 404', () => {
  test('from the node that accepted a put is final when it is sealed: the value has expired or was deleted by someone else', async () => {
    const { client, at, others } = await start();
    const { node } = await client.put({ key: 'k', value: bytes('v') });
    for (const other of others(node.url)) other.values.set('k', Buffer.from('v').toString('base64'));
    at(node.url).values.clear();
    expect(await textOf(client, 'k')).toBeNull();
  });

  test('from the node that accepted a put must be confirmed by a second node when it is not sealed, because any party on the path could have forged it', async () => {
    const { client, at, others } = await start({});
    const { node } = await client.put({ key: 'k', value: bytes('v') });
    for (const other of others(node.url)) other.values.set('k', Buffer.from('v').toString('base64'));
    at(node.url).bend = () => answerOf(404, { code: 'not_found', message: 'there is no such key' });
    expect(await textOf(client, 'k')).toBe('v');
  });

  test('from any node must be confirmed by a second node when this client has not written the key', async () => {
    const { client, nodes } = await start();
    nodes[1]!.values.set('k', Buffer.from('v').toString('base64'));
    for (let turn = 0; turn < 3; turn += 1) expect(await textOf(client, 'k')).toBe('v');
  });
});

describe('the writes that a client remembers', () => {
  const node = { wallet: `0x${'aa'.repeat(20)}` as Wallet, url: 'https://a.test', teePubkey: '01' as TeePubkey };
  const rebooted = { ...node, teePubkey: '02' as TeePubkey };

  test('are forgotten for a node that has restarted with an empty store', () => {
    const writes = new OwnWrites();
    writes.note('k', node, 'delete');
    expect([writes.took('k', node), writes.took('k', rebooted), writes.tookLast(rebooted), writes.isFinallyAbsent('k', rebooted, true)]).toEqual([true, false, false, false]);
  });

  test('are limited to 4,096 keys: the least recently used key is dropped', () => {
    const writes = new OwnWrites();
    writes.note('first', node, 'put');
    writes.note('second', node, 'put');
    for (let nth = 0; nth < 4_095; nth += 1) writes.note(`k${nth}`, node, 'put');
    expect([writes.took('first', node), writes.took('second', node)]).toEqual([false, true]);
  });

  test('are limited to 2^21 characters of keys in total, which is enough for 32 of the longest keys that can be deleted', () => {
    const writes = new OwnWrites();
    const longKey = (nth: number): string => `${nth}`.padEnd(65_536, '-');
    for (let nth = 0; nth < 33; nth += 1) writes.note(longKey(nth), node, 'delete');
    expect([writes.took(longKey(0), node), writes.took(longKey(1), node)]).toEqual([false, true]);
  });

  test('include only the last write to each key: a put replaces a delete', () => {
    const writes = new OwnWrites();
    writes.note('k', node, 'delete');
    writes.note('k', node, 'put');
    expect([writes.isFinallyAbsent('k', node, false), writes.isFinallyAbsent('k', node, true)]).toEqual([false, true]);
  });
});
