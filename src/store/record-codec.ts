/**
 * Reads a record from the wire and checks it strictly (protocol.md §4, Refused). Each record is judged separately, and each refusal has a
 * reason. Numbers that JSON cannot represent exactly are refused, never rounded.
 */
import { isHex } from '../domain/hex.ts';
import { MAX_HELD_KEY_BYTES } from '../domain/limits.ts';
import type { MergeRefusal } from '../domain/records.ts';
import { packHex } from './packed-bytes.ts';
import type { StoredRecord } from './record.ts';
import { clockOf, largestCount, type ClockEntry, type VectorClock } from './vector-clock.ts';

const MAX_CLOCK_ENTRIES = 1_024;
const MAX_CLOCK_KEY_BYTES = 128;
const MAX_COUNT = 2 ** 52;
/** Size of an empty value when it is stored: only a nonce and a tag. */
const MIN_STORED_BYTES = 28;
/** How much longer stored bytes may be than the limit for a plaintext. */
const STORED_SLACK_BYTES = 128;

export interface CodecLimits {
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function readClock(value: unknown): VectorClock | MergeRefusal {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'malformed';
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.length > MAX_CLOCK_ENTRIES) return 'bad_clock';
  for (const [key, count] of entries) {
    // A lone surrogate has no UTF-8 form, so a peer with a strict parser would refuse the whole body.
    if (!isCount(count) || !key.isWellFormed()) return 'malformed';
    if (count > MAX_COUNT || Buffer.byteLength(key) > MAX_CLOCK_KEY_BYTES) return 'bad_clock';
  }
  return clockOf(entries as unknown as ClockEntry[]);
}

function isKey(key: unknown): key is string {
  return typeof key === 'string' && key !== '' && key.isWellFormed() && Buffer.byteLength(key) <= MAX_HELD_KEY_BYTES;
}

const isTooLarge = (storedBytes: number, { maxValueBytes }: CodecLimits): boolean => storedBytes > maxValueBytes + STORED_SLACK_BYTES;

function refusalOfValue(value: unknown, tombstone: boolean, limits: CodecLimits): MergeRefusal | null {
  if (tombstone) return value === null ? null : 'malformed';
  if (typeof value !== 'string' || value.length % 2 !== 0) return 'malformed';
  if (isTooLarge(value.length / 2, limits)) return 'too_large';
  if (!isHex(value)) return 'malformed';
  return value.length / 2 < MIN_STORED_BYTES ? 'too_short' : null;
}

/**
 * Whether peers may accept the record of this local write. A record that peers must refuse is never held here (protocol.md §10, Bounds).
 */
export function isWritable({ key, value, ttlMs }: Pick<StoredRecord, 'key' | 'value' | 'ttlMs'>, limits: CodecLimits): boolean {
  const fits = value === null || (value.length >= MIN_STORED_BYTES && !isTooLarge(value.length, limits));
  return isKey(key) && isCount(ttlMs) && fits;
}

/**
 * By how much a count may exceed the latest acceptable time in Unix milliseconds. A node's sequence numbers run ahead of its time if it
 * makes more than one write per millisecond.
 */
const COUNT_HEADROOM = 2 ** 20;

/** Whether a record's time or one of its counts is further ahead than clocks are allowed to be (protocol.md §4, Refused; §10, Bounds). */
export function isTooFarAhead({ updatedAtMs, version }: StoredRecord, nowMs: number, maxClockSkewMs: number): boolean {
  const latestMs = nowMs + maxClockSkewMs;
  return updatedAtMs > latestMs || largestCount(version) > latestMs + COUNT_HEADROOM;
}

/** The record with its full clock, or the reason why the record is refused. */
export function readRecord(wire: unknown, limits: CodecLimits): StoredRecord | MergeRefusal {
  if (typeof wire !== 'object' || wire === null || Array.isArray(wire)) return 'malformed';
  const fields = wire as Record<string, unknown>;
  const { key, updated_at_ms: updatedAtMs, tombstone, ttl_ms: ttlMs } = fields;
  if (!isKey(key)) return 'malformed';
  if (typeof tombstone !== 'boolean' || !isCount(updatedAtMs) || !isCount(ttlMs)) return 'malformed';
  const version = readClock(fields['version']);
  if (typeof version === 'string') return version;
  const hex = fields['value'];
  const refusal = refusalOfValue(hex, tombstone, limits);
  if (refusal !== null) return refusal;
  return { key, value: tombstone ? null : packHex(hex as string), version, updatedAtMs, ttlMs };
}
