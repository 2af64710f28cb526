/**
 * The audit of one process (docs/audit.md): takes events, chains them, keeps the last of them and gives pages to a reader. Taking an
 * event costs two hashes and waits for nothing. What no reader fetches in time is dropped, counted, and said in the chain.
 */
import type { Audit, AuditEvent } from '../domain/audit.ts';
import type { Clock, Random } from '../domain/ports.ts';
import { checkpointText, droppedText, eventText, gapText, nextHash, startText, withHash, type Checkpoint, type ChainPoint } from './entry.ts';
import { AuditRing, type RingLimits } from './ring.ts';

/** What a node keeps for its readers: at 1,000 requests a second, those of the last half minute. */
export const AUDIT_LIMITS: RingLimits = { maxEntries: 65_536, maxBytes: 16 * 1024 * 1024 };
/** An entry that says what was dropped. Characters. */
const DROPPED_TEXT_CHARS = 128;
const CHAIN_ID_BYTES = 16;

export interface AuditTrailModules {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'bytes'>;
  /** After each entry that a signature is to speak for: all but checkpoints. */
  readonly onUnsigned: () => void;
}

export class AuditTrail implements Audit {
  readonly #clock: AuditTrailModules['clock'];
  readonly #ring: AuditRing;
  readonly #chain: string;
  readonly #onUnsigned: () => void;
  /** The newest dropped entry that the chain speaks of. */
  #saidDropped = 0;

  constructor(limits: RingLimits, { clock, random, onUnsigned }: AuditTrailModules) {
    this.#clock = clock;
    this.#ring = new AuditRing(limits);
    this.#chain = Buffer.from(random.bytes(CHAIN_ID_BYTES)).toString('hex');
    this.#onUnsigned = onUnsigned;
    this.#append((_sequence, atMs) => startText(atMs, this.#chain));
  }

  get last(): ChainPoint {
    return this.#ring.last;
  }

  /** Entries that no reader can get any more. */
  get dropped(): number {
    return this.#ring.gone.sequence;
  }

  /** As counted for the limit. */
  get bytes(): number {
    return this.#ring.bytes;
  }

  record(event: AuditEvent): void {
    this.#append((sequence, atMs) => eventText(sequence, atMs, event));
    this.#onUnsigned();
  }

  /** The newest entry. What was dropped is said before, so that a signature over this point speaks for it too. */
  pointToSign(): ChainPoint {
    this.#sayDropped();
    return this.#ring.last;
  }

  addCheckpoint(checkpoint: Checkpoint): void {
    this.#append((sequence, atMs) => checkpointText(sequence, atMs, checkpoint));
  }

  /**
   * A page as JSON: `{"chain","entries":[..],"more"}`, oldest first, entries with their hash. Where entries are gone it begins with a gap.
   * @param after the number of the last entry that the reader has; 0: none
   * @param limit from 1: entries of the page at most
   */
  page(after: number, limit: number): string {
    if (after < this.#ring.gone.sequence) this.#sayDropped();
    const { gone, last } = this.#ring;
    const lines = after < gone.sequence ? [gapText(this.#chain, { from: after + 1, to: gone.sequence }, gone.hash)] : [];
    const first = Math.max(after, gone.sequence) + 1;
    const end = Math.min(last.sequence, first + limit - 1);
    for (let sequence = first; sequence <= end; sequence += 1) {
      const { text, hash } = this.#ring.at(sequence);
      lines.push(withHash(text, hash));
    }
    return `{"chain":"${this.#chain}","entries":[${lines.join(',')}],"more":${end < last.sequence}}`;
  }

  #sayDropped(): void {
    if (this.#ring.gone.sequence === this.#saidDropped) return;
    // What makes room for this entry is gone as well.
    this.#ring.makeRoom(DROPPED_TEXT_CHARS);
    const upTo = this.#ring.gone.sequence;
    this.#saidDropped = upTo;
    this.#append((sequence, atMs) => droppedText(sequence, atMs, upTo));
    this.#onUnsigned();
  }

  #append(textOf: (sequence: number, atMs: number) => string): void {
    const { sequence, hash } = this.#ring.last;
    const text = textOf(sequence + 1, Math.floor(this.#clock.nowMs()));
    this.#ring.append({ text, hash: nextHash(hash, text) });
  }
}
