/**
 * How a node's own writes reach its peers (protocol.md §4, Sizes; §9.4, §9.6, §9.10; §10, Who sends what, Rejections,
 * Acknowledged by n). The stores and the envelopes are real, and the network is in memory.
 */
import { describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import { APP_BYTES } from '../../../src/store/memory-cost.ts';
import { APP, Network, startNodes, waitingFor, type ReplicatingNode } from '../../support/replicating-nodes.ts';

const RUST_BODY_LIMIT = 2 * 1024 * 1024;

describe('a write', () => {
  test('reaches every peer in one tick, with one message to each peer', async () => {
    const { nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    a.put('k', 'value');
    a.put('gone', 'value');
    a.delete('gone');
    await a.tick(true);
    for (const peer of [b, c]) {
      expect([peer.read('k'), peer.read('gone'), peer.keys()]).toEqual(['value', null, ['k']]);
      expect(peer.types()).toEqual(['delta']);
      expect(peer.store.rootDigest()).toBe(a.store.rootDigest());
    }
  });

  test('is not passed on by the peers that received it', async () => {
    const { nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    a.put('k', 'value');
    await a.tick(true);
    await b.tick(true);
    await c.tick(true);
    expect([a.types(), b.types(), c.types()]).toEqual([[], ['delta'], ['delta']]);
  });

  test('is not sent again after it has been acknowledged', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('k', 'value');
    await a.tick(true);
    a.put('l', 'value');
    await a.tick(true);
    await a.tick(true);
    expect(b.deltas()).toEqual([['k'], ['l']]);
  });

  test('is sent in its current version, even if another node wrote the key last', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    network.setWay(a, c, 'cut');
    a.put('k', 'from a');
    await a.tick(true);
    await network.pass(10);
    b.put('k', 'from b');
    network.setWay(b, c, 'cut');
    await b.tick(true);
    network.setWay(a, c, 'open');
    await network.pass(1_000);
    await a.tick(true);
    expect(c.read('k')).toBe('from b');
  });

  test('is sent only once, with the last value, if its key was written many times', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (let times = 0; times < 50; times += 1) a.put('k', `value ${times}`);
    await a.tick(true);
    expect(b.deltas()).toEqual([['k']]);
    expect(b.read('k')).toBe('value 49');
  });
});

