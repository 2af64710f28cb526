/**
 * Decides which of two records stays (protocol.md §4, Merge). Pure, so every node makes the same choice, regardless of the order of arrival.
 * The record that stays gets the merged clock of both records. So the next write of a node that has seen both records is later than both
 * (§9.9). Clocks are compared at their full length, and cut before they are stored (§10, Bounds).
 */
import type { MergeSkip } from '../domain/records.ts';
import { NO_BYTES } from './packed-bytes.ts';
import type { StoredRecord } from './record.ts';
import { compareClocks, cutClock, mergeClocks } from './vector-clock.ts';

export type MergeDecision =
  | { readonly kind: 'replace'; readonly record: StoredRecord }
  /** The held record stays. `record` is that record with its new clock. */
  | { readonly kind: 'keep'; readonly record: StoredRecord; readonly why: MergeSkip };

/** Above 0 when `a` wins over `b`, 0 when time, value and lifetime are equal. */
export function compareContents(a: StoredRecord, b: StoredRecord): number {
  if (a.updatedAtMs !== b.updatedAtMs) return a.updatedAtMs - b.updatedAtMs;
  const [left, right] = [a.value ?? NO_BYTES, b.value ?? NO_BYTES];
  if (left !== right) return left < right ? -1 : 1;
  const lifetime = ({ ttlMs }: StoredRecord): number => (ttlMs === 0 ? Infinity : ttlMs);
  return lifetime(a) === lifetime(b) ? 0 : lifetime(a) - lifetime(b);
}

export function decideMerge(held: StoredRecord | undefined, incoming: StoredRecord): MergeDecision {
  if (held === undefined) return { kind: 'replace', record: { ...incoming, version: cutClock(incoming.version) } };
  const order = compareClocks(incoming.version, held.version);
  if (order === 'earlier') return { kind: 'keep', record: held, why: 'ignored_existing_newer_version' };
  const version = cutClock(order === 'later' ? incoming.version : mergeClocks(held.version, incoming.version));
  const winner = compareContents(incoming, held);
  // Nothing changes if the incoming clock is later only because of entries that were cut from the held clock.
  if (winner === 0 && compareClocks(version, held.version) === 'equal') return { kind: 'keep', record: held, why: 'ignored_identical' };
  if (order === 'later' || winner > 0) return { kind: 'replace', record: { ...incoming, version } };
  const why = winner === 0 ? 'ignored_identical' : 'ignored_existing_newer_time';
  const { key, value, updatedAtMs, ttlMs } = held;
  return { kind: 'keep', record: { key, value, version, updatedAtMs, ttlMs }, why };
}
