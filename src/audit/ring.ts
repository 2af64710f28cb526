/**
 * Keeps the newest entries of an audit, bounded in number and bytes. The numbers of entries have no gaps, so each number has a fixed slot.
 * The oldest entry is dropped first. The ring keeps the number and hash of the newest dropped entry.
 */
import { invariant } from '../domain/errors.ts';
import { HASH_BEFORE_FIRST, type ChainPoint } from './entry.ts';

export interface RingLimits {
  readonly maxEntries: number;
  /** Limit of the total size: each entry counts as the length of its text plus `ENTRY_OVERHEAD_BYTES`. */
  readonly maxBytes: number;
}

/** The measured memory of an entry besides its text: its hash, the object that holds both, and its slot. */
export const ENTRY_OVERHEAD_BYTES = 176;

export interface HeldEntry {
  readonly text: string;
  readonly hash: string;
}

export class AuditRing {
  readonly #limits: RingLimits;
  readonly #slots: (HeldEntry | undefined)[] = [];
  #bytes = 0;
  #last: ChainPoint = { sequence: 0, hash: HASH_BEFORE_FIRST };
  #gone: ChainPoint = this.#last;

  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  /** The newest entry; sequence 0 before the first. */
  get last(): ChainPoint {
    return this.#last;
  }

  /** The newest dropped entry; sequence 0 until one is dropped. */
  get gone(): ChainPoint {
    return this.#gone;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Drops the oldest entries until an entry with a text of this length fits. */
  makeRoom(chars: number): void {
    const { maxEntries, maxBytes } = this.#limits;
    const fits = (): boolean => this.#last.sequence - this.#gone.sequence < maxEntries && this.#bytes + chars + ENTRY_OVERHEAD_BYTES <= maxBytes;
    while (!fits() && this.#gone.sequence < this.#last.sequence) this.#dropOldest();
  }

  /** @param entry has the number after the last one; its text is ASCII */
  append(entry: HeldEntry): void {
    this.makeRoom(entry.text.length);
    const sequence = this.#last.sequence + 1;
    this.#slots[sequence % this.#limits.maxEntries] = entry;
    this.#bytes += entry.text.length + ENTRY_OVERHEAD_BYTES;
    this.#last = { sequence, hash: entry.hash };
  }

  /** @throws InvariantError when the entry is not kept */
  at(sequence: number): HeldEntry {
    invariant(sequence > this.#gone.sequence && sequence <= this.#last.sequence, 'the requested audit entry is not kept');
    return this.#slots[sequence % this.#limits.maxEntries]!;
  }

  #dropOldest(): void {
    const sequence = this.#gone.sequence + 1;
    const { text, hash } = this.at(sequence);
    this.#slots[sequence % this.#limits.maxEntries] = undefined;
    this.#bytes -= text.length + ENTRY_OVERHEAD_BYTES;
    this.#gone = { sequence, hash };
  }
}
