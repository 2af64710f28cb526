/**
 * Keys whose record came and could not be taken for want of time or room (protocol.md §10, "404 means absent"): another node holds
 * them, so that they are not absent, until the record comes again and is taken. The number is bounded; while there may be more of
 * them than are remembered, nothing that is not held is known to be absent.
 */
import { keyIdOf } from '../crypto/key-id.ts';
import type { StoredRecord } from './record.ts';

/** Keys remembered; a key takes about 150 bytes. */
export const MAX_LEFT_OUT = 10_000;
/** How long the keys count that are not remembered, since the last of them. Milliseconds. */
export const OVERFLOW_MS = 3_600_000;

type KeyedTime = Pick<StoredRecord, 'key' | 'updatedAtMs'>;

export class LeftOut {
  /** By `keyIdOf`: the latest `updated_at_ms` of what was left out. */
  readonly #keys = new Map<string, number>();
  /** Unix milliseconds; of keys that are not remembered. */
  #overflowUntilMs = -Infinity;

  get size(): number {
    return this.#keys.size;
  }

  /** A record was refused. */
  note(appId: string, { key, updatedAtMs }: KeyedTime, nowMs: number): void {
    const id = keyIdOf(appId, key);
    const known = this.#keys.get(id);
    if (known === undefined && this.#keys.size >= MAX_LEFT_OUT) this.#overflowUntilMs = nowMs + OVERFLOW_MS;
    else this.#keys.set(id, Math.max(known ?? 0, updatedAtMs));
  }

  /** What is held of a key by now: a record earlier than the one that was left out does not count. */
  settle(appId: string, { key, updatedAtMs }: KeyedTime): void {
    if (this.#keys.size === 0) return;
    const id = keyIdOf(appId, key);
    if (updatedAtMs >= (this.#keys.get(id) ?? Infinity)) this.#keys.delete(id);
  }

  has(appId: string, key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(keyIdOf(appId, key));
  }

  /** There may be more than are remembered. */
  isOverfull(nowMs: number): boolean {
    return nowMs < this.#overflowUntilMs;
  }
}
