/** Keys whose record arrived but could not be stored (protocol.md §10, "404 means absent"): the node does not know whether such a key is absent. */
import { describe, expect, test } from '@jest/globals';
import type { WireRecord } from '../../../src/domain/records.ts';
import { LeftOut, MAX_LEFT_OUT, OVERFLOW_MS } from '../../../src/store/left-out.ts';
import { packBytes } from '../../../src/store/packed-bytes.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import type { StoredRecord } from '../../../src/store/record.ts';
import { EMPTY_CLOCK } from '../../../src/store/vector-clock.ts';
import { bytesOf, LIMITS, openStore, START_MS } from './open-store.ts';

const APP = '7';
const AHEAD_MS = 60_000;

function record(fields: Partial<WireRecord> = {}): WireRecord {
  return { key: 'k', value: '01'.repeat(40), version: { peer: 1 }, updated_at_ms: START_MS, tombstone: false, ttl_ms: 0, ...fields };
}
const AHEAD = record({ updated_at_ms: START_MS + AHEAD_MS });
const TOMBSTONE = { value: null, tombstone: true } as const;

const leftOut = (store: RecordStore, key = 'k', nowMs = START_MS): boolean => store.isLeftOut(APP, key, nowMs);

describe('a key is left out', () => {
  test('when the time of its record is too far ahead, and only in the app of that record', () => {
    const { store } = openStore('a');
    store.merge(APP, AHEAD, START_MS);
    expect([leftOut(store), leftOut(store, 'other'), store.isLeftOut('8', 'k', START_MS), store.leftOut]).toEqual([true, false, false, 1]);
  });

  test('when there is no room for its record', () => {
    const { store } = openStore('a', { maxStoreBytes: 100 });
    store.merge(APP, record(), START_MS);
    expect(leftOut(store)).toBe(true);
  });

  test.each<[string, Partial<WireRecord>]>([
    ['the record that it already has', { ...TOMBSTONE, version: { peer: 2, another: 1 } }],
    ['an earlier value', { version: { another: 1 }, updated_at_ms: START_MS - 1 }],
  ])('only if merging its record would add more than a clock entry: not if a full store refuses %s', (_, fields) => {
    const { store: measured } = openStore('a');
    const deleted = record({ ...TOMBSTONE, version: { peer: 2 } });
    measured.merge(APP, deleted, START_MS);
    const { store } = openStore('a', { maxStoreBytes: measured.heldBytes });
    store.merge(APP, deleted, START_MS);
    expect(store.merge(APP, record(fields), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(leftOut(store)).toBe(false);
    expect(store.merge(APP, record({ version: { another: 1 }, updated_at_ms: START_MS + 1 }), START_MS)).toEqual({ kind: 'rejected', why: 'store_full' });
    expect(leftOut(store)).toBe(true);
  });

  test.each<[string, Partial<WireRecord>]>([
    ['does not decrypt', { value: 'ff'.repeat(40) }],
    ['is too short', { value: '01' }],
    ['has a bad clock', { version: { peer: -1 } }],
  ])('only if some store can accept its record: not if that record %s', (_, fields) => {
    const { store } = openStore('a');
    expect(store.merge(APP, record(fields), START_MS).kind).toBe('rejected');
    expect(leftOut(store)).toBe(false);
  });
});

describe('a key that was left out', () => {
  function withLeftOut() {
    const { store } = openStore('a');
    store.merge(APP, AHEAD, START_MS);
    return store;
  }

  test('is no longer left out after this node has merged the record', () => {
    const store = withLeftOut();
    expect(store.merge(APP, AHEAD, START_MS + AHEAD_MS).kind).toBe('merged');
    expect([leftOut(store), store.leftOut]).toEqual([false, 0]);
  });

  test('is no longer left out after this node has merged a later record', () => {
    const store = withLeftOut();
    store.merge(APP, record({ ...TOMBSTONE, version: { peer: 2 }, updated_at_ms: AHEAD.updated_at_ms + 1 }), START_MS + AHEAD_MS);
    expect(leftOut(store)).toBe(false);
  });

  test('stays left out when an earlier record arrives, even a tombstone', () => {
    const store = withLeftOut();
    store.merge(APP, record(TOMBSTONE), START_MS);
    expect(leftOut(store)).toBe(true);
  });

  test('stays left out when this node writes and deletes the key, because the record that was left out is later', () => {
    const store = withLeftOut();
    store.put(APP, 'k', bytesOf(40), 0, START_MS);
    store.delete(APP, 'k', START_MS + 1);
    expect(leftOut(store)).toBe(true);
  });

  test.each<[string, Partial<WireRecord>, number]>([
    ['a tombstone is no longer left out after the retention', TOMBSTONE, 0],
    ['a value with a lifetime is no longer left out after its lifetime and the retention', { ttl_ms: 500 }, 500],
  ])('as %s, because every node may have forgotten the record', (_, fields, ttlMs) => {
    const { store } = openStore('a', { maxStoreBytes: 100 });
    store.merge(APP, record(fields), START_MS);
    const goneMs = START_MS + ttlMs + LIMITS.tombstoneRetentionMs + 1;
    expect([leftOut(store, 'k', goneMs - 1), leftOut(store, 'k', goneMs)]).toEqual([true, false]);
    store.letAge(goneMs);
    expect(store.leftOut).toBe(0);
  });

  test('as a value without a lifetime stays left out until its delete has been left out too and the retention of that delete has ended', () => {
    const { store } = openStore('a', { maxStoreBytes: 100 });
    store.merge(APP, record(), START_MS);
    expect(leftOut(store, 'k', START_MS * 2)).toBe(true);
    store.merge(APP, record({ ...TOMBSTONE, version: { peer: 2 }, updated_at_ms: START_MS + 1 }), START_MS + 1);
    const goneMs = START_MS + 1 + LIMITS.tombstoneRetentionMs + 1;
    expect([leftOut(store, 'k', goneMs - 1), leftOut(store, 'k', goneMs)]).toEqual([true, false]);
  });

  test('as a value stays left out when its delete is too far ahead, because the other nodes may refuse that delete and keep the value', () => {
    const { store } = openStore('a', { maxStoreBytes: 100 });
    store.merge(APP, record(), START_MS);
    store.merge(APP, record({ ...TOMBSTONE, updated_at_ms: START_MS + AHEAD_MS }), START_MS);
    expect(leftOut(store, 'k', START_MS * 2)).toBe(true);
  });

  test('is forgotten when the store is emptied', () => {
    const store = withLeftOut();
    store.reset();
    expect([leftOut(store), store.leftOut]).toEqual([false, 0]);
  });
});

describe('a full list of left-out keys', () => {
  const VALUE: StoredRecord = { key: 'k', value: packBytes(bytesOf(40)), version: EMPTY_CLOCK, updatedAtMs: START_MS, ttlMs: 0 };
  const OPTIONS = { tombstoneRetentionMs: LIMITS.tombstoneRetentionMs };
  const goneMs = START_MS + LIMITS.tombstoneRetentionMs + 1;
  const leave = (keys: LeftOut, count: number, fields: Partial<StoredRecord> = {}): void => {
    for (let index = 0; index < count; index += 1) keys.note(APP, { ...VALUE, key: `k${index}`, ...fields }, 'store_full', START_MS);
  };

  test('does not take another key, so every key is treated as left out for an hour', () => {
    const keys = new LeftOut(OPTIONS);
    leave(keys, MAX_LEFT_OUT);
    expect([keys.size, keys.isOverfull(START_MS)]).toEqual([MAX_LEFT_OUT, false]);
    keys.note(APP, { ...VALUE, key: 'one more' }, 'store_full', START_MS);
    expect([keys.size, keys.has(APP, 'one more', START_MS), keys.isOverfull(START_MS), keys.isOverfull(START_MS + OVERFLOW_MS)]).toEqual([MAX_LEFT_OUT, false, true, false]);
  });

  test('takes another key as soon as the records of its earlier keys are gone, so that it does not have to treat every key as left out', () => {
    const keys = new LeftOut(OPTIONS);
    leave(keys, MAX_LEFT_OUT, { value: null });
    expect(keys.has(APP, 'k0', goneMs - 1)).toBe(true);
    keys.note(APP, { ...VALUE, key: 'one more', value: null, updatedAtMs: goneMs }, 'store_full', goneMs);
    expect([keys.size, keys.has(APP, 'one more', goneMs), keys.isOverfull(goneMs)]).toEqual([1, true, false]);
  });

  test('does not take a key whose record is already gone', () => {
    const keys = new LeftOut(OPTIONS);
    leave(keys, MAX_LEFT_OUT);
    keys.note(APP, { ...VALUE, key: 'one more', value: null }, 'store_full', goneMs);
    expect([keys.size, keys.isOverfull(goneMs)]).toEqual([MAX_LEFT_OUT, false]);
  });

  test('does not affect other keys when only keys in the list are left out again', () => {
    const keys = new LeftOut(OPTIONS);
    leave(keys, MAX_LEFT_OUT);
    leave(keys, MAX_LEFT_OUT);
    expect(keys.isOverfull(START_MS)).toBe(false);
  });

  test('makes the store treat every key as left out when another key is left out', () => {
    const { store } = openStore('a', { maxStoreBytes: 100 });
    for (let index = 0; index <= MAX_LEFT_OUT; index += 1) store.merge(APP, record({ key: `k${index}` }), START_MS);
    expect([leftOut(store, 'any'), leftOut(store, 'any', START_MS + OVERFLOW_MS)]).toEqual([true, false]);
  });
});
