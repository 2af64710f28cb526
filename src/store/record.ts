/** A record as the store holds it, and what its age means (protocol.md §4, Ages). Pure. */
import type { WireRecord } from '../domain/records.ts';
import type { VectorClock } from './vector-clock.ts';

export interface StoredRecord {
  readonly key: string;
  /** Nonce, ciphertext and tag; null exactly for a tombstone. */
  readonly value: Uint8Array | null;
  readonly version: VectorClock;
  readonly updatedAtMs: number;
  /** 0: never expires. */
  readonly ttlMs: number;
}

/** What a record costs beside its key, clock and value. Bytes. */
const RECORD_OVERHEAD_BYTES = 256;
/** What a clock entry costs beside its key. Bytes. */
const COUNT_BYTES = 8;

/** The bytes alone: a slice of a shared buffer would keep all of that one for as long as the record is held. */
export function withOwnBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength === bytes.length ? bytes : new Uint8Array(bytes);
}

/** Bytes that a record counts for in `MAX_STORE_BYTES` (protocol.md §8), whatever its age. */
export function storeBytes(record: StoredRecord): number {
  let clock = 0;
  for (const entry of record.version.keys()) clock += Buffer.byteLength(entry) + COUNT_BYTES;
  return RECORD_OVERHEAD_BYTES + clock + contentBytes(record);
}

/** Bytes that a record counts for in `MAX_APP_STORAGE_BYTES` while it is present: key and stored bytes. */
export function contentBytes(record: Pick<StoredRecord, 'key' | 'value'>): number {
  return Buffer.byteLength(record.key) + (record.value?.length ?? 0);
}

/** The first millisecond at which a record reads as absent; -Infinity for a tombstone, Infinity for one that stays. */
export function absentFromMs({ value, ttlMs, updatedAtMs }: StoredRecord): number {
  if (value === null) return -Infinity;
  return ttlMs === 0 ? Infinity : updatedAtMs + ttlMs + 1;
}

export function isPresent(record: StoredRecord, nowMs: number): boolean {
  return nowMs < absentFromMs(record);
}

/** The first millisecond at which nothing of it is kept: retention after a tombstone's time or a record's lifetime. */
export function goneFromMs(record: StoredRecord, retentionMs: number): number {
  const { value, ttlMs, updatedAtMs } = record;
  if (value !== null && ttlMs === 0) return Infinity;
  return updatedAtMs + (value === null ? 0 : ttlMs) + retentionMs + 1;
}

/** About what a record takes in a body of `/sync`, before the envelope doubles it. Bytes. */
export function wireBytes(record: StoredRecord): number {
  return storeBytes(record) + (record.value?.length ?? 0);
}

export function toWireRecord(record: StoredRecord): WireRecord {
  return {
    key: record.key,
    value: record.value === null ? null : Buffer.from(record.value).toString('hex'),
    version: Object.fromEntries(record.version),
    updated_at_ms: record.updatedAtMs,
    tombstone: record.value === null,
    ttl_ms: record.ttlMs,
  };
}
