/**
 * The digest of a record (protocol.md §10, Comparison): the first 8 bytes of SHA-256 over its canonical JSON without clock
 * entries of 0.
 */
import type { WireRecord } from '../domain/records.ts';
import { canonicalJson } from './canonical-json.ts';
import { sha256 } from './hash.ts';

/** 8 bytes as two halves of 32 bits, ready for XOR. */
export interface Digest64 {
  readonly high: number;
  readonly low: number;
}

export function recordDigest(record: WireRecord): Digest64 {
  const version = Object.fromEntries(Object.entries(record.version).filter(([, count]) => count !== 0));
  const { key, value, updated_at_ms, tombstone, ttl_ms } = record;
  const hash = sha256(canonicalJson({ key, value, version, updated_at_ms, tombstone, ttl_ms }));
  const view = new DataView(hash.buffer);
  return { high: view.getInt32(0), low: view.getInt32(4) };
}

/** 16 hex digits. */
export function digestText({ high, low }: Digest64): string {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
}
