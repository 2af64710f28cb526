/**
 * Keys whose record arrived but was left out (`too_far_ahead` or `store_full`; protocol.md §10, "404 means absent"). Another node holds
 * the record, so this node must not say that the key is absent until it holds that record or a later one. The number of remembered keys is
 * bounded. When more keys are left out, this node treats every key as left out for `OVERFLOW_MS`.
 */
import { keyIdOf } from '../crypto/key-id.ts';
import type { StoredRecord } from './record.ts';

/** Maximum number of keys remembered. A key takes about 150 bytes. */
export const MAX_LEFT_OUT = 10_000;
/** How long every key is treated as left out when there is no room to remember another key. Milliseconds. */
export const OVERFLOW_MS = 3_600_000;

type KeyedTime = Pick<StoredRecord, 'key' | 'updatedAtMs'>;

export class LeftOut {
  /** For each key (`keyIdOf`), the latest `updated_at_ms` of the records that were left out. */
  readonly #keys = new Map<string, number>();
  /** Until when every key is treated as left out. Unix milliseconds. */
  #overflowUntilMs = -Infinity;

  get size(): number {
    return this.#keys.size;
  }

  /** A record was left out. */
  note(appId: string, { key, updatedAtMs }: KeyedTime, nowMs: number): void {
    const id = keyIdOf(appId, key);
    const known = this.#keys.get(id);
    if (known === undefined && this.#keys.size >= MAX_LEFT_OUT) this.#overflowUntilMs = nowMs + OVERFLOW_MS;
    else this.#keys.set(id, Math.max(known ?? 0, updatedAtMs));
  }

  /** A record is held now. Its key is no longer left out, unless this record is earlier than the record that was left out. */
  settle(appId: string, { key, updatedAtMs }: KeyedTime): void {
    if (this.#keys.size === 0) return;
    const id = keyIdOf(appId, key);
    if (updatedAtMs >= (this.#keys.get(id) ?? Infinity)) this.#keys.delete(id);
  }

  has(appId: string, key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(keyIdOf(appId, key));
  }

  /** Whether more keys may have been left out than are remembered. */
  isOverfull(nowMs: number): boolean {
    return nowMs < this.#overflowUntilMs;
  }
}