describe('the acknowledged sequence of a peer', () => {
  test('does not change when the answer is lost; the records are then sent again (§9.4)', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'lose answers');
    a.put('k', 'value');
    await a.tick(true);
    expect(a.replicaOf(b).progress).toMatchObject({ acknowledgedSequence: 0 });
    network.setWay(a, b, 'open');
    await network.pass(1_000);
    await a.tick(true);
    expect(b.deltas().at(-1)).toEqual(['k']);
    expect(a.replicaOf(b).progress).toMatchObject({ acknowledgedSequence: a.store.lastSequenceNumber, hasBacklog: false });
  });

  test.each([
    ['is a refusal', () => Promise.reject(new RefusalError('internal_error', 'broken')), undefined],
    ['belongs to another request', () => undefined, { request_id: '00'.repeat(16) }],
    ['does not report what happened to the records', () => undefined, { merged: 'all' }],
  ])('does not change when the answer %s', async (_, before, changes) => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = before;
    b.bend = (answer) => ({ ...answer, ...changes });
    a.put('k', 'value');
    await a.tick(true);
    expect(a.replicaOf(b).progress).toMatchObject({ acknowledgedSequence: 0, hasBacklog: true });
    b.before = () => undefined;
    b.bend = (answer) => answer;
    await network.pass(1_000);
    await a.tick(true);
    expect([b.read('k'), a.replicaOf(b).progress.acknowledgedSequence]).toEqual(['value', a.store.lastSequenceNumber]);
  });

  test('rises batch by batch: an answered batch is not sent again when the next batch fails', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (let index = 0; index < 8; index += 1) a.put(`k${index}`, Buffer.alloc(150_000));
    b.before = () => {
      if (b.deltas().length === 2) network.setWay(a, b, 'lose answers');
    };
    await a.tick(true);
    const [first, second] = b.deltas();
    network.setWay(a, b, 'open');
    b.before = () => undefined;
    await network.pass(1_000);
    await a.tick(true);
    expect(b.deltas()[2]!.slice(0, second!.length)).toEqual(second);
    expect(b.deltas().slice(2).flat()).not.toEqual(expect.arrayContaining([first![0]]));
    expect(b.keys()).toHaveLength(8);
  });

  test('does not move past a write that arrives during a push', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = () => {
      if (b.deltas().length > 1) return;
      a.put('k', 'second');
      a.put('l', 'new');
    };
    a.put('k', 'first');
    await a.tick(true);
    expect([b.read('k'), b.read('l')]).toEqual(['second', 'new']);
    expect(b.deltas()).toEqual([['k'], ['k', 'l']]);
    expect(a.replicaOf(b).view()).toMatchObject({ behindRecords: 0, behindBytes: 0, acknowledgedUpTo: a.store.lastSequenceNumber });
  });

  test('is reset when an answer contains a new store_id', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('old', 'value');
    await a.tick(true);
    b.loseStore();
    expect(b.read('old')).toBeNull();
    await network.pass(1_000);
    a.put('new', 'value');
    await a.tick(true);
    expect([b.read('old'), b.read('new')]).toEqual(['value', 'value']);
  });

  test('is reset when a request from the peer contains a new store_id', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('old', 'value');
    b.put('of b', 'value');
    await a.tick(true);
    await b.tick(true);
    b.loseStore();
    b.put('of b again', 'value');
    await b.tick(true);
    expect(a.replicaOf(b).view()).toMatchObject({ acknowledgedUpTo: 0, behindRecords: 1 });
    await a.tick(true);
    expect(b.read('old')).toBe('value');
  });

  test('is reset if the peer loses its store in the middle of a push; an answer that belongs to the lost store is then ignored', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('first', 'value');
    await a.tick(true);
    for (let index = 0; index < 8; index += 1) a.put(`k${index}`, Buffer.alloc(150_000));
    b.bend = (answer) => {
      if (b.deltas().length !== 2) return answer;
      b.loseStore();
      return { ...answer, store_id: b.store.storeId };
    };
    await a.tick(true);
    expect(b.keys()).toEqual(['first', 'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7']);
    expect(a.replicaOf(b).view()).toMatchObject({ behindRecords: 0, behindBytes: 0 });
  });

  test.each([
    ['is reset', 'master_secret_request', { type: 'master_secret_request' }, 0],
    ['is reset', 'snapshot_request', { type: 'snapshot_request' }, 0],
    ['does not change', 'snapshot_request with a cursor', { type: 'snapshot_request', cursor: 'x' }, 1],
    ['does not change', 'delta', { type: 'delta', data: {} }, 1],
    ['does not change', 'snapshot_request with the same store_id', { type: 'snapshot_request', store_id: 'same' }, 1],
  ])('%s when the peer sends a %s', async (_, __, message, acknowledged) => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.replicaOf(b).noteStoreId('same');
    a.replicaOf(b).progress.advance(1, { records: 0, bytes: 0 });
    await a.inbound.handle(b.member, message).catch(() => undefined);
    expect(a.replicaOf(b).progress.acknowledgedSequence).toBe(acknowledged);
  });

  test('rises with new writes even after the store of this node has been emptied', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('old', 'value');
    network.setWay(a, b, 'cut');
    await a.tick(true);
    a.loseStore();
    a.put('new', 'value');
    network.setWay(a, b, 'open');
    await network.pass(1_000);
    await a.tick(true);
    expect(b.keys()).toEqual(['new']);
    expect(a.replicaOf(b).view()).toMatchObject({ behindRecords: 0, acknowledgedUpTo: a.store.lastSequenceNumber });
  });
});

