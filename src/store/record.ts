/** A record as the store holds it, and when it expires and may be forgotten (protocol.md §4, Ages). Pure. */
import type { WireRecord } from '../domain/records.ts';
import { hexOfPacked, type PackedBytes } from './packed-bytes.ts';
import { clockEntries, type VectorClock } from './vector-clock.ts';

export interface StoredRecord {
  readonly key: string;
  /** Nonce, ciphertext and tag; null only for a tombstone. */
  readonly value: PackedBytes | null;
  readonly version: VectorClock;
  readonly updatedAtMs: number;
  /** 0 means that the record never expires. */
  readonly ttlMs: number;
}

/** How many bytes of `MAX_APP_STORAGE_BYTES` a record uses while it is present: its key and its stored bytes. */
export function contentBytes({ key, value }: Pick<StoredRecord, 'key' | 'value'>): number {
  return Buffer.byteLength(key) + (value?.length ?? 0);
}

/** The first millisecond at which a record is absent; -Infinity for a tombstone, Infinity for a record that never expires. */
export function absentFromMs({ value, ttlMs, updatedAtMs }: StoredRecord): number {
  if (value === null) return -Infinity;
  return ttlMs === 0 ? Infinity : updatedAtMs + ttlMs + 1;
}

export function isPresent(record: StoredRecord, nowMs: number): boolean {
  return nowMs < absentFromMs(record);
}

/** The first millisecond at which a record may be forgotten: one retention period after its lifetime ends, or after a tombstone's time. */
export function goneFromMs(record: StoredRecord, retentionMs: number): number {
  const { value, ttlMs, updatedAtMs } = record;
  if (value !== null && ttlMs === 0) return Infinity;
  return updatedAtMs + (value === null ? 0 : ttlMs) + retentionMs + 1;
}

export function toWireRecord({ key, value, version, updatedAtMs, ttlMs }: StoredRecord): WireRecord {
  return {
    key,
    value: value === null ? null : hexOfPacked(value),
    version: Object.fromEntries(clockEntries(version)),
    updated_at_ms: updatedAtMs,
    tombstone: value === null,
    ttl_ms: ttlMs,
  };
}
