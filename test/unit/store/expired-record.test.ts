/**
 * A record past its lifetime (protocol.md §9.19): reading it changes nothing. The next write to the key continues
 * from the clock and the time of the expired record. Otherwise the write would lose to old copies on other nodes.
 */
import { describe, expect, test } from '@jest/globals';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { clockOf, compareClocks } from '../../../src/store/vector-clock.ts';
import { bytesOf, openStore, START_MS } from './open-store.ts';

const APP = '7';
const TTL_MS = 10;
const EXPIRED_MS = START_MS + TTL_MS + 1;
/** The time of a clock that was set back. It is earlier than the time of the record. */
const SET_BACK_MS = START_MS - 5_000;

/** A store with an expired record, and a second store with a copy of that record. */
function startExpired(writer: 'this node' | 'a peer') {
  const { store } = openStore('a');
  const { store: other } = openStore('b');
  const [from, to] = writer === 'this node' ? [store, other] : [other, store];
  from.put(APP, 'k', bytesOf(28), TTL_MS, START_MS);
  expect(to.merge(APP, from.recordOf(APP, 'k'), START_MS)).toEqual({ kind: 'merged' });
  const held = store.recordOf(APP, 'k')!;
  expect(store.get(APP, 'k', EXPIRED_MS - 1)).not.toBeNull();
  return { store, other, held };
}

const looks: Record<string, (store: RecordStore) => unknown> = {
  get: (store) => store.get(APP, 'k', EXPIRED_MS),
  delete: (store) => store.delete(APP, 'k', EXPIRED_MS),
  list: (store) => store.list(APP, {}, EXPIRED_MS).keys,
  listQuoted: (store) => store.listQuoted(APP, {}, EXPIRED_MS).count,
  totals: (store) => store.totals(EXPIRED_MS),
};

describe.each(['this node', 'a peer'] as const)('an expired record that was written by %s', (writer) => {
  test.each([
    ['get', null],
    ['delete', null],
    ['list', []],
    ['totals', { namespaces: 0, totalKeys: 0, totalBytes: 0 }],
  ])('is absent for the operation "%s", which does not change the record', (look, absent) => {
    const { store, other, held } = startExpired(writer);
    expect(looks[look]!(store)).toEqual(absent);
    expect(store.recordOf(APP, 'k')).toEqual(held);
    expect(store.rootDigest()).toBe(other.rootDigest());
  });

  test.each([
    ['was read and found absent', Object.values(looks)],
    ['was not read', []],
  ])('and that %s is replaced by a write with a later clock and time, which wins on other nodes even if the system clock was set back', (_, before) => {
    const { store, other, held } = startExpired(writer);
    for (const look of before) look(store);
    const written = store.put(APP, 'k', bytesOf(28, 2), 0, SET_BACK_MS);
    const record = store.recordOf(APP, 'k')!;
    expect([written.updatedAtMs, record.updated_at_ms]).toEqual([held.updated_at_ms + 1, held.updated_at_ms + 1]);
    expect(compareClocks(clockOf(Object.entries(record.version)), clockOf(Object.entries(held.version)))).toBe('later');
    expect(other.recordOf(APP, 'k')).toEqual(held);
    expect(other.merge(APP, record, EXPIRED_MS)).toEqual({ kind: 'merged' });
    expect(other.get(APP, 'k', EXPIRED_MS)?.value).toEqual(bytesOf(28, 2));
    expect(other.rootDigest()).toBe(store.rootDigest());
  });
});

test('expired records never make a page of a listing empty while more keys follow, so a caller can always continue after a key', () => {
  const { store } = openStore('a', { tombstoneRetentionMs: 1_000_000 });
  // There are more expired records than one operation handles.
  for (let index = 0; index < 10_100; index += 1) store.put(APP, `k${String(index).padStart(6, '0')}`, bytesOf(28), 1 + index, START_MS);
  for (const key of ['y', 'z']) store.put(APP, key, bytesOf(28), 0, START_MS);
  expect(store.list(APP, { limit: 1 }, START_MS + 20_000)).toEqual({ keys: ['y'], more: true });
  expect(store.list(APP, { limit: 1, after: 'y' }, START_MS + 20_000)).toEqual({ keys: ['z'], more: false });
  expect(() => store.list(APP, { limit: 0 }, START_MS + 20_000)).toThrow('fewer than one key');
  expect(() => store.listQuoted(APP, { limit: 0 }, START_MS + 20_000)).toThrow('fewer than one key');
});

test('a page of a listing is full while there are enough keys, and reports no further keys when only expired records follow', () => {
  const { store } = openStore('a');
  for (const key of ['a', 'c', 'e']) store.put(APP, key, bytesOf(28), 0, START_MS);
  for (const key of ['b', 'd', 'f', 'g']) store.put(APP, key, bytesOf(28), TTL_MS, START_MS);
  expect(store.list(APP, { limit: 2 }, EXPIRED_MS)).toEqual({ keys: ['a', 'c'], more: true });
  expect(store.list(APP, { limit: 1, after: 'c' }, EXPIRED_MS)).toEqual({ keys: ['e'], more: false });
});