describe('bodies', () => {
  test('stay below 2 MiB with many records; a value of 1 MiB is sent in a separate body and arrives (§9.6)', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    const large = Buffer.alloc(1_048_576, 7);
    for (let index = 0; index < 20; index += 1) a.put(`k${index}`, Buffer.alloc(90_000, index));
    a.put('large', large);
    a.put('last', 'value');
    await a.tick(true);
    const sizes = network.requests.filter(({ path }) => path === '/sync').map(({ bytes }) => bytes);
    expect(sizes.filter((bytes) => bytes >= RUST_BODY_LIMIT)).toHaveLength(1);
    expect(b.deltas()).toContainEqual(['large']);
    expect(b.keys()).toHaveLength(22);
    expect(b.store.rootDigest()).toBe(a.store.rootDigest());
  });
});

describe('a peer that accepts only smaller bodies', () => {
  test.each(['pushed', 'compared'])('gets every record that fits when the records are %s', async (how) => {
    const network = new Network();
    const a = network.add('a');
    const b = network.add('b', { maxSyncPayloadBytes: 100_000 });
    for (let index = 0; index < 40; index += 1) a.put(`k${String(index).padStart(2, '0')}`, Buffer.alloc(index === 17 ? 60_000 : 3_000));
    // A refusal contains no next nonce, so the node has to wait for each new nonce.
    const done = how === 'pushed' ? a.tick(true) : a.compareWith(b);
    await network.pass(60_000);
    await done;
    expect(b.keys()).toEqual(a.keys().filter((key) => key !== 'k17'));
    if (how === 'pushed') expect(a.replicaOf(b).view()).toMatchObject({ refused: { too_large: 1 }, behindRecords: 0, lastError: null });
  });
});

describe('a body that is too large for some peers', () => {
  test('does not change the acknowledged sequence of an unreachable peer, and is sent when the peer is back', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.isolate(b);
    a.put('big', Buffer.alloc(1_000_000));
    a.put('small', 'value');
    await a.tick(true);
    expect(a.replicaOf(b).view()).toMatchObject({ acknowledgedUpTo: 0, behindRecords: 2, waitingRetries: 0, lastSuccessMs: null });
    expect(a.replicaOf(b).view().lastError).not.toBeNull();
    network.isolate(b, 'open');
    await network.run(10, [a]);
    expect(b.keys()).toEqual(['big', 'small']);
  });

  test('does not block other records for a peer that closes the connection because of it', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'closes large bodies');
    a.put('big', Buffer.alloc(1_000_000));
    a.put('small', 'value');
    await network.run(10, [a]);
    expect(b.keys()).toEqual(['small']);
    expect(a.replicaOf(b).view()).toMatchObject({ waitingRetries: 1, lastError: null });
  });
});

describe('a peer with a new store_id in each answer', () => {
  test('is not sent all records again and again', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('k', 'value');
    await a.tick(true);
    let answers = 0;
    b.bend = (answer) => ({ ...answer, store_id: String((answers += 1)).padStart(16, '0') });
    a.put('l', 'value');
    await a.tick(true);
    await network.rest();
    expect(answers).toBeLessThan(5);
    expect(a.replicaOf(b).view().lastError).toMatch(/a different store in each answer/);
  });
});

describe("a node's own tombstone", () => {
  test.each(['refused an earlier record permanently', 'of an older version skipped an earlier record'])('can be dropped when there are too many tombstones, even if a peer %s', async (how) => {
    const network = new Network();
    const isOlder = how.startsWith('of');
    const a = network.add('a', { store: { maxTombstonesPerApp: 5 } });
    const b = network.add('b', isOlder ? { kind: 'older' } : {});
    if (isOlder) {
      network.setWay(a, b, 'lose answers');
      a.put('skipped', 'value');
      await a.tick(true);
      network.setWay(a, b, 'open');
    } else {
      b.bend = (answer, { inner }) => {
        if (inner['type'] !== 'delta' || !b.deltas().at(-1)!.includes('poison')) return answer;
        return { ...answer, total: 1, merged: 0, skipped: 0, rejected: 1, rejections: [{ app_id: APP, key: 'poison', reason: 'malformed' }] };
      };
      a.put('poison', 'value');
    }
    await network.pass(60_000);
    await a.tick(true);
    await network.pass(60_000);
    for (let index = 0; index < 12; index += 1) {
      a.put(`k${index}`, 'value');
      await a.tick(true);
      await network.pass(10_000);
      a.delete(`k${index}`);
      await a.tick(true);
      await network.pass(40_000);
    }
    expect(b.keys()).toEqual(isOlder ? ['skipped'] : ['poison']);
    expect(a.records().filter(({ tombstone }) => tombstone)).toHaveLength(5);
  });
});

