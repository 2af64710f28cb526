/**
 * A node that was cut off from all others for longer than tombstones are kept (protocol.md §4, Ages) does not report its store as complete
 * and does not send old records. It drops records that the other nodes no longer have, but never its own recent writes or a record that a
 * peer pushed after the reconnection.
 */
import { describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import { APP_BYTES } from '../../../src/store/memory-cost.ts';
import { APP, Network, RETENTION_MS, startNodes, type ReplicatingNode } from '../../support/replicating-nodes.ts';

const HOUR_MS = 3_600_000;

/** A node's answer to a message, or the code of its refusal. */
async function statusOf(asked: ReplicatingNode, by: ReplicatingNode, type: string): Promise<unknown> {
  return asked.inbound.handle(by.member, { type }).catch((error: unknown) => (error as RefusalError).code);
}

/** Advances the clock by more than the retention time of tombstones, while these nodes tick every hour. */
async function longCut(network: Network, speaking: readonly ReplicatingNode[]): Promise<void> {
  for (let passedMs = 0; passedMs <= RETENTION_MS; passedMs += HOUR_MS) {
    await network.pass(HOUR_MS, HOUR_MS);
    for (const node of speaking) await node.tick();
  }
}

/** Nodes `a` and `b` keep running while `c` is cut off. During that time, `gone` is deleted and its tombstone is dropped. */
async function startWithStale() {
  const { network, clock, nodes } = startNodes('a', 'b', 'c');
  const [a, b, c] = nodes;
  a.put('stays', 'value');
  a.put('gone', 'value');
  c.put('of c', 'value');
  c.put('of c, gone', 'value');
  for (const node of nodes) await node.tick(true);
  network.isolate(c);
  await clock.advance(5);
  a.delete('gone');
  b.delete('of c, gone');
  for (const node of [a, b]) await node.tick(true);
  await longCut(network, [a, b]);
  // After one more hour, the tombstones have expired and are dropped.
  await network.pass(HOUR_MS, HOUR_MS);
  for (const node of [a, b]) {
    node.store.letAge(clock.nowMs());
    expect([node.keys(), node.records().length]).toEqual([['of c', 'stays'], 2]);
  }
  expect([a.staleness.isStale(), b.staleness.isStale(), c.staleness.isStale()]).toEqual([false, false, true]);
  return { network, clock, a, b, c };
}

describe('a stale node', () => {
  test('answers digest requests with 503, and snapshot requests with complete: false', async () => {
    const { a, c } = await startWithStale();
    expect(await statusOf(c, a, 'digest_request')).toBe('service_unavailable');
    expect(await statusOf(c, a, 'snapshot_request')).toMatchObject({ complete: false });
    expect(await statusOf(a, c, 'snapshot_request')).not.toHaveProperty('complete');
  });

  test('keeps all its records, but does not bring deleted records back', async () => {
    const { network, a, b, c } = await startWithStale();
    expect(c.keys()).toEqual(['gone', 'of c', 'of c, gone', 'stays']);
    network.isolate(c, 'open');
    // From the stale node, even a peer that lost its store gets only those records that were written there after the cut began.
    a.loseStore();
    c.put('meanwhile', 'value');
    await network.run(6);
    expect(c.keys()).toHaveLength(5);
    for (const node of [a, b]) expect(node.keys()).toEqual(['meanwhile', 'of c', 'stays']);
  });

  test('drops the records that a complete snapshot lacks, except its own writes since it was cut off', async () => {
    const { network, a, b, c } = await startWithStale();
    c.put('meanwhile', 'value');
    c.put('of c', 'written again');
    network.isolate(c, 'open');
    const outcome = await c.fetchSnapshot();
    expect(outcome.completeFrom).not.toBeNull();
    expect(c.keys()).toEqual(['meanwhile', 'of c', 'stays']);
    expect(c.staleness.isStale()).toBe(false);
    await network.run(6);
    for (const node of [a, b, c]) expect([node.keys(), node.read('of c')]).toEqual([['meanwhile', 'of c', 'stays'], 'written again']);
    expect(new Set([a, b, c].map(({ store }) => store.rootDigest())).size).toBe(1);
  });

  test('keeps its own recent write that one peer has, although the snapshot of another peer lacks it', async () => {
    const { network, a, b, c } = await startWithStale();
    network.setWay(c, b, 'open');
    c.put('meanwhile', 'value');
    await c.tick(true);
    expect(b.read('meanwhile')).toBe('value');
    network.setWay(c, b, 'cut');
    network.setWay(c, a, 'open');
    a.store.forget(APP, 'meanwhile');
    expect((await c.fetchSnapshot()).completeFrom).toBe(a.member.wallet);
    expect(c.read('meanwhile')).toBe('value');
  });

  test('keeps a record that a peer sent during the resync, although the snapshot lacks it', async () => {
    const { network, a, b, c } = await startWithStale();
    network.isolate(c, 'open');
    c.resync.begin();
    // Node `b` writes the record and pushes it to `c`, but not to `a`. Node `c` has an older version of the record.
    network.setWay(b, a, 'cut');
    b.put('gone', 'again');
    await b.tick(true);
    network.setWay(c, b, 'cut');
    const outcome = await c.fetchSnapshot();
    expect(outcome.completeFrom).toBe(a.member.wallet);
    expect(c.read('gone')).toBe('again');
    expect(c.read('of c, gone')).toBeNull();
  });

  test('drops a record that only another stale node sent, because other nodes may have deleted it', async () => {
    const { network, clock, nodes } = startNodes('a', 'b', 'c', 'd');
    const [a, b, c, d] = nodes;
    a.put('gone', 'value');
    await a.tick(true);
    // Node `c` has neither the record nor its tombstone. Node `d` has the record, but not its tombstone.
    c.store.forget(APP, 'gone');
    network.isolate(c);
    network.isolate(d);
    await clock.advance(5);
    a.delete('gone');
    await a.tick(true);
    await longCut(network, [a, b]);
    await network.pass(HOUR_MS, HOUR_MS);
    for (const node of [a, b]) {
      node.store.letAge(clock.nowMs());
      expect([node.keys(), node.records()]).toEqual([[], []]);
    }
    expect([a.staleness.isStale(), c.staleness.isStale(), d.staleness.isStale()]).toEqual([false, true, true]);
    // Node `c` first reaches only the other stale node, and later the members that are up to date.
    network.setWay(c, d, 'open');
    expect(await c.fetchSnapshot()).toMatchObject({ completeFrom: null, answered: 1 });
    expect(c.read('gone')).toBe('value');
    network.isolate(c, 'open');
    expect((await c.fetchSnapshot()).completeFrom).not.toBeNull();
    expect(c.read('gone')).toBeNull();
  });

  test('keeps all its records while no member sends a snapshot', async () => {
    const { network, c } = await startWithStale();
    network.isolate(c);
    const outcome = await c.fetchSnapshot();
    expect([outcome.completeFrom, outcome.answered]).toEqual([null, 0]);
    expect([c.staleness.isStale(), c.keys().length]).toEqual([true, 4]);
  });

  test('keeps all its records while a member has not answered and no snapshot was complete', async () => {
    const { network, a, b, c } = await startWithStale();
    network.isolate(c, 'open');
    network.setWay(c, b, 'cut');
    a.firstSnapshot = 'missing';
    const outcome = await c.fetchSnapshot();
    expect([outcome.completeFrom, outcome.answered]).toEqual([null, 1]);
    expect([c.staleness.isStale(), c.keys().length]).toEqual([true, 4]);
  });
});

describe('a node that becomes stale after the first page of a snapshot', () => {
  /** Node `c` becomes stale in one minute. It holds `gone`, which node `a` has deleted, and it lacks several pages of records. */
  async function startSoonStale() {
    const { network, clock, nodes } = startNodes('a', 'c');
    const [a, c] = nodes;
    a.put('gone', 'value');
    await a.tick(true);
    network.isolate(c);
    a.store.forget(APP, 'gone');
    for (let index = 0; index < 400; index += 1) a.put(`k${index}`, Buffer.alloc(15_000));
    await network.pass(RETENTION_MS - 60_000, HOUR_MS);
    // Only `c` was cut off, so the test clears the staleness of `a`.
    a.staleness.resolve();
    network.isolate(c, 'open');
    expect([c.staleness.isStale(), c.keys()]).toEqual([false, ['gone']]);
    return { network, clock, a, c };
  }

  /** Runs `happens` before `a` answers the first request for a second page. All other requests are answered as usual. */
  const atSecondPage = (a: ReplicatingNode, happens: () => Promise<void>): void => {
    a.before = async ({ inner }) => {
      if (inner['cursor'] === undefined) return;
      a.before = () => undefined;
      await happens();
    };
  };

  test('fetches the snapshot from the start if the first fetch ended half-way, so that it does not drop the records of the first page', async () => {
    const { network, a, c } = await startSoonStale();
    atSecondPage(a, async () => Promise.reject(new RefusalError('service_unavailable', 'not now')));
    expect((await c.fetchSnapshot()).completeFrom).toBeNull();
    const ofFirstPage = c.keys().length - 1;
    await network.pass(120_000, 60_000);
    expect([ofFirstPage > 0, c.staleness.isStale()]).toEqual([true, true]);
    expect((await c.fetchSnapshot()).completeFrom).toBe(a.member.wallet);
    expect([c.staleness.isStale(), c.keys()]).toEqual([false, a.keys()]);
  });

  test('stays stale and drops nothing when the last page has arrived, and fetches the snapshot again', async () => {
    const { network, clock, a, c } = await startSoonStale();
    await network.pass(59_999, 59_999);
    atSecondPage(a, () => clock.advance(5));
    expect((await c.fetchSnapshot()).completeFrom).toBeNull();
    expect([c.staleness.isStale(), c.read('gone'), c.keys().length > 1]).toEqual([true, 'value', true]);
    expect((await c.fetchSnapshot()).completeFrom).toBe(a.member.wallet);
    expect([c.staleness.isStale(), c.keys()]).toEqual([false, a.keys()]);
  });
});

describe('nodes that are all stale', () => {
  test('drop nothing: in the end, each node has the records of all nodes', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('shared', 'value');
    await a.tick(true);
    network.isolate(a);
    a.put('of a', 'value');
    b.put('of b', 'value');
    await longCut(network, []);
    expect([a.staleness.isStale(), b.staleness.isStale()]).toEqual([true, true]);
    network.isolate(a, 'open');
    expect(await a.fetchSnapshot()).toMatchObject({ completeFrom: null, answered: 1 });
    await b.fetchSnapshot();
    await network.run(3);
    for (const node of nodes) {
      expect(node.keys()).toEqual(['of a', 'of b', 'shared']);
      expect(node.staleness.isStale()).toBe(false);
    }
  });

  test('keep their tombstones until both nodes have them, and then drop them', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('k', 'value');
    await a.tick(true);
    network.isolate(a);
    await network.pass(5);
    a.delete('k');
    await longCut(network, []);
    expect(a.records()).toHaveLength(1);
    network.isolate(a, 'open');
    await b.fetchSnapshot();
    expect([b.read('k'), b.keys()]).toEqual([null, []]);
    await a.fetchSnapshot();
    await network.run(3);
    for (const node of nodes) expect([node.keys(), node.records()]).toEqual([[], []]);
  });
});

