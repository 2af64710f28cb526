/**
 * The last entries of an audit, bounded in number and bytes. Numbers are without a hole, so an entry lies in the slot of its number.
 * The oldest go first; how far they went, and the hash there, stays.
 */
import { invariant } from '../domain/errors.ts';
import { HASH_BEFORE_FIRST, type ChainPoint } from './entry.ts';

export interface RingLimits {
  readonly maxEntries: number;
  /** Texts, and `ENTRY_OVERHEAD_BYTES` for each. */
  readonly maxBytes: number;
}

/** What an entry costs beside its text: its hash, the object that holds both, its slot. Measured. */
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

  /** The newest entry that is not kept any more; sequence 0 while all are. */
  get gone(): ChainPoint {
    return this.#gone;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Drops the oldest until an entry with such a text fits. */
  makeRoom(chars: number): void {
    const { maxEntries, maxBytes } = this.#limits;
    const fits = (): boolean => this.#last.sequence - this.#gone.sequence < maxEntries && this.#bytes + chars + ENTRY_OVERHEAD_BYTES <= maxBytes;
    while (!fits() && this.#gone.sequence < this.#last.sequence) this.#dropOldest();
  }

  /** @param text of the number after the last one; ASCII */
  append(entry: HeldEntry): void {
    this.makeRoom(entry.text.length);
    const sequence = this.#last.sequence + 1;
    this.#slots[sequence % this.#limits.maxEntries] = entry;
    this.#bytes += entry.text.length + ENTRY_OVERHEAD_BYTES;
    this.#last = { sequence, hash: entry.hash };
  }

  /** @throws InvariantError when it is not kept */
  at(sequence: number): HeldEntry {
    invariant(sequence > this.#gone.sequence && sequence <= this.#last.sequence, 'an audit entry was asked for that is not kept');
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