describe('a record that a peer refuses permanently', () => {
  /** Makes a peer refuse these keys, as a peer with other rules would. */
  function refusing(b: ReplicatingNode, bad: readonly string[], reason: string, listed = 100): void {
    b.bend = (answer, { inner }) => {
      if (inner['type'] !== 'delta') return answer;
      const keys = b.deltas().at(-1)!;
      const refused = keys.filter((key) => bad.includes(key));
      const rejections = refused.slice(0, listed).map((key) => ({ app_id: APP, key, reason }));
      return { ...answer, total: keys.length, merged: keys.length - refused.length, skipped: 0, rejected: refused.length, rejections };
    };
  }

  test('does not block later records, is not sent again, and is counted (§9.10)', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    refusing(b, ['poison'], 'malformed');
    for (const key of ['before', 'poison', 'after']) a.put(key, 'value');
    await a.tick(true);
    a.put('later', 'value');
    await network.run(10, [a]);
    expect(b.deltas()).toEqual([['before', 'poison', 'after'], ['later']]);
    expect(a.replicaOf(b).view()).toMatchObject({ refused: { malformed: 1 }, behindRecords: 0, waitingRetries: 0, lastError: null });
  });

  test('is identified within a few batches when the peer lists fewer rejections than it counts', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    const bad = Array.from({ length: 150 }, (_, index) => `bad ${index}`);
    refusing(b, bad, 'malformed', 100);
    for (const key of bad) a.put(key, 'value');
    for (let index = 0; index < 90; index += 1) a.put(`good ${index}`, 'value');
    const good = waitingFor(a, a.put('last', 'value'), 1);
    const poisoned = waitingFor(a, a.put('bad 0', 'again'), 1);
    await a.tick(true);
    expect(b.deltas().map((keys) => keys.length)).toEqual([241, 100, 100, 41]);
    expect(a.replicaOf(b).view()).toMatchObject({ refused: { malformed: 150 }, behindRecords: 0 });
    expect([good.outcome, poisoned.outcome]).toEqual([1, 'waiting']);
    // The log gets one line per answer, not one line per record.
    expect(a.log.lines.filter(({ level }) => level === 'warn').length).toBeLessThanOrEqual(3);
  });

  test('is identified by sending records one by one when the peer lists no rejections', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    refusing(b, ['poison'], 'malformed', 0);
    for (const key of ['before', 'poison', 'after']) a.put(key, 'value');
    const after = waitingFor(a, a.put('last', 'value'), 1);
    await a.tick(true);
    expect(b.deltas().slice(1)).toEqual([['before'], ['poison'], ['after'], ['last']]);
    expect(a.replicaOf(b).view()).toMatchObject({ refused: { unlisted: 1 }, behindRecords: 0, lastError: null });
    expect(after.outcome).toBe(1);
  });
});

