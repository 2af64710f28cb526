/**
 * A second implementation of protocol.md §4, for comparison with the store: the form of a record, the merge of two records, and their age.
 * It follows the text of the protocol as closely as possible and shares no code with the store.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from '../../crypto/canonical-json.ts';
import type { WireRecord } from '../../domain/records.ts';

export type Clock = Readonly<Record<string, number>>;

const BUCKETS = 256;
const MAX_COUNT = 2 ** 52;
/** Maximum number of entries that a node keeps in a clock. */
export const MAX_CLOCK_ENTRIES = 64;
/** By how much a count may exceed the latest acceptable time in Unix milliseconds. */
const COUNT_HEADROOM = 1_048_576;

/** Whether each count in `a` is at least as large as the count in `b` under the same key. */
export function covers(a: Clock, b: Clock): boolean {
  return Object.entries(b).every(([key, count]) => (a[key] ?? 0) >= count);
}

export function union(a: Clock, b: Clock): Clock {
  const both: Record<string, number> = { ...a };
  for (const [key, count] of Object.entries(b)) both[key] = Math.max(both[key] ?? 0, count);
  return both;
}

/**
 * The entries of a clock that a node keeps (protocol.md §10, Bounds). When a clock has more than 64 entries, entries whose key has a `/`
 * are dropped first. Smaller counts are dropped before larger ones. Among equal counts, the smallest key is dropped first.
 */
export function cutOf(clock: Clock): Clock {
  const entries = Object.entries(clock).filter(([, count]) => count > 0);
  if (entries.length <= MAX_CLOCK_ENTRIES) return Object.fromEntries(entries);
  const isOurs = (key: string): boolean => key.includes('/');
  const inOrder = entries.sort(([a, countOfA], [b, countOfB]) => Number(isOurs(b)) - Number(isOurs(a)) || countOfA - countOfB || (a < b ? -1 : 1));
  return Object.fromEntries(inOrder.slice(-MAX_CLOCK_ENTRIES));
}

/** Compares time, then bytes, then lifetime; the larger value wins. @returns above 0 when `a` wins */
export function compareContents(a: Omit<WireRecord, 'version' | 'key' | 'tombstone'>, b: Omit<WireRecord, 'version' | 'key' | 'tombstone'>): number {
  if (a.updated_at_ms !== b.updated_at_ms) return a.updated_at_ms - b.updated_at_ms;
  // Lower-case hex sorts in the same order as the bytes.
  const [left, right] = [a.value ?? '', b.value ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.ttl_ms || Infinity) === (b.ttl_ms || Infinity) ? 0 : (a.ttl_ms || Infinity) - (b.ttl_ms || Infinity);
}

/** The record that a node must hold after it has accepted a valid incoming record. */
export function mergeOf(held: WireRecord | null, incoming: WireRecord): WireRecord {
  if (held === null) return { ...incoming, version: cutOf(incoming.version) };
  if (covers(held.version, incoming.version) && !covers(incoming.version, held.version)) return held;
  if (covers(incoming.version, held.version) && !covers(held.version, incoming.version)) return { ...incoming, version: cutOf(incoming.version) };
  const winner = compareContents(incoming, held) > 0 ? incoming : held;
  return { ...winner, version: cutOf(union(held.version, incoming.version)) };
}

/** The time from which a node may forget the record. Unix milliseconds. */
export function goneFromMs({ updated_at_ms, ttl_ms, tombstone }: WireRecord, retentionMs: number): number {
  if (tombstone) return updated_at_ms + retentionMs + 1;
  return ttl_ms === 0 ? Infinity : updated_at_ms + ttl_ms + retentionMs + 1;
}

export function isPresent({ updated_at_ms, ttl_ms, tombstone }: WireRecord, nowMs: number): boolean {
  return !tombstone && (ttl_ms === 0 || nowMs <= updated_at_ms + ttl_ms);
}

/** False if the record's time or one of its counts is too far ahead of the node's clock. */
export function isTimely({ updated_at_ms: at, version }: WireRecord, nowMs: number, maxClockSkewMs: number): boolean {
  const latestMs = nowMs + maxClockSkewMs;
  return at <= latestMs && Object.values(version).every((count) => count <= latestMs + COUNT_HEADROOM);
}

/** Whether a value has the form of a record; its content is not checked. */
export function isWellFormed(wire: unknown): wire is WireRecord {
  if (wire === null || typeof wire !== 'object') return false;
  const { key, value, version, updated_at_ms: at, tombstone, ttl_ms: ttl } = wire as Record<string, unknown>;
  const whole = (number: unknown, max: number): boolean => Number.isInteger(number) && (number as number) >= 0 && (number as number) <= max;
  if (typeof key !== 'string' || key === '' || typeof tombstone !== 'boolean') return false;
  if (!whole(at, Number.MAX_SAFE_INTEGER) || !whole(ttl, Number.MAX_SAFE_INTEGER)) return false;
  if (version === null || typeof version !== 'object' || Array.isArray(version)) return false;
  if (!Object.values(version).every((count) => whole(count, MAX_COUNT))) return false;
  return tombstone ? value === null : typeof value === 'string' && /^(?:[0-9a-f]{2}){28,}$/i.test(value);
}

/** Whether two records are equal in all transmitted fields except their key. */
export function sameRecord(a: WireRecord | null, b: WireRecord | null): boolean {
  if (a === null || b === null) return a === b;
  const same = a.value === b.value && a.updated_at_ms === b.updated_at_ms && a.ttl_ms === b.ttl_ms && a.tombstone === b.tombstone;
  return same && covers(a.version, b.version) && covers(b.version, a.version);
}

/** Bytes of `MAX_STORE_BYTES` that an app uses besides its records. */
export const APP_BYTES = 1_024;

/** Bytes of `MAX_STORE_BYTES` that a record uses (docs/decisions/0022-what-a-record-costs.md). */
export function storeBytesOf({ key, value, version }: WireRecord): number {
  const isLatin1 = (characters: string): boolean => Buffer.from(characters, 'latin1').toString('latin1') === characters;
  const text = (characters: string): number => 24 + (isLatin1(characters) ? 1 : 2) * characters.length;
  const clock = Object.keys(version).reduce((sum, clockKey) => sum + 32 + text(clockKey), 0);
  // A value costs at least as much as the clock entry that its delete adds. The key of that entry, `<wallet>/<store_id>`, has 59 characters.
  return 640 + text(key) + clock + (value === null ? 0 : Math.max(24 + value.length / 2, 32 + 24 + 59));
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/** A record's digest in hex (protocol.md §10, Comparison). */
export function digestOf(record: WireRecord): string {
  const version = Object.fromEntries(Object.entries(record.version).filter(([, count]) => count > 0));
  return sha256(canonicalJson({ ...record, version })).subarray(0, 8).toString('hex');
}

/** The bucket of a key (protocol.md §10, Comparison). */
export function bucketOf(key: string): number {
  return sha256(key)[0]!;
}

/** The digests of an app's 256 buckets, computed from the digests of its records (protocol.md §10, Comparison). */
export function bucketDigestsOf(records: Iterable<{ readonly bucket: number; readonly digest: string }>): readonly string[] {
  const buckets = Array.from({ length: BUCKETS }, () => Buffer.alloc(8));
  for (const record of records) {
    const digest = Buffer.from(record.digest, 'hex');
    const bucket = buckets[record.bucket]!;
    for (let at = 0; at < 8; at += 1) bucket[at]! ^= digest[at]!;
  }
  return buckets.map((bucket) => bucket.toString('hex'));
}
