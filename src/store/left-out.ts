/**
 * Keys whose record arrived but was left out (`too_far_ahead` or `store_full`; protocol.md §10, "404 means absent"). Another node holds
 * the record, so this node must not say that the key is absent until it holds that record or a later one, or until the key is absent on all
 * nodes. The number of remembered keys is bounded. When more keys are left out, this node treats every key as left out for `OVERFLOW_MS`.
 */
import { keyIdOf } from '../crypto/key-id.ts';
import type { MergeRefusal } from '../domain/records.ts';
import { goneFromMs, type StoredRecord } from './record.ts';

/** Maximum number of keys remembered. A key takes about 200 bytes. */
export const MAX_LEFT_OUT = 10_000;
/** How long every key is treated as left out when there is no room to remember another key. Milliseconds. */
export const OVERFLOW_MS = 3_600_000;

export interface LeftOutOptions {
  readonly tombstoneRetentionMs: number;
}

/** What is known about the left-out records of one key. */
interface Entry {
  /** The latest `updated_at_ms` of these records. */
  readonly updatedAtMs: number;
  /** The time from which the key is absent on all nodes; Infinity if a value without a lifetime was left out. Unix milliseconds. */
  readonly goneFromMs: number;
}

export class LeftOut {
  readonly #options: LeftOutOptions;
  /** Indexed by `keyIdOf`. */
  readonly #keys = new Map<string, Entry>();
  /** No remembered key becomes absent on all nodes before this time. Unix milliseconds. */
  #noneGoneBeforeMs = Infinity;
  /** Every key is treated as left out until this time. Unix milliseconds. */
  #overflowUntilMs = -Infinity;

  constructor(options: LeftOutOptions) {
    this.#options = options;
  }

  /** Number of remembered keys. */
  get size(): number {
    return this.#keys.size;
  }

  /** Notes that a record was left out. */
  note(appId: string, record: StoredRecord, why: Extract<MergeRefusal, 'too_far_ahead' | 'store_full'>, nowMs: number): void {
    const id = keyIdOf(appId, record.key);
    const known = this.#keys.get(id);
    const noted: Entry = { updatedAtMs: record.updatedAtMs, goneFromMs: goneFromMs(record, this.#options.tombstoneRetentionMs) };
    if (known === undefined) {
      if (nowMs >= noted.goneFromMs) return;
      if (this.#keys.size >= MAX_LEFT_OUT) this.dropGone(nowMs);
      if (this.#keys.size >= MAX_LEFT_OUT) {
        this.#overflowUntilMs = nowMs + OVERFLOW_MS;
        return;
      }
    }
    // If the record was left out because this store is full, it still replaces the earlier record on other nodes. But if the record is too
    // far ahead, all nodes may refuse it and keep the earlier record.
    const replaces = known === undefined || (why === 'store_full' && noted.updatedAtMs > known.updatedAtMs);
    const entry = replaces ? noted : latest(known, noted);
    this.#keys.set(id, entry);
    this.#noneGoneBeforeMs = Math.min(this.#noneGoneBeforeMs, entry.goneFromMs);
  }

  /** Notes that the store holds a record. Its key is no longer left out, unless this record is earlier than the one that was left out. */
  settle(appId: string, { key, updatedAtMs }: Pick<StoredRecord, 'key' | 'updatedAtMs'>): void {
    if (this.#keys.size === 0) return;
    const id = keyIdOf(appId, key);
    if (updatedAtMs >= (this.#keys.get(id)?.updatedAtMs ?? Infinity)) this.#keys.delete(id);
  }

  has(appId: string, key: string, nowMs: number): boolean {
    return this.#keys.size > 0 && nowMs < (this.#keys.get(keyIdOf(appId, key))?.goneFromMs ?? -Infinity);
  }

  /** Drops the keys that are now absent on all nodes. It visits the keys only if there may be such a key. */
  dropGone(nowMs: number): void {
    if (nowMs < this.#noneGoneBeforeMs) return;
    this.#noneGoneBeforeMs = Infinity;
    for (const [id, { goneFromMs: atMs }] of this.#keys) {
      if (nowMs >= atMs) this.#keys.delete(id);
      else this.#noneGoneBeforeMs = Math.min(this.#noneGoneBeforeMs, atMs);
    }
  }

  /** Whether more keys may have been left out than are remembered. */
  isOverfull(nowMs: number): boolean {
    return nowMs < this.#overflowUntilMs;
  }
}

function latest(a: Entry, b: Entry): Entry {
  return { updatedAtMs: Math.max(a.updatedAtMs, b.updatedAtMs), goneFromMs: Math.max(a.goneFromMs, b.goneFromMs) };
}