describe('a record that a peer refuses for the time being', () => {
  test('is sent again with growing pauses while the clock of the peer is behind; no other record waits for it', async () => {
    const { clock, network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    // Node `b` refuses a record whose time is too far ahead of the clock of `b`.
    const ahead = a.vault.sealValue(100 as never, Buffer.from('value'));
    a.store.put(APP, 'future', ahead, 0, clock.nowMs() + 20_000);
    a.put('now', 'value');
    await a.tick(true);
    expect([b.read('future'), b.read('now')]).toEqual([null, 'value']);
    expect(a.replicaOf(b).view()).toMatchObject({ waitingRetries: 1, behindRecords: 1, refused: {} });
    for (let tick = 0; tick < 200 && b.read('future') === null; tick += 1) {
      await network.pass(100, 100);
      await a.tick(true);
    }
    expect(b.read('future')).toBe('value');
    const times = b.received.filter((_, index) => b.deltas()[index]!.includes('future')).map(({ at }) => at);
    const pauses = times.slice(1).map((at, index) => at - times[index]!);
    expect(pauses.length).toBeGreaterThanOrEqual(3);
    for (const [index, pauseMs] of pauses.entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(1_000 * 2 ** index);
      expect(pauseMs).toBeLessThanOrEqual(1_250 * 2 ** index + 100);
    }
    expect(a.replicaOf(b).view()).toMatchObject({ waitingRetries: 0, behindRecords: 0 });
  });

  test('is sent again until there is room in the store of the peer', async () => {
    const network = new Network();
    const a = network.add('a');
    const b = network.add('b', { store: { maxStoreBytes: APP_BYTES + 2_000 } });
    b.put('room', Buffer.alloc(800));
    const seen = waitingFor(a, a.put('large', Buffer.alloc(900)), 1);
    await a.tick(true);
    expect([b.read('large'), a.replicaOf(b).view().waitingRetries, seen.outcome]).toEqual([null, 1, 'waiting']);
    b.store.forget(APP, 'room');
    await network.run(5, [a]);
    expect([b.read('large')?.length, a.replicaOf(b).view().waitingRetries, seen.outcome]).toEqual([900, 0, 1]);
  });

  test('is sent again in its current version, or is dropped if the store no longer has it', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    let full = true;
    b.bend = (answer, { inner }) => {
      if (!full || inner['type'] !== 'delta') return answer;
      const rejections = b.deltas().at(-1)!.map((key) => ({ app_id: APP, key, reason: 'store_full' }));
      return { ...answer, merged: 0, skipped: 0, rejected: rejections.length, rejections };
    };
    a.put('k', 'first');
    a.put('gone', 'value');
    await a.tick(true);
    a.put('k', 'second');
    a.store.forget(APP, 'gone');
    full = false;
    await network.pass(5_000);
    await a.tick(true);
    expect(b.read('k')).toBe('second');
    expect(b.deltas().slice(1).flat()).toEqual(['k']);
    expect(a.replicaOf(b).progress).toMatchObject({ hasBacklog: false });
  });
});

