/**
 * Creates the record of a local write (protocol.md §4, Local write). The clock and the time of the new record are later than those of the
 * held record. Its sequence number is higher than those of all earlier writes of this process. A refused write uses up no number.
 */
import type { StoreId } from '../domain/ids.ts';
import type { PackedBytes } from './packed-bytes.ts';
import type { StoredRecord } from './record.ts';
import { countOf, cutClock, EMPTY_CLOCK, withCount, type VectorClock } from './vector-clock.ts';

export interface NumberedRecord {
  readonly sequenceNumber: number;
  readonly record: StoredRecord;
}

/** What a local write contains. */
export interface Content {
  readonly key: string;
  /** Null for a tombstone. */
  readonly value: PackedBytes | null;
  readonly ttlMs: number;
}

export interface LocalWritesModules {
  /** This node's clock key for a store. */
  readonly ownClockKey: (storeId: StoreId) => string;
  /** Draws a new id: 8 random bytes. */
  readonly drawId: () => StoreId;
}

export class LocalWrites {
  readonly #modules: LocalWritesModules;
  readonly #storeId: StoreId;
  #clockKey = '';
  /** Replaces the store's id in the clock key after a member has forged counts for this node's clock key. */
  #spareId: StoreId | null = null;

  constructor(storeId: StoreId, modules: LocalWritesModules) {
    this.#storeId = storeId;
    this.#modules = modules;
  }

  /** This node's clock key. It is the same string object each time, so that all records share it. */
  clockKey(): string {
    const key = this.#modules.ownClockKey(this.#storeId);
    if (key !== this.#clockKey) this.#clockKey = key;
    return this.#clockKey;
  }

  /** @param lastSequenceNumber the last number that this process gave to a write */
  next(held: StoredRecord | undefined, { key, value, ttlMs }: Content, lastSequenceNumber: number, nowMs: number): NumberedRecord {
    const sequenceNumber = Math.max(lastSequenceNumber + 1, nowMs);
    const heldClock = held?.version ?? EMPTY_CLOCK;
    const clockKey = this.#keyOver(heldClock, lastSequenceNumber);
    const version = cutClock(withCount(heldClock, clockKey, sequenceNumber), clockKey);
    const updatedAtMs = Math.max(nowMs, (held?.updatedAtMs ?? 0) + 1);
    return { sequenceNumber, record: { key, value, version, updatedAtMs, ttlMs } };
  }

  /**
   * The clock key with which a write replaces the held record on every node (protocol.md §10, A forged count). If the held
   * clock's count for this node's key is above the last sequence number of this node, a member must have forged it. Other nodes may hold
   * even higher forged counts, so this node then uses a new key, which no member could have known before.
   */
  #keyOver(heldClock: VectorClock, lastSequenceNumber: number): string {
    const isForged = (clockKey: string): boolean => countOf(heldClock, clockKey) > lastSequenceNumber;
    const own = this.clockKey();
    if (!isForged(own)) return own;
    if (this.#spareId === null || isForged(this.#modules.ownClockKey(this.#spareId))) this.#spareId = this.#modules.drawId();
    return this.#modules.ownClockKey(this.#spareId);
  }
}
