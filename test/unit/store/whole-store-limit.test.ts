/**
 * `MAX_STORE_BYTES` (protocol.md §8, §10, Quota): local writes and merges can fill the store to this limit, and are refused one byte
 * above it. The test computes the sizes of records and apps itself.
 */
import { describe, expect, test } from '@jest/globals';
import type { RefusalError } from '../../../src/domain/errors.ts';
import type { WireRecord } from '../../../src/domain/records.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { bytesOf, openStore, START_MS } from './open-store.ts';

const APP = '7';
const OTHER_APP = '8';
/** This key has four bytes in UTF-8 and three characters of Latin-1. */
const WIDE_KEY = 'añb';
/** The length of the clock key of the store `a`: `a/<store_id>`. The id has 16 hex digits. */
const OWN_ENTRY_BYTES = 'a/'.length + 16;
const APP_BYTES = 1_024;
/** The length of a clock key that nodes write: `<wallet>/<store_id>`. */
const WRITTEN_CLOCK_KEY = 42 + 1 + 16;

/** @param key the length of the key @param clock the length of each clock key @param stored the length of the value, null for a tombstone */
function cost(key: number, clock: readonly number[], stored: number | null): number {
  const text = (characters: number): number => 24 + characters;
  const entry = (characters: number): number => text(characters) + 32;
  // A value costs at least as much as the clock entry that its delete adds.
  const value = stored === null ? 0 : Math.max(text(stored), entry(WRITTEN_CLOCK_KEY));
  return 640 + text(key) + clock.reduce((sum, characters) => sum + entry(characters), 0) + value;
}

const own = (key: number, stored: number | null): number => cost(key, [OWN_ENTRY_BYTES], stored);

function foreign(key: string, stored: number, fields: Partial<WireRecord> = {}): WireRecord {
  return { key, value: '01'.repeat(stored), version: { peer: 1 }, updated_at_ms: START_MS, tombstone: false, ttl_ms: 0, ...fields };
}

/** The outcome of a local write. */
function put(store: RecordStore, app: string, key: string, stored: number): string {
  try {
    store.put(app, key, bytesOf(stored), 0, START_MS);
    return 'written';
  } catch (error) {
    return (error as RefusalError).code;
  }
}

/** A store that holds only this record and is full to the last byte. */
function fullOf(record: WireRecord): RecordStore {
  const { store: measured } = openStore('a');
  measured.merge(APP, record, START_MS);
  const { store } = openStore('a', { maxStoreBytes: measured.heldBytes });
  expect(store.merge(APP, record, START_MS)).toEqual({ kind: 'merged' });
  return store;
}