describe('an older peer', () => {
  function startWithOlder() {
    const network = new Network();
    const a = network.add('a');
    const older = network.add('older', { kind: 'older' });
    return { network, clock: network.clock, a, older };
  }

  test('gets a recently written record once more after 30 s', async () => {
    const { network, a, older } = startWithOlder();
    a.put('k', 'value');
    await a.tick(true);
    await network.pass(29_000);
    await a.tick(true);
    expect(older.deltas()).toEqual([['k']]);
    await network.pass(1_500);
    await a.tick(true);
    expect(older.deltas()).toEqual([['k'], ['k']]);
    await network.pass(60_000);
    await a.tick(true);
    expect(older.deltas()).toHaveLength(2);
  });

  test('gets each recently written record once more, 30 s after that record was sent, and no record a third time', async () => {
    const { network, a, older } = startWithOlder();
    a.put('first', 'value');
    await a.tick(true);
    await network.pass(10_000);
    for (const key of ['second', 'third']) {
      a.put(key, 'value');
      await a.tick(true);
    }
    await network.pass(20_500);
    await a.tick(true);
    expect(older.deltas()).toEqual([['first'], ['second'], ['third'], ['first']]);
    await network.pass(29_000);
    await a.tick(true);
    expect(older.deltas()).toHaveLength(4);
    await network.pass(1_500);
    await a.tick(true);
    expect(older.deltas().slice(4)).toEqual([['second', 'third']]);
    await network.pass(60_000);
    await a.tick(true);
    expect([older.deltas().length, a.replicaOf(older).progress.hasBacklog]).toEqual([5, false]);
  });

  test('refuses a record that is too far ahead of its clock, but accepts the record when it is sent again later', async () => {
    const { clock, network, a, older } = startWithOlder();
    a.store.put(APP, 'future', a.vault.sealValue(100 as never, Buffer.from('value')), 0, clock.nowMs() + 20_000);
    await a.tick(true);
    expect(older.read('future')).toBeNull();
    await network.pass(31_000);
    await a.tick(true);
    expect(older.read('future')).toBe('value');
  });

  test('soon has all the writes of several minutes, although it gives out at most 30 nonces per minute', async () => {
    const { network, a, older } = startWithOlder();
    for (let write = 0; write < 1_200; write += 1) {
      a.put(`k${write % 300}`, `value ${write}`);
      if (write % 2 === 0) await a.tick(write % 4 !== 0);
      await network.pass(250, 250);
    }
    expect(network.requests.filter(({ status }) => status === 429)).toEqual([]);
    await network.run(10, [a]);
    expect(older.store.rootDigest()).toBe(a.store.rootDigest());
    const pushes = older.types().filter((type) => type === 'delta').length;
    expect(pushes).toBeLessThan(120);
    expect(a.replicaOf(older).view().behindRecords).toBe(0);
  });

  test.each([
    ['answers large bodies with 413', 'open', { refused: { too_large: 1 }, behindRecords: 0, waitingRetries: 0 }],
    ['closes the connection when a body is large', 'closes large bodies', { refused: {}, behindRecords: 1, waitingRetries: 1 }],
  ] as const)('that %s gets all records that are small enough for it (§9.6)', async (_, way, figures) => {
    const { network, a, older } = startWithOlder();
    network.setWay(a, older, way);
    for (const [key, bytes] of [['before', 10], ['large', 1_048_576], ['after', 10], ['also large', 700_000], ['last', 10]] as const) a.put(key, Buffer.alloc(bytes));
    a.delete('also large');
    await a.tick(true);
    expect(older.keys()).toEqual(['after', 'before', 'last']);
    expect(a.replicaOf(older).view()).toMatchObject(figures);
    await network.run(20, [a]);
    a.put('later', 'value');
    await a.tick(true);
    await network.pass(5_000);
    expect(older.keys()).toEqual(['after', 'before', 'last', 'later']);
    expect(a.replicaOf(older).view()).toMatchObject(figures);
  });

  test('does not get old records a second time', async () => {
    const { network, a, older } = startWithOlder();
    network.setWay(a, older, 'cut');
    a.put('k', 'value');
    await network.pass(31_000);
    network.setWay(a, older, 'open');
    await a.tick(true);
    await network.pass(31_000);
    await a.tick(true);
    expect(older.deltas()).toEqual([['k']]);
  });

  test('acknowledges a write only when it has merged all records of the push', async () => {
    const { network, a, older } = startWithOlder();
    const all = waitingFor(a, a.put('k', 'value'), 1);
    await a.tick(true);
    expect(all.outcome).toBe(1);
    older.bend = (answer) => ({ ...answer, merged: 1 });
    await network.pass(5_000);
    const some = [waitingFor(a, a.put('l', 'value'), 1), waitingFor(a, a.put('m', 'value'), 1)];
    await a.tick(true);
    expect(some.map(({ outcome }) => outcome)).toEqual(['waiting', 'waiting']);
  });
});

describe('the number of acknowledgements', () => {
  test('includes peers that merged the record and peers that skipped it', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    const merged = waitingFor(a, a.put('k', 'value'), 1);
    await a.tick(true);
    network.setWay(a, b, 'lose answers');
    const skipped = waitingFor(a, a.put('l', 'value'), 1);
    await a.tick(true);
    network.setWay(a, b, 'open');
    await network.pass(1_000);
    await a.tick(true);
    expect([merged.outcome, skipped.outcome, b.read('l')]).toEqual([1, 1, 'value']);
  });

  test('for an earlier write includes peers that have a later write to the same key', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a] = nodes;
    const first = waitingFor(a, a.put('k', 'first'), 1);
    const second = waitingFor(a, a.put('k', 'second'), 1);
    await a.tick(true);
    expect([first.outcome, second.outcome]).toEqual([1, 1]);
  });
});

