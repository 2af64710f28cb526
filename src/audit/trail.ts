/**
 * The audit log of one process (docs/audit.md): takes events, chains them, keeps the newest entries and returns pages to a reader.
 * Recording an event does not wait for anything. Entries that no reader fetches in time are dropped and counted, and the chain records
 * this.
 */
import type { Audit, AuditEvent, AuditTagKind } from '../domain/audit.ts';
import type { AppId } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/ports.ts';
import { checkpointText, droppedText, eventText, gapText, nextHash, startText, withHash, type Checkpoint, type ChainPoint } from './entry.ts';
import { AuditRing, type RingLimits } from './ring.ts';

/** How much a node keeps for its readers: at 1,000 requests a second, about the last minute. */
export const AUDIT_LIMITS: RingLimits = { maxEntries: 65_536, maxBytes: 16 * 1024 * 1024 };
/** How much room is made for a `dropped` entry and for a checkpoint. Characters. */
const DROPPED_TEXT_CHARS = 128;
const CHECKPOINT_TEXT_CHARS = 512;
const CHAIN_ID_BYTES = 16;
/**
 * Maximum number of events that wait to be written into the chain. If the tag and the hash of each event were made right after its request,
 * the processor would have to load the code that makes them into its caches each time, which takes several times as long as running that
 * code.
 */
const MAX_WAITING_EVENTS = 64;
/** Maximum total length of the paths and keys of waiting events, exceeded by one path or key at most. Characters. */
const MAX_WAITING_CHARS = 64 * 1024;

export interface AuditTrailModules {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'bytes'>;
  /** The tag of a path or key of an app (`Vault.auditTag`). */
  readonly tagOf: (kind: AuditTagKind, appId: AppId, text: string) => string | null;
  /** Called after each entry that needs a signature, except the first (`start`). Only checkpoints need no signature. */
  readonly onUnsigned: () => void;
}

interface TimedEvent {
  /** When the event was recorded. Unix milliseconds. */
  readonly atMs: number;
  readonly event: AuditEvent;
}

export class AuditTrail implements Audit {
  readonly #clock: AuditTrailModules['clock'];
  /** The entries that have been written into the chain. They do not include the waiting events. */
  readonly #written: AuditRing;
  readonly #chain: string;
  readonly #onUnsigned: () => void;
  readonly #tagOf: AuditTrailModules['tagOf'];
  /** The events that are not in the chain yet, oldest first. Before the chain is read, they are always written into it. */
  readonly #waiting: TimedEvent[] = [];
  /** Total length of the paths and keys of the waiting events. Characters. */
  #waitingChars = 0;
  /** The number of the newest dropped entry that the chain has reported. */
  #saidDropped = 0;
  #hasEnded = false;

  constructor(limits: RingLimits, { clock, random, tagOf, onUnsigned }: AuditTrailModules) {
    this.#clock = clock;
    this.#written = new AuditRing(limits);
    this.#chain = Buffer.from(random.bytes(CHAIN_ID_BYTES)).toString('hex');
    this.#onUnsigned = onUnsigned;
    this.#tagOf = tagOf;
    this.#append(startText(this.#nowMs(), this.#chain));
  }

  get last(): ChainPoint {
    return this.#ring.last;
  }

  /** How many entries were dropped. */
  get dropped(): number {
    return this.#ring.dropped;
  }

  /** How many of the ring's `maxBytes` are in use. */
  get bytes(): number {
    return this.#ring.bytes;
  }

  record(event: AuditEvent): void {
    if (this.#hasEnded) return;
    this.#waiting.push({ atMs: this.#nowMs(), event });
    if (event.target !== null && typeof event.target !== 'string') this.#waitingChars += event.target.text.length;
    if (this.#waiting.length >= MAX_WAITING_EVENTS || this.#waitingChars > MAX_WAITING_CHARS) this.writeWaiting();
    this.#onUnsigned();
  }

  /** Writes the waiting events into the chain. Call it before the key of the tags changes. */
  writeWaiting(): void {
    for (const { atMs, event } of this.#waiting) this.#append(eventText(this.#nextSequence(), atMs, event, this.#targetOf(event)));
    this.#waiting.length = 0;
    this.#waitingChars = 0;
  }

  /** From now on, no event is recorded, because the last checkpoint would not cover it. Checkpoints can still be added. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Returns the newest entry, to be signed. If the chain has not reported all dropped entries yet, first adds an entry that reports them. */
  pointToSign(): ChainPoint {
    // This also makes room for the checkpoint. Otherwise the checkpoint itself might have to drop entries, and no signed entry would report
    // them. After a failed attempt to sign, the room is still free.
    const isAllSaid = this.#ring.dropped === this.#saidDropped;
    if (!isAllSaid || !this.#ring.hasRoom(CHECKPOINT_TEXT_CHARS)) this.#ring.makeRoom(DROPPED_TEXT_CHARS + CHECKPOINT_TEXT_CHARS, 2);
    this.#sayDropped();
    return this.#ring.last;
  }

  addCheckpoint(checkpoint: Checkpoint): void {
    this.writeWaiting();
    this.#append(checkpointText(this.#nextSequence(), this.#nowMs(), checkpoint));
  }

  /**
   * A page as JSON: `{"chain","entries":[..],"more"}`. The oldest entry is first, and each entry has its hash. The page begins with a gap
   * if the next entry was dropped.
   * @param after the number of the last entry that the reader has; 0 if it has none
   * @param limit the maximum number of entries in the page, at least 1
   */
  page(after: number, limit: number): string {
    if (after < this.#ring.dropped) this.#sayDropped();
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

  /** Whether `page` with the same arguments returns the newest entry. */
  hasLast(after: number, limit: number): boolean {
    const { gone, last } = this.#ring;
    return after < last.sequence && Math.max(after, gone.sequence) + limit >= last.sequence;
  }

  #sayDropped(): void {
    if (this.#ring.dropped === this.#saidDropped) return;
    // Making room for the `dropped` entry may drop more entries. This happens first, so that the entry reports them too.
    this.#ring.makeRoom(DROPPED_TEXT_CHARS);
    const upTo = this.#ring.dropped;
    this.#saidDropped = upTo;
    this.#append(droppedText(this.#nextSequence(), this.#nowMs(), upTo));
    this.#onUnsigned();
  }

  /** The entries of the chain, after all waiting events have been written into it. */
  get #ring(): AuditRing {
    this.writeWaiting();
    return this.#written;
  }

  #targetOf({ appId, target }: AuditEvent): string | null {
    if (target === null || typeof target === 'string') return target;
    return appId === null ? null : this.#tagOf(target.kind, appId, target.text);
  }

  #nextSequence(): number {
    return this.#written.last.sequence + 1;
  }

  /** Unix milliseconds. */
  #nowMs(): number {
    return Math.floor(this.#clock.nowMs());
  }

  /** @param text the entry with the next sequence number */
  #append(text: string): void {
    this.#written.append({ text, hash: nextHash(this.#written.last.hash, text) });
  }
}