describe('a node that is not stale', () => {
  test('keeps the records that a complete snapshot lacks', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    await a.tick(true);
    network.setWay(a, b, 'open');
    expect((await a.fetchSnapshot()).completeFrom).toBe(b.member.wallet);
    expect(a.read('k')).toBe('value');
  });
});

describe('a write that no other node has ever seen', () => {
  test('survives a network cut that began before it was pushed', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    c.put('seen', 'value');
    await c.tick(true);
    c.put('unseen', 'value');
    // The others can still send to `c`, so `c` does not become stale yet. After that, `c` is isolated.
    for (const node of [a, b]) network.setWay(c, node, 'cut');
    a.put('from a', 'value');
    await a.tick(true);
    expect(c.read('from a')).toBe('value');
    network.isolate(c);
    await longCut(network, [a, b]);
    network.isolate(c, 'open');
    expect(c.staleness.isStale()).toBe(true);
    await c.fetchSnapshot();
    expect([c.staleness.isStale(), c.read('unseen')]).toEqual([false, 'value']);
    await network.pass(60_000);
    await c.tick(true);
    expect([a.read('unseen'), b.read('unseen')]).toEqual(['value', 'value']);
    expect(c.replicaOf(a).progress).toMatchObject({ acknowledgedSequence: c.store.lastSequenceNumber, hasBacklog: false });
  });
});

