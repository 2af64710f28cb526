/** When a record is absent or may be forgotten, and how many bytes it uses (protocol.md §4, Ages; §8). */
import { describe, expect, test } from '@jest/globals';
import { packBytes } from '../../../src/store/packed-bytes.ts';
import { storeBytes } from '../../../src/store/memory-cost.ts';
import { absentFromMs, contentBytes, goneFromMs, isPresent, toWireRecord, type StoredRecord } from '../../../src/store/record.ts';
import { clockOf } from '../../../src/store/vector-clock.ts';

const RETENTION_MS = 1_000;

function record(fields: Partial<StoredRecord>): StoredRecord {
  return { key: 'k', value: packBytes(new Uint8Array(28)), version: clockOf([['a', 1]]), updatedAtMs: 5_000, ttlMs: 0, ...fields };
}

describe('a record', () => {
  test.each<[string, Partial<StoredRecord>, number, number]>([
    ['without a lifetime never becomes absent', {}, Infinity, Infinity],
    ['with a lifetime is absent directly after its lifetime, and may be forgotten after the retention', { ttlMs: 300 }, 5_301, 6_301],
    ['with a lifetime of one millisecond is absent directly after it, and may be forgotten after the retention', { ttlMs: 1 }, 5_002, 6_002],
    ['that is a tombstone is always absent, and may be forgotten after the retention', { value: null }, -Infinity, 6_001],
    ['that is a tombstone with a lifetime may be forgotten after the retention, regardless of the lifetime', { value: null, ttlMs: 300 }, -Infinity, 6_001],
  ])('%s', (_, fields, absentFrom, goneFrom) => {
    const held = record(fields);
    expect([absentFromMs(held), goneFromMs(held, RETENTION_MS)]).toEqual([absentFrom, goneFrom]);
    expect(isPresent(held, Math.min(absentFrom - 1, Number.MAX_SAFE_INTEGER))).toBe(absentFrom > 0);
    expect(isPresent(held, absentFrom)).toBe(false);
  });

  /** The size of a record without its key and value, but with one clock entry, whose key has one character. */
  const BASE = 640 + 32 + 24 + 1;
  /** A small value costs as much as the clock entry that its delete adds. The key of that entry, `<wallet>/<store_id>`, has 59 characters. */
  const SMALL_VALUE = 32 + 24 + 59;

  test.each<[string, Partial<StoredRecord>, number, number]>([
    ['its key and its stored bytes', {}, 29, BASE + 24 + 1 + SMALL_VALUE],
    ['a key with characters beyond Latin-1: its UTF-8 length for the app quota, and two bytes per character for the store limit', { key: '😀é' }, 34, BASE + 24 + 6 + SMALL_VALUE],
    ['a key in Latin-1: its UTF-8 length for the app quota, and one byte per character for the store limit', { key: 'éé' }, 32, BASE + 24 + 2 + SMALL_VALUE],
    ['a large value with its actual length', { value: packBytes(new Uint8Array(100)) }, 101, BASE + 24 + 1 + 24 + 100],
    ['no value if it is a tombstone', { value: null }, 1, BASE + 24 + 1],
    ['each of its clock entries for the store limit, but not for the app quota', { version: clockOf([['a', 1], ['wallet', 2]]) }, 29, BASE + 32 + 24 + 6 + 24 + 1 + SMALL_VALUE],
  ])('has a size that includes %s', (_, fields, inApp, inStore) => {
    expect([contentBytes(record(fields)), storeBytes(record(fields))]).toEqual([inApp, inStore]);
  });

  test('is sent with its value in hex, or with null if it is a tombstone', () => {
    const value = packBytes(Uint8Array.from([0, 15, 255]));
    const base = { key: 'k', version: { a: 1 }, updated_at_ms: 5_000 };
    expect(toWireRecord(record({ value, ttlMs: 7 }))).toEqual({ ...base, value: '000fff', tombstone: false, ttl_ms: 7 });
    expect(toWireRecord(record({ value: null }))).toEqual({ ...base, value: null, tombstone: true, ttl_ms: 0 });
  });

  test('is sent with unchanged clock keys, regardless of their text', () => {
    const version = clockOf([['0xABc', 1], ['__proto__', 2], ['7', 3]]);
    const wire = toWireRecord(record({ version }));
    expect(new Map(Object.entries(wire.version))).toEqual(new Map([['7', 3], ['0xABc', 1], ['__proto__', 2]]));
  });
});