describe('the limit of the whole store', () => {
  test('can be used up to the last byte by local writes for all apps together, but not exceeded by one byte', () => {
    const limit = 2 * APP_BYTES + own(1, 100) + own(3, 150);
    const { store } = openStore('a', { maxStoreBytes: limit });
    expect(put(store, APP, 'k', 100)).toBe('written');
    expect(put(store, OTHER_APP, WIDE_KEY, 151)).toBe('insufficient_storage');
    expect(store.heldBytes).toBe(APP_BYTES + own(1, 100));
    expect(put(store, OTHER_APP, WIDE_KEY, 150)).toBe('written');
    expect(store.heldBytes).toBe(limit);
    expect(put(store, APP, 'k', 101)).toBe('insufficient_storage');
    expect(put(store, APP, 'k', 100)).toBe('written');
    expect(store.heldBytes).toBe(limit);
  });

  test('can be used up to the last byte by merges for all apps together, but not exceeded by one byte', () => {
    const limit = 2 * APP_BYTES + cost(1, [4], 100) + cost(3, [4, 7], 150);
    const { store } = openStore('a', { maxStoreBytes: limit });
    const two = { version: { peer: 1, 'peer añx': 2 ** 40 } };
    expect(store.merge(APP, foreign('k', 100), START_MS)).toEqual({ kind: 'merged' });
    // The first record is one byte too large because of its value, the second because of its clock.
    expect(store.merge(OTHER_APP, foreign(WIDE_KEY, 151, { version: { peer: 1, another: 1 } }), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.merge(OTHER_APP, foreign(WIDE_KEY, 150, two), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect([store.heldBytes, store.refusedFull]).toEqual([APP_BYTES + cost(1, [4], 100), 2]);
    expect(store.merge(OTHER_APP, foreign(WIDE_KEY, 150, { version: { peer: 1, another: 1 } }), START_MS)).toEqual({ kind: 'merged' });
    expect(store.heldBytes).toBe(limit);
    expect(store.merge(APP, foreign('k', 101, { version: { peer: 2 } }), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.merge(APP, foreign('k', 100, { version: { peer: 2 } }), START_MS)).toEqual({ kind: 'merged' });
    expect([store.heldBytes, store.refusedFull]).toEqual([limit, 3]);
  });

  test('applies to local writes and merges together', () => {
    const { store } = openStore('a', { maxStoreBytes: APP_BYTES + own(1, 100) + cost(1, [4], 128) });
    expect(put(store, APP, 'k', 100)).toBe('written');
    expect(store.merge(APP, foreign('m', 129), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.merge(APP, foreign('m', 128), START_MS)).toEqual({ kind: 'merged' });
    expect(put(store, APP, 'k', 101)).toBe('insufficient_storage');
  });

  test.each<[string, number, string]>([
    ['by a current node', 60, `0x${'d'.repeat(40)}/${'0'.repeat(16)}`],
    ['of the smallest value by a current node', 28, `0x${'d'.repeat(40)}/${'0'.repeat(16)}`],
    ['by an older node', 60, `0x${'d'.repeat(40)}`],
  ])('does not refuse a delete %s, although it adds a clock entry and the store is full to the last byte', (_, stored, deleter) => {
    const store = fullOf(foreign('k', stored));
    const tombstone = foreign('k', 0, { value: null, tombstone: true, version: { peer: 1, [deleter]: 1 }, updated_at_ms: START_MS + 1 });
    expect(store.merge(APP, tombstone, START_MS)).toEqual({ kind: 'merged' });
    expect(store.heldBytes).toBe(APP_BYTES + cost(1, [4, deleter.length], null));
  });

  test('does not refuse a tombstone with clock entries of writes that this node has never seen, even when the store is full to the last byte', () => {
    const store = fullOf(foreign('k', 28));
    const written = (digit: string): string => `0x${digit.repeat(40)}/${'0'.repeat(16)}`;
    const version = { peer: 1, [written('b')]: 1, [written('c')]: 2, [written('d')]: 3 };
    const tombstone = foreign('k', 0, { value: null, tombstone: true, version, updated_at_ms: START_MS + 1 });
    expect(store.merge(APP, tombstone, START_MS)).toEqual({ kind: 'merged' });
    expect(store.get(APP, 'k', START_MS)).toBeNull();
    expect(store.heldBytes).toBe(APP_BYTES + cost(1, [4, ...Array.from({ length: 3 }, () => WRITTEN_CLOCK_KEY)], null));
    // A value for a new key may not use the bytes above the limit.
    expect(store.merge(APP, foreign('new', 28), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(put(store, APP, 'new', 28)).toBe('insufficient_storage');
  });

  test('does not refuse a value that all nodes forget before the replaced value expires, because otherwise the old value would come back', () => {
    const store = fullOf(foreign('k', 28));
    const replacement = foreign('k', 1_000, { version: { peer: 2 }, ttl_ms: 10 });
    expect(store.merge(APP, { ...replacement, ttl_ms: 0 }, START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.merge(APP, replacement, START_MS)).toEqual({ kind: 'merged' });
    store.letAge(START_MS + 60_011);
    expect(store.recordOf(APP, 'k')).toBeNull();
  });

  test('refuses a larger value with a lifetime if the replaced value expires before all nodes forget the new one', () => {
    const retentionMs = 60_000;
    const store = fullOf(foreign('k', 28, { ttl_ms: retentionMs + 10 }));
    const replacement = foreign('k', 1_000, { version: { peer: 2 } });
    expect(store.merge(APP, { ...replacement, ttl_ms: 10 }, START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.merge(APP, { ...replacement, ttl_ms: 9 }, START_MS)).toEqual({ kind: 'merged' });
  });

  test('can be exceeded by at most 16 MiB for values that all nodes forget before the old value expires, so that deletes still have room', () => {
    const limit = APP_BYTES + cost(1, [4], 28);
    const half = 2 ** 24;
    const { store } = openStore('a', { maxStoreBytes: limit, maxValueBytes: 2 ** 25 });
    store.merge(APP, foreign('k', 28), START_MS);
    // The smallest value counts as much as a clock entry.
    const fitting = half + (32 + 24 + WRITTEN_CLOCK_KEY) - 24;
    expect(store.merge(APP, foreign('k', fitting + 1, { version: { peer: 2 }, ttl_ms: 10 }), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.merge(APP, foreign('k', fitting, { version: { peer: 2 }, ttl_ms: 10 }), START_MS)).toEqual({ kind: 'merged' });
    expect(store.heldBytes).toBe(limit + half);
  });

  test('can be exceeded by at most 32 MiB for deletes, even when each of them has the largest clock', () => {
    // The first character is not Latin-1, so every character counts as two bytes.
    const largestKey = (index: number): string => `Ā${String(index).padStart(126, '0')}`;
    const version = { peer: 1, ...Object.fromEntries(Array.from({ length: 63 }, (_, index) => [largestKey(index), 1])) };
    const records = 1_800;
    const limit = APP_BYTES + records * cost(4, [4], 28);
    const { store } = openStore('a', { maxStoreBytes: limit });
    const keys = Array.from({ length: records }, (_, index) => String(index).padStart(4, '0'));
    for (const key of keys) expect(store.merge(APP, foreign(key, 28), START_MS)).toEqual({ kind: 'merged' });
    expect(store.heldBytes).toBe(limit);
    const growth = cost(4, [4, ...Array.from({ length: 63 }, () => 2 * 127)], null) - cost(4, [4], 28);
    const tombstone = { value: null, tombstone: true, version, updated_at_ms: START_MS + 1 };
    const verdicts = keys.map((key) => store.merge(APP, foreign(key, 0, tombstone), START_MS));
    const fitting = Math.floor(2 ** 25 / growth);
    expect(verdicts.filter(({ kind }) => kind === 'merged')).toHaveLength(fitting);
    for (const verdict of verdicts.slice(fitting)) expect(verdict).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(store.heldBytes).toBe(limit + fitting * growth);
    // A delete still fits if it does not make the record larger.
    const smaller = foreign(keys.at(-1)!, 0, { ...tombstone, version: { peer: 2 } });
    expect(store.merge(APP, smaller, START_MS)).toEqual({ kind: 'merged' });
  });

  test('includes tombstones and expired records while they are kept', () => {
    const limit = APP_BYTES + own(1, null) + cost(1, [4], 28);
    const { store } = openStore('a', { maxStoreBytes: limit + 100 });
    put(store, APP, 'k', 100);
    store.delete(APP, 'k', START_MS);
    store.merge(APP, foreign('m', 28, { ttl_ms: 10 }), START_MS);
    const expiredMs = START_MS + 11;
    expect(store.totals(expiredMs)).toEqual({ namespaces: 0, totalKeys: 0, totalBytes: 0 });
    expect(store.heldBytes).toBe(limit);
    expect(store.merge(APP, foreign('n', 28), expiredMs)).toEqual({ kind: 'rejected', why: 'store_full' });
  });
});

describe('the limit on the number of apps', () => {
  test('applies only to local writes and merges for apps that have no records yet', () => {
    const { store } = openStore('a', { maxApps: 2, tombstoneRetentionMs: 10 });
    expect([put(store, '1', 'k', 28), store.merge('2', foreign('k', 28), START_MS).kind]).toEqual(['written', 'merged']);
    expect(put(store, '3', 'k', 28)).toBe('insufficient_storage');
    expect(store.merge('3', foreign('k', 28), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect([put(store, '2', 'other', 28), store.refusedFull, store.appIds()]).toEqual(['written', 1, ['1', '2']]);
  });

  test('applies to tombstones for apps that do not exist, and there is room again as soon as these tombstones are gone', () => {
    const { store } = openStore('a', { maxApps: 10, tombstoneRetentionMs: 10 });
    const tombstone = (app: number): unknown => store.merge(String(app), { ...foreign('k', 0), value: null, tombstone: true }, START_MS);
    for (let app = 1; app <= 1_000; app += 1) expect(tombstone(app)).toEqual(app <= 10 ? { kind: 'merged' } : { kind: 'rejected', why: 'store_full' });
    expect(store.appIds()).toHaveLength(10);
    store.letAge(START_MS + 11);
    expect([store.heldBytes, put(store, '77', 'k', 28)]).toEqual([0, 'written']);
  });
});