describe('a write that no peer has', () => {
  test.each<[string, string, (network: Network) => ReplicatingNode, number]>([
    ['an older peer refuses a body of this size', 'too large', (network) => network.add('a', { kind: 'older' }), 1_000_000],
    ['the peer has no room', 'waits', (network) => network.add('a', { store: { maxStoreBytes: 2_000 } }), 5_000],
  ])('survives a network cut even if a peer has answered the push without storing the write (here, %s)', async (_, key, addPeer, length) => {
    const network = new Network();
    const a = addPeer(network);
    const c = network.add('c');
    c.put(key, Buffer.alloc(length));
    await c.tick(true);
    await network.pass(60_000);
    c.put('after it', 'value');
    await c.tick(true);
    await network.pass(60_000);
    expect(a.keys()).toEqual(['after it']);
    network.isolate(c);
    await longCut(network, []);
    a.staleness.resolve();
    expect(c.staleness.isStale()).toBe(true);
    network.isolate(c, 'open');
    expect((await c.fetchSnapshot()).completeFrom).toBe(a.member.wallet);
    expect(c.keys()).toEqual(['after it', key]);
  });

  test('is dropped after another node has replaced the record and deleted it', async () => {
    const { network, clock, nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    network.setWay(c, a, 'cut');
    network.setWay(c, b, 'cut');
    c.put('k', 'of c');
    await clock.advance(5);
    a.put('k', 'of a');
    await a.tick(true);
    expect(c.read('k')).toBe('of a');
    network.isolate(c);
    await clock.advance(5);
    a.delete('k');
    await a.tick(true);
    await longCut(network, [a, b]);
    await network.pass(HOUR_MS, HOUR_MS);
    for (const node of [a, b]) node.store.letAge(clock.nowMs());
    expect([a.records(), b.records(), c.staleness.isStale()]).toEqual([[], [], true]);
    network.isolate(c, 'open');
    expect((await c.fetchSnapshot()).completeFrom).not.toBeNull();
    expect(c.records()).toEqual([]);
  });
});

describe('a stale node does not resend', () => {
  /** Node `c` has written `x`. While `c` is cut off, the others delete `x` and drop its tombstone. Then `c` comes back and ticks. */
  async function comesBack(network: Network, c: ReplicatingNode, others: readonly [ReplicatingNode, ReplicatingNode]): Promise<void> {
    const [, b] = others;
    network.isolate(c);
    await network.pass(5_000);
    b.delete('x');
    await b.tick(true);
    await network.pass(5_000);
    await longCut(network, [b]);
    await network.pass(HOUR_MS, HOUR_MS);
    for (const node of others) {
      // Only `c` was cut off, so the test clears the staleness of these two nodes.
      node.staleness.resolve();
      node.store.forgetOverdue();
      node.store.letAge(network.clock.nowMs());
      expect(node.records().filter(({ key }) => key === 'x')).toEqual([]);
    }
    network.isolate(c, 'open');
    expect(c.staleness.isStale()).toBe(true);
    await c.tick();
    await network.run(10, [c]);
  }

  test('a record that a peer had no room for, because other nodes may have deleted it', async () => {
    const network = new Network();
    const a = network.add('a', { store: { maxStoreBytes: APP_BYTES + 2_000 } });
    const b = network.add('b');
    const c = network.add('c');
    a.put('filler', Buffer.alloc(900));
    c.put('x', Buffer.alloc(400));
    await c.tick(true);
    await network.pass(1_000);
    expect([a.read('x') === null, b.read('x') === null, c.replicaOf(a).view().waitingRetries]).toEqual([true, false, 1]);
    a.store.forget(APP, 'filler');
    await comesBack(network, c, [a, b]);
    expect([a.read('x'), b.read('x')]).toEqual([null, null]);
  });

  test('a recently written record to an older peer, because other nodes may have deleted the record', async () => {
    const network = new Network();
    const a = network.add('a', { kind: 'older' });
    const b = network.add('b');
    const c = network.add('c');
    c.put('x', 'value');
    await c.tick(true);
    await network.pass(1_000);
    expect([a.read('x'), b.read('x')]).toEqual(['value', 'value']);
    expect(c.replicaOf(a).progress.resend).not.toBeNull();
    await comesBack(network, c, [a, b]);
    expect([a.read('x'), b.read('x')]).toEqual([null, null]);
  });
});

test('a full stale node that has no room for any record of a snapshot still drops what the snapshot lacks, and then has room', async () => {
  const network = new Network();
  const a = network.add('a');
  const c = network.add('c', { store: { maxStoreBytes: APP_BYTES + 2_000 } });
  a.put('old', Buffer.alloc(900));
  await a.tick(true);
  expect(c.keys()).toEqual(['old']);
  network.isolate(c);
  await network.pass(5_000);
  a.delete('old');
  a.put('new', Buffer.alloc(900));
  await longCut(network, [a]);
  await network.pass(HOUR_MS, HOUR_MS);
  a.staleness.resolve();
  a.store.letAge(network.clock.nowMs());
  expect([a.keys(), a.records().length, c.staleness.isStale()]).toEqual([['new'], 1, true]);
  network.isolate(c, 'open');
  expect((await c.fetchSnapshot()).completeFrom).toBe(a.member.wallet);
  expect([c.staleness.isStale(), c.keys()]).toEqual([false, []]);
  await network.run(6);
  for (const node of [a, c]) expect(node.keys()).toEqual(['new']);
});

test('a stale node keeps a record that it received in a push before it requested a snapshot, even if the source of the snapshot lacks the record', async () => {
  const { network, a, b, c } = await startWithStale();
  network.isolate(c, 'open');
  network.setWay(b, a, 'cut');
  b.put('pushed', 'value');
  await b.tick(true);
  expect(c.read('pushed')).toBe('value');
  network.isolate(b);
  expect((await c.fetchSnapshot()).completeFrom).toBe(a.member.wallet);
  expect([c.staleness.isStale(), c.read('pushed'), c.read('gone')]).toEqual([false, 'value', null]);
});

test('at the tombstone limit, a node keeps its own tombstone while a peer lacks it, even if that peer has acknowledged later writes', async () => {
  const network = new Network();
  const a = network.add('a', { store: { maxTombstonesPerApp: 1 } });
  const b = network.add('b');
  const c = network.add('c');
  for (const key of ['k', 'other']) a.put(key, 'value');
  await a.tick(true);
  network.setWay(a, c, 'cut');
  await network.pass(5);
  a.delete('k');
  await a.tick(true);
  network.isolate(a);
  await longCut(network, []);
  network.isolate(a, 'open');
  a.put('meanwhile', 'value');
  await a.tick(true);
  for (const node of [b, c]) expect([node.name, node.read('meanwhile'), a.replicaOf(node).progress.acknowledgedSequence]).toEqual([node.name, 'value', a.store.lastSequenceNumber]);
  expect([a.staleness.isStale(), b.read('k'), c.read('k')]).toEqual([true, null, 'value']);

  expect(() => a.delete('other')).toThrow('some nodes do not know of yet');
  expect(a.records().filter(({ tombstone }) => tombstone).map(({ key }) => key)).toEqual(['k']);
  // The tombstone is still there, so the peer can get it.
  network.setWay(c, b, 'cut');
  await c.fetchSnapshot();
  expect(c.read('k')).toBeNull();
  await a.fetchSnapshot();
  expect([a.staleness.isStale(), a.delete('other')]).toEqual([false, expect.anything()]);
});
