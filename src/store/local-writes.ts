/**
 * What a local write makes of the record that is held (protocol.md §4, Local write): a record that is later by its clock and by
 * its time, with a sequence number that no write of this process has had. A write that is refused uses up no number.
 */
import type { StoreId } from '../domain/ids.ts';
import type { PackedBytes } from './packed-bytes.ts';
import type { StoredRecord } from './record.ts';
import { countOf, cutClock, EMPTY_CLOCK, withCount, type VectorClock } from './vector-clock.ts';

export interface NumberedRecord {
  readonly sequenceNumber: number;
  readonly record: StoredRecord;
}

/** What is to be written. */
export interface Content {
  readonly key: string;
  /** null: a tombstone. */
  readonly value: PackedBytes | null;
  readonly ttlMs: number;
}

export interface LocalWritesModules {
  /** This node's clock key for a store. */
  readonly ownClockKey: (storeId: StoreId) => string;
  /** 8 random bytes. */
  readonly drawId: () => StoreId;
}

export class LocalWrites {
  readonly #modules: LocalWritesModules;
  readonly #storeId: StoreId;
  #clockKey = '';
  /** In place of the store's id, where someone has forged counts of the own key. */
  #spareId: StoreId | null = null;

  constructor(storeId: StoreId, modules: LocalWritesModules) {
    this.#storeId = storeId;
    this.#modules = modules;
  }

  /** This node's clock key. The same text each time, so that all records share it. */
  clockKey(): string {
    const key = this.#modules.ownClockKey(this.#storeId);
    if (key !== this.#clockKey) this.#clockKey = key;
    return this.#clockKey;
  }

  /** @param lastSequenceNumber the last one that this process has given */
  next(held: StoredRecord | undefined, { key, value, ttlMs }: Content, lastSequenceNumber: number, nowMs: number): NumberedRecord {
    const sequenceNumber = Math.max(lastSequenceNumber + 1, nowMs);
    const heldClock = held?.version ?? EMPTY_CLOCK;
    const clockKey = this.#keyOver(heldClock, lastSequenceNumber);
    const version = cutClock(withCount(heldClock, clockKey, sequenceNumber), clockKey);
    const updatedAtMs = Math.max(nowMs, (held?.updatedAtMs ?? 0) + 1);
    return { sequenceNumber, record: { key, value, version, updatedAtMs, ttlMs } };
  }

  /**
   * The clock key under which a write is later than a held clock, on every node (protocol.md §10, A forged count). Where that has
   * more of the own key than was issued, a member forged it, and others may hold more of it still: another key is used, which
   * no one could know before.
   */
  #keyOver(heldClock: VectorClock, lastSequenceNumber: number): string {
    const isForged = (clockKey: string): boolean => countOf(heldClock, clockKey) > lastSequenceNumber;
    const own = this.clockKey();
    if (!isForged(own)) return own;
    if (this.#spareId === null || isForged(this.#modules.ownClockKey(this.#spareId))) this.#spareId = this.#modules.drawId();
    return this.#modules.ownClockKey(this.#spareId);
  }
}
