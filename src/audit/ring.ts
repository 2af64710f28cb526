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
  /** Has room for one more hash than there are slots, because the ring also keeps the hash of the newest dropped entry. */
  readonly #hashes: Buffer;
  /** Where the text of each slot begins, in bytes counted since the ring was created. Modulo `maxBytes`, this is the place in `#texts`. */
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  /** Where the newest text ends, in bytes counted since the ring was created. */
  #end = 0;
  #lastSequence = 0;
  #lastHash = HASH_BEFORE_FIRST;
  #goneSequence = 0;

  constructor(limits: RingLimits) {
    this.#limits = limits;
    this.#texts = Buffer.alloc(limits.maxBytes);
    this.#hashes = Buffer.alloc((limits.maxEntries + 1) * HASH_BYTES);
    this.#starts = new Float64Array(limits.maxEntries);
    this.#lengths = new Uint32Array(limits.maxEntries);
  }

  /** The newest entry; sequence 0 before the first. */
  get last(): ChainPoint {
    return { sequence: this.#lastSequence, hash: this.#lastHash };
  }

  /** The newest dropped entry; sequence 0 until one is dropped. */
  get gone(): ChainPoint {
    return { sequence: this.#goneSequence, hash: this.#goneSequence === 0 ? HASH_BEFORE_FIRST : this.#hashOf(this.#goneSequence) };
  }

  /** The sequence number of the newest dropped entry, which equals the number of dropped entries. */
  get dropped(): number {
    return this.#goneSequence;
  }

  /** How many of the `maxBytes` are in use. */
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
    while (!this.hasRoom(chars, entries)) this.#goneSequence += 1;
  }

  /** Whether `entries` new entries, whose texts have `chars` characters in total, fit without dropping any. */
  hasRoom(chars: number, entries = 1): boolean {
    const { maxEntries, maxBytes } = this.#limits;
    return this.#count === 0 || (this.#count + entries <= maxEntries && this.#startOf(chars) + chars - this.#oldestStart <= maxBytes);
  }

  /** @param entry the entry that follows `last`; its text must be ASCII */
  append({ text, hash }: HeldEntry): void {
    this.makeRoom(text.length);
    const sequence = this.#lastSequence + 1;
    const slot = sequence % this.#limits.maxEntries;
    const start = this.#startOf(text.length);
    this.#texts.write(text, start % this.#limits.maxBytes, text.length, 'latin1');
    this.#hashes.write(hash, this.#hashPlaceOf(sequence), HASH_BYTES, 'hex');
    this.#starts[slot] = start;
    this.#lengths[slot] = text.length;
    this.#end = start + text.length;
    this.#lastSequence = sequence;
    this.#lastHash = hash;
  }

  /** @throws InvariantError when the entry is not kept */
  at(sequence: number): HeldEntry {
    invariant(sequence > this.#goneSequence && sequence <= this.#lastSequence, 'the requested audit entry is not kept');
    const slot = sequence % this.#limits.maxEntries;
    const place = this.#starts[slot]! % this.#limits.maxBytes;
    return { text: this.#texts.toString('latin1', place, place + this.#lengths[slot]!), hash: this.#hashOf(sequence) };
  }

  get #count(): number {
    return this.#lastSequence - this.#goneSequence;
  }

  get #oldestStart(): number {
    return this.#starts[(this.#goneSequence + 1) % this.#limits.maxEntries]!;
  }

  /** Where a text of this length would begin. A text that does not fit before the end of `#texts` goes to the start of `#texts`. */
  #startOf(chars: number): number {
    const { maxBytes } = this.#limits;
    const left = maxBytes - (this.#end % maxBytes);
    return chars <= left ? this.#end : this.#end + left;
  }

  #hashPlaceOf(sequence: number): number {
    return (sequence % (this.#limits.maxEntries + 1)) * HASH_BYTES;
  }

  #hashOf(sequence: number): string {
    const place = this.#hashPlaceOf(sequence);
    return this.#hashes.toString('hex', place, place + HASH_BYTES);
  }
}
