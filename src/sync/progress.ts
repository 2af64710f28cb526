/**
 * Which of this node's own writes a peer has (protocol.md §10, Who sends what): the peer's acknowledged sequence, the writes after it, and
 * what the peer refused temporarily or permanently. All of this is in memory only. When a peer has a new store, its acknowledged sequence
 * starts again at 0.
 *
 * Invariants: only `reset` lowers the acknowledged sequence; the number of writes after it is never negative.
 */
import { invariant } from '../domain/errors.ts';
import type { OwnWrite, OwnWritesListener, WireRecord } from '../domain/records.ts';
import { Doubts } from './doubts.ts';
import type { SyncStore } from './ports.ts';
import { Retries, type RetriesModules } from './retries.ts';
import { bookResend, type Now, type Resend } from './resend.ts';

/** Maximum number of reasons for permanent refusals that `/status` counts separately. */
const MAX_REASONS = 16;

export interface ProgressModules extends RetriesModules {
  readonly store: Pick<SyncStore, 'writes'>;
}

/** A write of this node, identified by its key and sequence number. */
export interface OwnKey extends Pick<OwnWrite, 'appId' | 'sequenceNumber'> {
  readonly record: Pick<WireRecord, 'key'>;
}

/** Number of records, and their total size in bytes. */
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

  /** The peer's answers account for every write of this node up to this sequence number. The peer may have refused some of them. */
  get acknowledgedSequence(): number {
    return this.#acknowledgedSequence;
  }

  /** The highest acknowledged sequence that the peer has reached with any of its stores. */
  get highestAcknowledged(): number {
    return this.#highestAcknowledged;
  }

  /**
   * The peer's answers account for every write of this node up to this sequence number, and none of these writes waits to be sent again
   * after a temporary refusal.
   */
  get acknowledgedUpTo(): number {
    let lowest = this.#acknowledgedSequence;
    for (const { sequenceNumber } of this.retries.all()) lowest = Math.min(lowest, sequenceNumber - 1);
    return lowest;
  }

  /** Rises with each reset, so that an answer to a push from before a reset is recognized and ignored. */
  get epoch(): number {
    return this.#epoch;
  }

  /** This node's writes after the acknowledged sequence. */
  get behind(): Amount {
    return this.#behind;
  }

  get hasUnsent(): boolean {
    return this.#behind.records > 0;
  }

  /** A string that changes whenever the set of unsent writes changes. */
  get unsent(): string {
    return `${this.#acknowledgedSequence} ${this.#behind.records} ${this.#behind.bytes}`;
  }

  get hasBacklog(): boolean {
    return this.hasUnsent || this.retries.size > 0 || this.#resend !== null;
  }

  /** The recent records that are sent once more to an older peer; null if there are none. */
  get resend(): Resend | null {
    return this.#resend;
  }

  /** Number of permanently refused records, by reason. */
  get refused(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refused);
  }

  onAppended(entry: { readonly sequenceNumber: number; readonly bytes: number }): void {
    if (entry.sequenceNumber > this.#acknowledgedSequence) this.#count(1, entry.bytes);
  }

  onSuperseded(entry: { readonly sequenceNumber: number; readonly bytes: number }): void {
    if (entry.sequenceNumber > this.#acknowledgedSequence) this.#count(-1, -entry.bytes);
  }

  /**
   * Notes that the peer's answers account for this node's writes up to `upTo`.
   * @param passed how many of these writes are newly acknowledged, and their size; superseded writes do not count
   */
  advance(upTo: number, passed: Amount): void {
    this.#acknowledgedSequence = Math.max(this.#acknowledgedSequence, upTo);
    this.#count(-passed.records, -passed.bytes);
    this.#highestAcknowledged = Math.max(this.#highestAcknowledged, this.#acknowledgedSequence);
  }

  /** Call this when the peer has lost its store, or when this node's store was emptied. Everything is then sent again. */
  reset(): void {
    this.#acknowledgedSequence = 0;
    this.#behind = this.#writes.totals();
    this.retries.clear();
    this.#doubts.clear();
    this.#resend = null;
    this.#epoch += 1;
  }

  /** Notes that the peer merged or skipped a write of this node. */
  noteTaken({ appId, record, sequenceNumber }: OwnKey): void {
    this.retries.drop(appId, record.key);
    this.#doubts.settle(sequenceNumber);
  }

  /** Notes that the peer permanently refused a write of this node. The write is not sent again. */
  noteRefusal({ appId, record, sequenceNumber }: OwnKey, reason: string): void {
    this.retries.drop(appId, record.key);
    this.#doubts.add(sequenceNumber);
    const known = this.#refused.has(reason) || this.#refused.size < MAX_REASONS ? reason : 'other';
    this.#refused.set(known, (this.#refused.get(known) ?? 0) + 1);
  }

  /** Notes that the peer did not accept a write of this node. The write is sent again later, after a wait that grows each time. */
  postpone({ appId, record, sequenceNumber }: OwnKey): void {
    this.#doubts.add(sequenceNumber);
    this.retries.postpone(appId, record.key, sequenceNumber);
  }

  /** Notes that an older peer did not say what happened to a write of this node. The write is sent once more only if it is recent. */
  leaveInDoubt({ appId, record, sequenceNumber }: OwnKey): void {
    this.retries.drop(appId, record.key);
    this.#doubts.add(sequenceNumber);
  }

  /** Whether the peer has certainly merged or skipped this write of this node. Only then may a tombstone be forgotten early. */
  hasTaken(sequenceNumber: number): boolean {
    return sequenceNumber <= this.#acknowledgedSequence && !this.#doubts.has(sequenceNumber);
  }

  /** Schedules the recent entries to be sent once more. */
  bookResend(entries: readonly OwnWrite[], now: Now): void {
    this.#resend = bookResend(this.#resend, entries, now);
  }

  /** Replaces what is scheduled to be sent once more. */
  setResend(resend: Resend | null): void {
    this.#resend = resend;
  }

  /** Whether the peer was forgotten. If so, this node's writes are no longer counted here, and a running push must end. */
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
    invariant(this.#behind.records >= 0, 'a peer is behind by a negative number of records');
  }
}
