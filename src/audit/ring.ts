/**
 * Keeps the newest entries of an audit log, with limits on their number and size. Their sequence numbers have no gaps, so each number has a
 * fixed slot. The oldest entry is dropped first. The ring keeps the number and hash of the newest dropped entry.
 *
 * The entries are bytes outside the heap, because every garbage collection would otherwise visit tens of thousands of objects. The
 * operating system allocates this memory only when it is first written.
 */
import { invariant } from '../domain/errors.ts';
import { HASH_BEFORE_FIRST, type ChainPoint } from './entry.ts';

export interface RingLimits {
  readonly maxEntries: number;
  /** Maximum length of the texts of all entries together. Each of the `maxEntries` slots takes another 44 bytes, which are not included. */
  readonly maxBytes: number;
}

const HASH_BYTES = 32;

interface HeldEntry {
  readonly text: string;
  readonly hash: string;
}

export class AuditRing {
  readonly #limits: RingLimits;
  readonly #texts: Buffer;
  readonly #hashes: Buffer;
  /** Where the text of each slot begins, in bytes counted since the ring was created. Modulo `maxBytes`, this is the place in `#texts`. */
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  /** Where the newest text ends, counted in the same way. */
  #end = 0;
  #last: ChainPoint = { sequence: 0, hash: HASH_BEFORE_FIRST };
  #gone: ChainPoint = this.#last;

  constructor(limits: RingLimits) {
    this.#limits = limits;
    this.#texts = Buffer.alloc(limits.maxBytes);
    this.#hashes = Buffer.alloc(limits.maxEntries * HASH_BYTES);
    this.#starts = new Float64Array(limits.maxEntries);
    this.#lengths = new Uint32Array(limits.maxEntries);
  }

  /** The newest entry; sequence 0 before the first. */
  get last(): ChainPoint {
    return this.#last;
  }

  /** The newest dropped entry; sequence 0 until one is dropped. */
  get gone(): ChainPoint {
    return this.#gone;
  }

  /** The part of `maxBytes` that is in use. */
  get bytes(): number {
    return this.#count === 0 ? 0 : this.#end - this.#oldestStart;
  }

  /**
   * Drops the oldest entries until there is room for `entries` new entries whose texts have `chars` characters in total.
   * @throws InvariantError when the ring is too small for them
   */
  makeRoom(chars: number, entries = 1): void {
    const { maxEntries, maxBytes } = this.#limits;
    invariant(chars <= maxBytes && entries <= maxEntries, 'the audit entries exceed the limits of the whole ring');
    const end = this.#startOf(chars) + chars;
    while (this.#count > 0 && (this.#count + entries > maxEntries || end - this.#oldestStart > maxBytes)) this.#dropOldest();
  }

  /** @param entry the entry that follows `last`; its text is ASCII */
  append({ text, hash }: HeldEntry): void {
    this.makeRoom(text.length);
    const sequence = this.#last.sequence + 1;
    const slot = sequence % this.#limits.maxEntries;
    const start = this.#startOf(text.length);
    this.#texts.write(text, start % this.#limits.maxBytes, text.length, 'latin1');
    this.#hashes.write(hash, slot * HASH_BYTES, HASH_BYTES, 'hex');
    this.#starts[slot] = start;
    this.#lengths[slot] = text.length;
    this.#end = start + text.length;
    this.#last = { sequence, hash };
  }

  /** @throws InvariantError when the entry is not kept */
  at(sequence: number): HeldEntry {
    invariant(sequence > this.#gone.sequence && sequence <= this.#last.sequence, 'the requested audit entry is not kept');
    const slot = sequence % this.#limits.maxEntries;
    const place = this.#starts[slot]! % this.#limits.maxBytes;
    return { text: this.#texts.toString('latin1', place, place + this.#lengths[slot]!), hash: this.#hashAt(slot) };
  }

  get #count(): number {
    return this.#last.sequence - this.#gone.sequence;
  }

  get #oldestStart(): number {
    return this.#starts[(this.#gone.sequence + 1) % this.#limits.maxEntries]!;
  }

  /** Where a text of this length would begin. A text that does not fit before the end of `#texts` goes to the start of `#texts`. */
  #startOf(chars: number): number {
    const { maxBytes } = this.#limits;
    const left = maxBytes - (this.#end % maxBytes);
    return chars <= left ? this.#end : this.#end + left;
  }

  #hashAt(slot: number): string {
    return this.#hashes.toString('hex', slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
  }

  #dropOldest(): void {
    const sequence = this.#gone.sequence + 1;
    this.#gone = { sequence, hash: this.#hashAt(sequence % this.#limits.maxEntries) };
  }
}
