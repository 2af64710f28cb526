/**
 * How far a peer has this node's own writes (protocol.md §10, Who sends what): its acknowledged sequence, the writes after it, and what
 * the peer refused for now or permanently. All of it is in memory only. A peer with another store starts again at 0.
 *
 * Invariants: the acknowledged sequence rises, except by `reset`; the number of writes after it is never negative.
 */
import { invariant } from '../domain/errors.ts';
import type { OwnWrite, OwnWritesListener, WireRecord } from '../domain/records.ts';
import { Doubts } from './doubts.ts';
import type { SyncStore } from './ports.ts';
import { Retries, type RetriesModules } from './retries.ts';
import { bookResend, type Now, type Resend } from './resend.ts';

/** Most reasons of permanent refusals that are counted separately, for `/status`. */
const MAX_REASONS = 16;

export interface ProgressModules extends RetriesModules {
  readonly store: Pick<SyncStore, 'writes'>;
}

/** An own write by its key and sequence number. */
export interface OwnKey extends Pick<OwnWrite, 'appId' | 'sequenceNumber'> {
  readonly record: Pick<WireRecord, 'key'>;
}

/** Records and their bytes. */
export interface Amount {
  readonly records: number;
  readonly bytes: number;
}

export class Progress implements OwnWritesListener {
  readonly retries: Retries;
  readonly #writes: SyncStore['writes'];
  readonly #stopListening: () => void;
  readonly #doubts = new Doubts();
  readonly #refused = new Map<string, number>();
  #acknowledgedSequence = 0;
  #highestAcknowledged = 0;
  #behind: Amount;
  #epoch = 0;
  #resend: Resend | null = null;
  #isClosed = false;

  constructor(modules: ProgressModules) {
    this.retries = new Retries(modules);
    this.#writes = modules.store.writes;
    this.#behind = this.#writes.totals();
    this.#stopListening = this.#writes.listen(this);
  }

  /** The peer's answers account for every own write up to here. It may have refused some of them. */
  get acknowledgedSequence(): number {
    return this.#acknowledgedSequence;
  }

  /** The highest acknowledged sequence that the peer had with any of its stores. */
  get highestAcknowledged(): number {
    return this.#highestAcknowledged;
  }

  /** The peer has every own write up to this sequence number, or refused it permanently. */
  get acknowledgedUpTo(): number {
    let lowest = this.#acknowledgedSequence;
    for (const { sequenceNumber } of this.retries.all()) lowest = Math.min(lowest, sequenceNumber - 1);
    return lowest;
  }

  /** Rises with each reset, so that an answer to an earlier push is ignored. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The own writes after the acknowledged sequence. */
  get behind(): Amount {
    return this.#behind;
  }

  get hasUnsent(): boolean {
    return this.#behind.records > 0;
  }

  /** A text that changes whenever there is something else to send. */
  get unsent(): string {
    return `${this.#acknowledgedSequence} ${this.#behind.records} ${this.#behind.bytes}`;
  }

  get hasBacklog(): boolean {
    return this.hasUnsent || this.retries.size > 0 || this.#resend !== null;
  }

  /** The young records that an older peer is sent once more; null: none. */
  get resend(): Resend | null {
    return this.#resend;
  }

  /** Records refused permanently, by reason. */
  get refused(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refused);
  }

  onAppended(entry: { readonly sequenceNumber: number; readonly bytes: number }): void {
    if (entry.sequenceNumber > this.#acknowledgedSequence) this.#count(1, entry.bytes);
  }

  onSuperseded(entry: { readonly sequenceNumber: number; readonly bytes: number }): void {
    if (entry.sequenceNumber > this.#acknowledgedSequence) this.#count(-1, -entry.bytes);
  }

  /** The peer's answers account for own writes up to here. @param passed those now passed, without superseded ones */
  advance(upTo: number, passed: Amount): void {
    this.#acknowledgedSequence = Math.max(this.#acknowledgedSequence, upTo);
    this.#count(-passed.records, -passed.bytes);
    this.#highestAcknowledged = Math.max(this.#highestAcknowledged, this.#acknowledgedSequence);
  }

  /** The peer lost its store, or this node's was emptied: everything is sent again. */
  reset(): void {
    this.#acknowledgedSequence = 0;
    this.#behind = this.#writes.totals();
    this.retries.clear();
    this.#doubts.clear();
    this.#resend = null;
    this.#epoch += 1;
  }

  /** The peer merged or skipped an own write. */
  noteTaken({ appId, record, sequenceNumber }: OwnKey): void {
    this.retries.drop(appId, record.key);
    this.#doubts.settle(sequenceNumber);
  }

  /** The peer refused an own write permanently. It is not sent again. */
  noteRefusal({ appId, record, sequenceNumber }: OwnKey, reason: string): void {
    this.retries.drop(appId, record.key);
    this.#doubts.add(sequenceNumber);
    const known = this.#refused.has(reason) || this.#refused.size < MAX_REASONS ? reason : 'other';
    this.#refused.set(known, (this.#refused.get(known) ?? 0) + 1);
  }

  /** The peer did not take an own write this time. It is sent again, after a longer wait each time. */
  postpone({ appId, record, sequenceNumber }: OwnKey): void {
    this.#doubts.add(sequenceNumber);
    this.retries.postpone(appId, record.key, sequenceNumber);
  }

  /** An older peer did not say what happened to an own write. A young one is sent once more, any other is not. */
  leaveInDoubt({ appId, record, sequenceNumber }: OwnKey): void {
    this.retries.drop(appId, record.key);
    this.#doubts.add(sequenceNumber);
  }

  /** Whether the peer has certainly merged or skipped this own write. Only then may its tombstone be forgotten early. */
  hasTaken(sequenceNumber: number): boolean {
    return sequenceNumber <= this.#acknowledgedSequence && !this.#doubts.has(sequenceNumber);
  }

  /** Books the young ones of these entries to be sent once more. */
  bookResend(entries: readonly OwnWrite[], now: Now): void {
    this.#resend = bookResend(this.#resend, entries, now);
  }

  /** Replaces what is booked to be sent once more. */
  setResend(resend: Resend | null): void {
    this.#resend = resend;
  }

  /** The peer was forgotten. Own writes are no longer counted here, so a push that is under way must end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Must be called when the peer is forgotten. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
  }

  #count(records: number, bytes: number): void {
    this.#behind = { records: this.#behind.records + records, bytes: this.#behind.bytes + bytes };
    invariant(this.#behind.records >= 0, 'a peer cannot be behind by less than nothing');
  }
}
