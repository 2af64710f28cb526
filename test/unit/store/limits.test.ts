/** The limits on writes (protocol.md §10, Quota; §4, Ages; §9.7): a refused write changes nothing, and no stored write is evicted. */
import { describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import type { WireRecord } from '../../../src/domain/records.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { bytesOf, openStore, START_MS } from './open-store.ts';

const APP = '7';

function everything(store: RecordStore): readonly WireRecord[] {
  return [...store.walk({})].map(({ record }) => record);
}

function figures(store: RecordStore, nowMs: number): object {
  const { heldBytes, lastSequenceNumber } = store;
  return { ...store.totals(nowMs), heldBytes, lastSequenceNumber, root: store.rootDigest(), own: [...store.writesAfter(0)].map(({ sequenceNumber }) => sequenceNumber) };
}

/** Runs a write that must be refused, and checks that nothing has changed. */
function expectFull(store: RecordStore, nowMs: number, write: () => unknown): void {
  const before = { records: everything(store), figures: figures(store, nowMs) };
  let refusal: unknown;
  try {
    write();
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(RefusalError);
  expect((refusal as RefusalError).code).toBe('insufficient_storage');
  expect({ records: everything(store), figures: figures(store, nowMs) }).toEqual(before);
}

function foreign(key: string, fields: Partial<WireRecord> = {}): WireRecord {
  return { key, value: '01'.repeat(28), version: { peer: 1 }, updated_at_ms: START_MS, tombstone: false, ttl_ms: 0, ...fields };
}

const tombstone = { value: null, tombstone: true } as const;

describe('the quota of an app', () => {
  test('can be filled to the last byte, but not exceeded by one byte', () => {
    const { store } = openStore('a', { maxAppBytes: 100 });
    store.put(APP, 'a', bytesOf(49), 0, START_MS);
    expectFull(store, START_MS, () => store.put(APP, 'b', bytesOf(50), 0, START_MS));
    store.put(APP, 'b', bytesOf(49), 0, START_MS);
    expect(store.totals(START_MS)).toEqual({ namespaces: 1, totalKeys: 2, totalBytes: 100 });
    expectFull(store, START_MS, () => store.put(APP, 'c', bytesOf(28), 0, START_MS));
  });

  test('applies to each app separately', () => {
    const { store } = openStore('a', { maxAppBytes: 50 });
    store.put(APP, 'a', bytesOf(49), 0, START_MS);
    store.put('8', 'a', bytesOf(49), 0, START_MS);
    expect(store.totals(START_MS)).toEqual({ namespaces: 2, totalKeys: 2, totalBytes: 100 });
  });

  test('can be exceeded by merges; then only deletes, and writes that do not increase the number of used bytes, are allowed', () => {
    const { store } = openStore('a', { maxAppBytes: 60 });
    for (const key of ['a', 'b', 'c', 'd']) expect(store.merge(APP, foreign(key), START_MS)).toEqual({ kind: 'merged' });
    expect(store.totals(START_MS).totalBytes).toBe(116);
    expectFull(store, START_MS, () => store.put(APP, 'a', bytesOf(29), 0, START_MS));
    expect(store.put(APP, 'a', bytesOf(28, 2), 0, START_MS).key).toBe('a');
    expect(store.delete(APP, 'b', START_MS)).not.toBeNull();
    expect(store.totals(START_MS).totalBytes).toBe(87);
  });

  test('does not include expired or deleted records', () => {
    const { store } = openStore('a', { maxAppBytes: 60 });
    store.put(APP, 'short', bytesOf(50), 10, START_MS);
    expectFull(store, START_MS + 10, () => store.put(APP, 'b', bytesOf(28), 0, START_MS + 10));
    store.put(APP, 'b', bytesOf(50), 0, START_MS + 11);
    store.delete(APP, 'b', START_MS + 12);
    expect(store.put(APP, 'c', bytesOf(50), 0, START_MS + 13).key).toBe('c');
  });

  test('does not include expired records, regardless of how many there are, even when one of them has the key that is written', () => {
    const { store } = openStore('a', { maxAppBytes: 40_000, maxValueBytes: 40_000, tombstoneRetentionMs: 10 });
    for (let index = 0; index < 1_000; index += 1) store.put(APP, `k${index}`, bytesOf(30), 1, START_MS);
    store.put(APP, 'last', bytesOf(30), 1, START_MS);
    const lateMs = START_MS + 1_000;
    store.put(APP, 'last', bytesOf(39_990), 0, lateMs);
    expect(everything(store).map(({ key }) => key)).toEqual(['last']);
    expect(store.get(APP, 'last', lateMs)?.value).toHaveLength(39_990);
    expect(store.list(APP, {}, lateMs).keys).toEqual(['last']);
    expect(store.totals(lateMs)).toEqual({ namespaces: 1, totalKeys: 1, totalBytes: 39_994 });
    expect([...store.writesAfter(0)].map(({ record }) => record.key)).toEqual(['last']);
  });
});

test("a node's own write counts as unseen until a peer has reported that it has this exact write", () => {
  const { store } = openStore('a');
  const first = store.put(APP, 'k', bytesOf(28), 0, START_MS).sequenceNumber;
  const second = store.put(APP, 'k', bytesOf(28, 2), 0, START_MS + 1).sequenceNumber;
  store.noteTaken(APP, 'k', first);
  expect(store.isUnseen(APP, 'k', second)).toBe(true);
  store.noteTaken(APP, 'k', second);
  expect([store.isUnseen(APP, 'k', second), store.isUnseen(APP, 'k', second - 1), store.isUnseen(APP, 'none', 0)]).toEqual([false, true, false]);
});

describe('the limit of the whole store', () => {
  /** A small value costs as much as the clock entry that its delete adds. The key of that entry, `<wallet>/<store_id>`, has 59 characters. */
  const MIN_VALUE_BYTES = 32 + 24 + 59;
  const record = (key: string): number => 640 + 32 + 24 + 'peer'.length + 24 + key.length + MIN_VALUE_BYTES;
  const app = 1_024;

  test('refuses a merge as store_full, and allows it when there is room again', () => {
    const { store } = openStore('a', { maxStoreBytes: app + record('a') + record('b') });
    for (const key of ['a', 'b']) expect(store.merge(APP, foreign(key), START_MS).kind).toBe('merged');
    const before = figures(store, START_MS);
    expect(store.merge(APP, foreign('c'), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(figures(store, START_MS)).toEqual(before);
    expect(store.merge(APP, foreign('a', { ...tombstone, version: { peer: 1, another: 1 }, updated_at_ms: START_MS + 1 }), START_MS).kind).toBe('merged');
    store.letAge(START_MS + 60_002);
    expect(store.merge(APP, foreign('c'), START_MS + 60_002)).toEqual({ kind: 'merged' });
  });

  test('refuses a local write with 507 and evicts nothing', () => {
    const { store } = openStore('a', { maxStoreBytes: app + record('a') + 100 });
    store.merge(APP, foreign('a'), START_MS);
    expectFull(store, START_MS, () => store.put('8', 'b', bytesOf(28), 0, START_MS));
  });

  test('allows a delete even when it refuses a write, and the delete makes room for a smaller write', () => {
    const { store } = openStore('a', { maxStoreBytes: app + 2_000 });
    store.put(APP, 'a', bytesOf(600), 0, START_MS);
    expectFull(store, START_MS, () => store.put(APP, 'b', bytesOf(600), 0, START_MS));
    expect(store.delete(APP, 'a', START_MS)).not.toBeNull();
    expect(store.put(APP, 'b', bytesOf(300), 0, START_MS).key).toBe('b');
  });
});

describe('a store at the limit of tombstones for an app', () => {
  function withTombstones(count: number) {
    const opened = openStore('a', { maxTombstonesPerApp: count });
    const numbers: number[] = [];
    for (let index = 0; index < count; index += 1) {
      opened.store.put(APP, `d${index}`, bytesOf(28), 0, START_MS + index);
      numbers.push(opened.store.delete(APP, `d${index}`, START_MS + index)!.sequenceNumber);
    }
    opened.store.put(APP, 'x', bytesOf(28), 0, START_MS + count);
    opened.store.put(APP, 'y', bytesOf(28), 0, START_MS + count);
    const held = (): string[] => everything(opened.store).filter((record) => record.tombstone).map(({ key }) => key).sort();
    return { ...opened, numbers, held };
  }

  test('refuses a local delete while no tombstone that this node wrote has been acknowledged by all peers', () => {
    const { store, outside, numbers } = withTombstones(3);
    outside.acknowledged = numbers[0]! - 1;
    expectFull(store, START_MS, () => store.delete(APP, 'x', START_MS));
  });

  test('drops the oldest tombstone that all peers have, even when a peer may not have an older one', () => {
    const { store, outside, numbers, held } = withTombstones(3);
    outside.acknowledged = numbers[2]!;
    outside.inDoubt.add(numbers[0]!);
    store.delete(APP, 'x', START_MS);
    expect(held()).toEqual(['d0', 'd2', 'x']);
    store.delete(APP, 'y', START_MS);
    expect(held()).toEqual(['d0', 'x', 'y']);
    store.put(APP, 'z', bytesOf(28), 0, START_MS);
    expectFull(store, START_MS, () => store.delete(APP, 'z', START_MS));
  });

  test('looks only at the 256 oldest tombstones that this node wrote, so that the cost of a delete is bounded', () => {
    const { store, outside, numbers, held } = withTombstones(257);
    outside.acknowledged = numbers[256]!;
    for (const number of numbers.slice(0, 256)) outside.inDoubt.add(number);
    expectFull(store, START_MS, () => store.delete(APP, 'x', START_MS));
    outside.inDoubt.delete(numbers[255]!);
    store.delete(APP, 'x', START_MS);
    expect(held()).not.toContain('d255');
  });

  test('drops, at each delete, the oldest tombstone that this node wrote and that all peers have acknowledged', () => {
    const { store, outside, numbers, held } = withTombstones(3);
    outside.acknowledged = numbers[1]!;
    store.delete(APP, 'x', START_MS);
    expect(held()).toEqual(['d1', 'd2', 'x']);
    store.delete(APP, 'y', START_MS);
    expect(held()).toEqual(['d2', 'x', 'y']);
    store.put(APP, 'z', bytesOf(28), 0, START_MS);
    expectFull(store, START_MS, () => store.delete(APP, 'z', START_MS));
  });

  test('drops no tombstone while it keeps all records, regardless of what peers have acknowledged', () => {
    const { store, outside, held } = withTombstones(3);
    outside.acknowledged = store.lastSequenceNumber;
    outside.keepsEverything = true;
    expectFull(store, START_MS, () => store.delete(APP, 'x', START_MS));
    outside.keepsEverything = false;
    store.delete(APP, 'x', START_MS);
    expect(held()).toEqual(['d1', 'd2', 'x']);
  });

  test('keeps the order of the tombstones that this node wrote when a merge adds the clock entry of a peer to one of them', () => {
    const { store, outside, numbers, held } = withTombstones(3);
    const own = store.recordOf(APP, 'd0')!;
    store.merge(APP, foreign('d0', { version: { peer: 1 }, updated_at_ms: own.updated_at_ms - 5 }), START_MS);
    expect(store.recordOf(APP, 'd0')).toEqual({ ...own, version: { ...own.version, peer: 1 } });
    outside.acknowledged = numbers[0]!;
    store.delete(APP, 'x', START_MS);
    expect(held()).toEqual(['d1', 'd2', 'x']);
  });

  test('drops no tombstone of another node early, even if that node deleted a record of this node and has a clock that is behind', () => {
    const { store, outside } = openStore('a', { maxTombstonesPerApp: 2 });
    store.put(APP, 'a', bytesOf(28), 0, START_MS);
    store.put(APP, 'b', bytesOf(28), 0, START_MS);
    const own = store.recordOf(APP, 'a')!;
    const behind = { ...own.version, peer: START_MS - 10_000 };
    expect(store.merge(APP, foreign('a', { ...tombstone, version: behind, updated_at_ms: START_MS + 1 }), START_MS).kind).toBe('merged');
    expect(store.merge(APP, foreign('c', tombstone), START_MS).kind).toBe('merged');
    outside.acknowledged = Infinity;
    expectFull(store, START_MS, () => store.delete(APP, 'b', START_MS));
  });

  test('still merges tombstones from peers', () => {
    const { store, held } = withTombstones(2);
    for (const key of ['p', 'q']) expect(store.merge(APP, foreign(key, tombstone), START_MS).kind).toBe('merged');
    expect(held()).toEqual(['d0', 'd1', 'p', 'q']);
  });

  test('does not count tombstones whose retention has ended, regardless of how many there are', () => {
    const { store } = withTombstones(300);
    for (let index = 0; index < 300; index += 1) store.merge(APP, foreign(`p${index}`, tombstone), START_MS);
    const lateMs = START_MS + 60_000 + 301;
    expect(store.delete(APP, 'x', lateMs)).not.toBeNull();
    // The delete drops old tombstones only until there is room for its own tombstone.
    expect(everything(store).length).toBeGreaterThan(2);
    store.letAge(lateMs);
    expect(everything(store).map(({ key }) => key).sort()).toEqual(['x', 'y']);
  });
});

test('a delete at the limit of tombstones drops only one tombstone, even when merges have exceeded the limit', () => {
  const { store, outside } = openStore('a', { maxTombstonesPerApp: 5 });
  const { store: other } = openStore('b');
  const putAndDelete = (writer: RecordStore, key: string): void => {
    writer.put(APP, key, bytesOf(40), 0, START_MS);
    writer.delete(APP, key, START_MS);
  };
  for (let index = 0; index < 4; index += 1) putAndDelete(store, `own ${index}`);
  for (let index = 0; index < 8; index += 1) putAndDelete(other, `other ${index}`);
  for (const { appId, record } of other.walk({})) expect(store.merge(appId, record, START_MS).kind).toBe('merged');
  outside.acknowledged = Infinity;
  putAndDelete(store, 'one more');
  const keys = everything(store).map(({ key }) => key);
  expect(keys).toHaveLength(12);
  expect(keys).not.toContain('own 0');
  expect(keys).toEqual(expect.arrayContaining(['own 1', 'other 7', 'one more']));
});

test('an expired record does not come back when the clock is set back', () => {
  const { store } = openStore('a');
  store.put(APP, 'k', bytesOf(40), 1_000, START_MS);
  store.letAge(START_MS + 5_000);
  expect([store.get(APP, 'k', START_MS), store.list(APP, {}, START_MS).keys, store.totals(START_MS).totalKeys]).toEqual([null, [], 0]);
  expect(store.delete(APP, 'k', START_MS)).toBeNull();
  store.put(APP, 'k', bytesOf(40), 0, START_MS);
  expect(store.list(APP, {}, START_MS).keys).toEqual(['k']);
});