describe('a record that makes a peer refuse the whole batch (§9.10, §9.17)', () => {
  test.each(['internal_error', 'bad_request'] as const)('does not block later records or the other records in its batch, and is sent again: %s', async (code) => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    let poisoned = true;
    b.before = () => {
      if (poisoned && b.deltas().at(-1)!.includes('k5')) throw new RefusalError(code, 'broken');
    };
    for (let index = 0; index < 10; index += 1) a.put(`k${index}`, 'value');
    await a.tick(true);
    // A refusal contains no next nonce, and the limit allows only a few requests for nonces.
    await network.pass(60_000);
    expect(b.keys()).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9].map((index) => `k${index}`));
    expect(a.replicaOf(b).progress).toMatchObject({ acknowledgedSequence: a.store.lastSequenceNumber, hasBacklog: true });
    expect(a.replicaOf(b).progress.acknowledgedUpTo).toBeLessThan(a.store.lastSequenceNumber);
    poisoned = false;
    await network.pass(60_000);
    await a.tick(true);
    expect([b.read('k5'), a.replicaOf(b).progress.hasBacklog]).toEqual(['value', false]);
  });

  test.each(['pushed', 'compared'])('does not hold back the good records after it, even if there are many bad records (the records are %s)', async (how) => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = ({ inner }) => {
      if (inner['type'] === 'delta' && b.deltas().at(-1)!.some((key) => key.startsWith('bad'))) throw new RefusalError('internal_error', 'broken');
    };
    for (let index = 0; index < 20; index += 1) a.put(`bad${index}`, 'value');
    for (let index = 0; index < 50; index += 1) a.put(`good${String(index).padStart(2, '0')}`, 'value');
    const done = how === 'pushed' ? a.tick(true) : a.compareWith(b);
    await network.pass(300_000);
    await done;
    expect(b.keys()).toEqual(a.keys().filter((key) => key.startsWith('good')));
    if (how === 'pushed') expect(a.replicaOf(b).view()).toMatchObject({ waitingRetries: 20, lastError: null });
  });

  test('is not blamed when the peer itself breaks half-way: the node notices this after a few requests, and the acknowledged sequence does not change', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    let taken = 0;
    let failed = 0;
    b.before = ({ inner }) => {
      if (inner['type'] !== 'delta') return;
      if (taken > 0 || b.deltas().at(-1)!.includes('bad')) {
        failed += 1;
        throw new RefusalError('internal_error', 'broken');
      }
      taken += 1;
    };
    for (let index = 0; index < 200; index += 1) a.put(`good${index}`, 'value');
    a.put('bad', 'value');
    for (let index = 0; index < 199; index += 1) a.put(`later${index}`, 'value');
    await a.tick(true);
    await network.pass(600_000, 1_000);
    expect(failed).toBeLessThan(60);
    expect(a.replicaOf(b).progress).toMatchObject({ acknowledgedSequence: 0 });
    expect(a.replicaOf(b).view().lastError).not.toBeNull();
  });

  test.each([6, 12])('is sent again with growing pauses if %i such records fail each time; no error is shown for the peer', async (count) => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = ({ inner }) => {
      if (inner['type'] === 'delta' && b.deltas().at(-1)!.some((key) => key.startsWith('bad'))) throw new RefusalError('internal_error', 'broken');
    };
    for (let index = 0; index < count; index += 1) a.put(`bad${index}`, 'value');
    for (let index = 0; index < 10; index += 1) a.put(`good${index}`, 'value');
    const done = a.tick(true);
    await network.pass(120_000);
    await done;
    await network.run(900, [a]);
    expect(a.replicaOf(b).view()).toMatchObject({ waitingRetries: count, lastError: null });
    expect(Math.min(...[...a.replicaOf(b).progress.retries.all()].map(({ attempt }) => attempt))).toBeGreaterThan(2);
  });

  test('is not blamed when the peer fails on every request: the node notices this after a few requests, and the acknowledged sequence does not change', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = () => {
      throw new RefusalError('internal_error', 'broken');
    };
    for (let index = 0; index < 1_000; index += 1) a.put(`k${index}`, 'value');
    await a.tick(true);
    await network.pass(120_000);
    expect(b.deltas().length).toBeLessThan(30);
    expect(a.replicaOf(b).progress).toMatchObject({ acknowledgedSequence: 0 });
    expect(a.replicaOf(b).progress.retries.size).toBe(0);
  });
});
