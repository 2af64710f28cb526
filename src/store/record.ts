/** A record as the store holds it (protocol.md §4). */
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

/** Bytes that a record counts for in `MAX_STORE_BYTES` (protocol.md §8). */
export function recordBytes(record: StoredRecord): number {
  let clock = 0;
  for (const entry of record.version.keys()) clock += Buffer.byteLength(entry) + COUNT_BYTES;
  return RECORD_OVERHEAD_BYTES + Buffer.byteLength(record.key) + clock + (record.value?.length ?? 0);
}

/** Whether a record still reads as present. */
export function isPresent(record: StoredRecord, nowMs: number): boolean {
  return record.value !== null && (record.ttlMs === 0 || nowMs - record.updatedAtMs < record.ttlMs);
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
