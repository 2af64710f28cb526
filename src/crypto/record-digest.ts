/**
 * The digest of a record (protocol.md §10, Comparison): the first 8 bytes of SHA-256 over its canonical JSON without clock
 * entries of 0.
 */
import type { WireRecord } from '../domain/records.ts';
import { sha256Hex } from './hash.ts';

/** 8 bytes as two halves of 32 bits, ready for XOR. */
export interface Digest64 {
  readonly high: number;
  readonly low: number;
}

/** Writes the canonical JSON itself: `canonicalJson` makes several kilobytes of garbage for each record that is merged. */
export function recordDigest({ key, value, version, updated_at_ms, tombstone, ttl_ms }: WireRecord): Digest64 {
  const clockKeys = Object.keys(version).filter((clockKey) => version[clockKey] !== 0).sort();
  const clock = clockKeys.map((clockKey) => `${JSON.stringify(clockKey)}:${version[clockKey]}`).join(',');
  const start = `{"key":${JSON.stringify(key)},"tombstone":${tombstone},"ttl_ms":${ttl_ms},"updated_at_ms":${updated_at_ms}`;
  const hash = sha256Hex(`${start},"value":${JSON.stringify(value)},"version":{${clock}}}`);
  return { high: signed32(hash.slice(0, 8)), low: signed32(hash.slice(8, 16)) };
}

function signed32(hex: string): number {
  return Number.parseInt(hex, 16) | 0;
}

/** The digest as 16 hex digits. */
export function digestText({ high, low }: Digest64): string {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
}
