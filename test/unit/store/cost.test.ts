/** The cost of operations (protocol.md §9.8), measured as the number of visited records. The cost is the same at any size of the store. */
import { describe, expect, test } from '@jest/globals';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { bytesOf, openStore, START_MS } from './open-store.ts';

const APP = '7';
const SIZES = [100, 20_000];
const RETENTION_MS = 1_000;

/** A store with keys that stay, one key that expires and one deleted key. */
function filled(keys: number): RecordStore {
  const { store, outside } = openStore('a', { tombstoneRetentionMs: RETENTION_MS });
  outside.acknowledged = Infinity;
  for (let index = 0; index < keys; index += 1) store.put(APP, `k${index}`, bytesOf(28), 1_000_000, START_MS);
  store.put(APP, 'short', bytesOf(28), 10, START_MS);
  store.put(APP, 'deleted', bytesOf(28), 0, START_MS);
  store.delete(APP, 'deleted', START_MS);
  return store;
}

const stores = SIZES.map(filled);

/** The number of records that the same operation visits at each size of the store. */
function visits(run: (store: RecordStore) => unknown): number[] {
  return stores.map((store) => {
    const before = store.visits;
    run(store);
    return store.visits - before;
  });
}

const foreign = (key: string): object => ({ key, value: '01'.repeat(28), version: { peer: START_MS }, updated_at_ms: START_MS, tombstone: false, ttl_ms: 0 });

describe(`at ${SIZES.join(' and ')} keys, the number of visited records is the same for`, () => {
  test.each<[string, number, (store: RecordStore) => unknown]>([
    ['reading a key', 1, (store) => store.get(APP, 'k50', START_MS)],
    ['reading an absent key', 1, (store) => store.get(APP, 'nothing', START_MS)],
    ['writing a new key', 1, (store) => store.put(APP, 'new', bytesOf(28), 0, START_MS)],
    ['writing a key again', 1, (store) => store.put(APP, 'k50', bytesOf(28), 0, START_MS)],
    ['deleting a key', 1, (store) => store.delete(APP, 'k51', START_MS)],
    ['merging a record with a new key', 1, (store) => store.merge(APP, foreign('merged'), START_MS)],
    ['merging a record with a known key', 1, (store) => store.merge(APP, foreign('k52'), START_MS)],
    ['refusing a malformed record', 0, (store) => store.merge(APP, { key: 'k' }, START_MS)],
    ['computing the totals of the store', 0, (store) => store.totals(START_MS)],
    ['computing the digest of the store', 0, (store) => store.rootDigest()],
    ['reading the log entries of the last three writes', 3, (store) => [...store.writesAfter(store.lastSequenceNumber - 3)]],
    ['reading the log entries after the last write', 0, (store) => [...store.writesAfter(store.lastSequenceNumber)]],
    ['expiring one record', 1, (store) => store.letAge(START_MS + 11)],
    ['removing two tombstones and an expired record after the retention', 3, (store) => store.letAge(START_MS + 500_000)],
  ])('%s', (_, wanted, run) => {
    expect(visits(run)).toEqual(SIZES.map(() => wanted));
  });
});

test('many records that expire at the same time are absent immediately, and are removed by several later operations', () => {
  const { store } = openStore('a', { tombstoneRetentionMs: RETENTION_MS });
  for (let index = 0; index < 2_000; index += 1) store.put(APP, `k${index}`, bytesOf(28), 10, START_MS);
  const lateMs = START_MS + 5_000;
  const before = store.visits;
  expect([store.delete(APP, 'k1999', lateMs), store.get(APP, 'k1999', lateMs)]).toEqual([null, null]);
  expect(store.visits - before).toBeLessThan(300);
  expect([store.totals(lateMs).totalKeys, store.list(APP, {}, lateMs).keys]).toEqual([0, []]);
  for (let count = 0; count < 8; count += 1) store.delete(APP, 'k1999', lateMs);
  expect([store.totals(lateMs), store.heldBytes]).toEqual([{ namespaces: 0, totalKeys: 0, totalBytes: 0 }, 0]);
});
