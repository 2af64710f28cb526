/**
 * How far each peer is with this node's own writes (protocol.md §10, Who sends what): an acknowledged sequence per
 * peer, what lies behind it, what is to be sent again, and when the peer is tried next. All of it is memory: a new
 * store_id of the peer, or another teePubkey, starts it anew.
 */
import { LRUCache } from 'lru-cache';
import { backoffMs, type BackoffLimits } from '../domain/backoff.ts';
import type { ReplicationFigures } from '../domain/figures.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Random } from '../domain/ports.ts';
import type { OwnWritesListener } from '../domain/records.ts';
import type { SyncStore } from './ports.ts';

/** Towards a peer that fails, for a record that it refuses for now, and for anti-entropy that fails. */
const BACKOFF: BackoffLimits = { firstMs: 500, lastMs: 60_000 };
/** Refused records that wait for another try; at this many the peer is sent nothing new. */
export const MAX_RETRIES = 4_096;
/** Reasons of final refusals counted apart, for `/status`. */
const MAX_REASONS = 16;
/** Records remembered that a peer refuses for good. */
const MAX_UNWANTED = 4_096;
/** Own sequence numbers up to the acknowledged one remembered that a peer may not have. */
const MAX_DOUBTFUL = 4_096;

export interface Retry {
  readonly appId: string;
  readonly key: string;
  readonly sequenceNumber: number;
  readonly attempt: number;
  /** Monotonic milliseconds. */
  readonly dueAtMs: number;
}

/** What a peer of an older kind gets once more while it is young. */
export interface Resend {
  /** Monotonic milliseconds. */
  readonly atMs: number;
  /** Own sequence numbers: above the first, up to the second. */
  readonly from: number;
  readonly to: number;
  /** Above which own sequence number young records wait for a turn after this one; null: none do. */
  nextFrom: number | null;
}

export interface ReplicaModules {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly random: Pick<Random, 'unit'>;
}

export class Replica implements OwnWritesListener {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey | '';
  readonly #modules: ReplicaModules;
  readonly #writes: SyncStore['writes'];
  readonly #stopListening: () => void;
  readonly retries = new Map<string, Retry>();
  #acknowledgedSequence = 0;
  #highestAcknowledged = 0;
  #behind = { records: 0, bytes: 0 };
  #storeId: string | null = null;
  #failures = 0;
  #nextTryAtMs = 0;
  #lastSuccessMs: number | null = null;
  #lastError: { readonly what: string; readonly atMs: number } | null = null;
  readonly #refused = new Map<string, number>();
  /** App and key to the digest of a record that the peer refuses for good. */
  readonly #unwanted = new LRUCache<string, string>({ max: MAX_UNWANTED });
  #failedAntiEntropy = 0;
  /** Monotonic milliseconds. */
  #compareAfterMs = 0;
  /** Own sequence numbers up to the acknowledged one that the peer may not have. */
  readonly #doubtful = new Set<number>();
  /** Of the numbers up to here nobody knows any more which of them are doubtful. */
  #doubtfulUpTo = 0;
  /** Rises with each reset: an answer to an earlier push says nothing any more. */
  epoch = 0;
  /** Null when there is nothing to be sent once more. */
  resend: Resend | null = null;
  /** Monotonic milliseconds of the last whole anti-entropy round with a peer of an older kind. */
  comparedAtMs = -Infinity;

  constructor(member: Member, modules: ReplicaModules & { readonly store: Pick<SyncStore, 'writes'> }) {
    this.wallet = member.wallet;
    this.teePubkey = member.teePubkey;
    this.#modules = modules;
    this.#writes = modules.store.writes;
    this.#behind = { ...this.#writes.totals() };
    this.#stopListening = this.#writes.listen(this);
  }

  /** Up to which own sequence number the peer has acknowledged. */
  get acknowledgedSequence(): number {
    return this.#acknowledgedSequence;
  }

  /** The highest acknowledged sequence that it had with any of its stores. */
  get highestAcknowledged(): number {
    return this.#highestAcknowledged;
  }

  /** Own sequence numbers up to here are on the peer, or were refused for good. */
  get acknowledgedUpTo(): number {
    let lowest = this.#acknowledgedSequence;
    for (const { sequenceNumber } of this.retries.values()) lowest = Math.min(lowest, sequenceNumber - 1);
    return lowest;
  }

  /** There is something that the peer was never sent. */
  get hasUnsent(): boolean {
    return this.#behind.records > 0;
  }

  /** Another text whenever something else is to be sent. */
  get unsent(): string {
    return `${this.#acknowledgedSequence} ${this.#behind.records} ${this.#behind.bytes}`;
  }

  get hasBacklog(): boolean {
    return this.#behind.records > 0 || this.retries.size > 0 || this.resend !== null;
  }

  onAppended(entry: { readonly sequenceNumber: number; readonly bytes: number }): void {
    if (entry.sequenceNumber <= this.#acknowledgedSequence) return;
    this.#behind = { records: this.#behind.records + 1, bytes: this.#behind.bytes + entry.bytes };
  }

  onSuperseded(entry: { readonly sequenceNumber: number; readonly bytes: number }): void {
    if (entry.sequenceNumber <= this.#acknowledgedSequence) return;
    this.#behind = { records: this.#behind.records - 1, bytes: this.#behind.bytes - entry.bytes };
  }

  /** The peer answered a push of these entries, the next after the acknowledged sequence. Entries superseded meanwhile are counted out already. */
  advance(upTo: number, passed: { readonly records: number; readonly bytes: number }): void {
    this.#acknowledgedSequence = Math.max(this.#acknowledgedSequence, upTo);
    this.#highestAcknowledged = Math.max(this.#highestAcknowledged, this.#acknowledgedSequence);
    this.#behind = { records: this.#behind.records - passed.records, bytes: this.#behind.bytes - passed.bytes };
  }

  /** The peer lost what it had: everything is sent again. */
  resetAcknowledged(): void {
    this.#acknowledgedSequence = 0;
    this.#behind = { ...this.#writes.totals() };
    this.retries.clear();
    this.#unwanted.clear();
    this.#doubtful.clear();
    this.#doubtfulUpTo = 0;
    this.resend = null;
    this.epoch += 1;
  }

  /** A store_id that the peer names: another than before is another store. */
  noteStoreId(storeId: string): void {
    if (this.#storeId !== null && this.#storeId !== storeId) this.resetAcknowledged();
    this.#storeId = storeId;
  }

  noteSuccess(): void {
    this.#failures = 0;
    this.#nextTryAtMs = 0;
    this.#lastSuccessMs = this.#modules.clock.nowMs();
    this.#lastError = null;
  }

  /** The peer has spoken to this node: there is no reason to wait any more. */
  noteAlive(): void {
    this.#nextTryAtMs = 0;
  }

  /** @param retryAfterMs what the peer itself asked for */
  noteFailure(what: string, retryAfterMs: number | undefined): void {
    const { clock, random } = this.#modules;
    const waitMs = Math.max(backoffMs(BACKOFF, this.#failures, random.unit()), retryAfterMs ?? 0);
    this.#failures += 1;
    this.#nextTryAtMs = clock.monotonicMs() + waitMs;
    this.#lastError = { what, atMs: clock.nowMs() };
  }

  isResting(): boolean {
    return this.#nextTryAtMs > this.#modules.clock.monotonicMs();
  }

  /** Anti-entropy that failed rests longer each time, without holding up pushes. */
  noteAntiEntropy(succeeded: boolean): void {
    const { clock, random } = this.#modules;
    this.#failedAntiEntropy = succeeded ? 0 : this.#failedAntiEntropy + 1;
    this.#compareAfterMs = succeeded ? 0 : clock.monotonicMs() + backoffMs(BACKOFF, this.#failedAntiEntropy, random.unit());
  }

  mayCompare(): boolean {
    return this.#compareAfterMs <= this.#modules.clock.monotonicMs();
  }

  /** The peer refused a record, or did not say that it took it: what it has of it, nobody knows. */
  noteDoubt(sequenceNumber: number): void {
    this.#doubtful.add(sequenceNumber);
    if (this.#doubtful.size <= MAX_DOUBTFUL) return;
    const [oldest] = this.#doubtful as Iterable<number>;
    this.#doubtful.delete(oldest!);
    this.#doubtfulUpTo = Math.max(this.#doubtfulUpTo, oldest!);
  }

  /** The peer merged or skipped an own write of a key. */
  noteTaken(appId: string, key: string, sequenceNumber: number): void {
    this.retries.delete(`${appId} ${key}`);
    this.#doubtful.delete(sequenceNumber);
  }

  /** It will not take this own write of a key: it is not sent again. */
  noteRefusal(appId: string, key: string, sequenceNumber: number, reason: string): void {
    this.retries.delete(`${appId} ${key}`);
    this.noteDoubt(sequenceNumber);
    const known = this.#refused.has(reason) || this.#refused.size < MAX_REASONS ? reason : 'other';
    this.#refused.set(known, (this.#refused.get(known) ?? 0) + 1);
  }

  /** Whether the peer has certainly merged or skipped the own write of this number: a tombstone may go by that. */
  hasTaken(sequenceNumber: number): boolean {
    return sequenceNumber <= this.#acknowledgedSequence && sequenceNumber > this.#doubtfulUpTo && !this.#doubtful.has(sequenceNumber);
  }

  /** Refused for good as it is: it need not be offered again by each round of anti-entropy. */
  noteUnwanted(appId: string, key: string, digest: string): void {
    this.#unwanted.set(`${appId} ${key}`, digest);
  }

  isUnwanted(appId: string, key: string, digest: string | null): boolean {
    return digest !== null && this.#unwanted.get(`${appId} ${key}`) === digest;
  }

  /** Sends a refused record again, later each time. */
  retryLater(appId: string, key: string, sequenceNumber: number): void {
    const { clock, random } = this.#modules;
    const id = `${appId} ${key}`;
    const attempt = (this.retries.get(id)?.attempt ?? 0) + 1;
    this.noteDoubt(sequenceNumber);
    this.retries.set(id, { appId, key, sequenceNumber, attempt, dueAtMs: clock.monotonicMs() + backoffMs(BACKOFF, attempt, random.unit()) });
  }

  view(): ReplicationFigures {
    const { clock } = this.#modules;
    const restMs = this.#nextTryAtMs - clock.monotonicMs();
    return {
      wallet: this.wallet,
      acknowledgedUpTo: this.acknowledgedUpTo,
      behindRecords: this.#behind.records + this.retries.size,
      behindBytes: this.#behind.bytes,
      lastSuccessMs: this.#lastSuccessMs,
      lastError: this.#lastError?.what ?? null,
      lastErrorMs: this.#lastError?.atMs ?? null,
      nextTryMs: restMs > 0 ? clock.nowMs() + Math.round(restMs) : null,
      waitingRetries: this.retries.size,
      refused: Object.fromEntries(this.#refused),
    };
  }

  /** Must be called when the peer is forgotten. */
  close(): void {
    this.#stopListening();
  }
}

/** The replicas of all current members besides this node. */
export class Replicas {
  readonly #modules: ReplicaModules & { readonly store: Pick<SyncStore, 'writes'> };
  readonly #replicas = new Map<Wallet, Replica>();
  #everAcknowledged = 0;

  constructor(modules: ReplicaModules & { readonly store: Pick<SyncStore, 'writes'> }) {
    this.#modules = modules;
  }

  of(member: Member): Replica {
    const known = this.#replicas.get(member.wallet);
    if (known?.teePubkey === member.teePubkey) return known;
    this.acknowledgedByAny();
    known?.close();
    const fresh = new Replica(member, this.#modules);
    this.#replicas.set(member.wallet, fresh);
    return fresh;
  }

  /** Forgets who is no member any more. @param members without this node */
  keepOnly(members: readonly Member[]): void {
    const wallets = new Set(members.map(({ wallet }) => wallet));
    this.acknowledgedByAny();
    for (const [wallet, replica] of this.#replicas) {
      if (wallets.has(wallet)) continue;
      replica.close();
      this.#replicas.delete(wallet);
    }
    for (const member of members) this.of(member);
  }

  /** The store was emptied: the numbers go on, but nothing is acknowledged of what comes. */
  resetAll(): void {
    for (const replica of this.#replicas.values()) replica.resetAcknowledged();
  }

  /** Whether every current member has certainly taken the own write of this number; true when there is no other. */
  takenByAll(sequenceNumber: number): boolean {
    return [...this.#replicas.values()].every((replica) => replica.hasTaken(sequenceNumber));
  }

  /** The highest acknowledged sequence that any peer ever had. What is above it, nobody but this node has seen. */
  acknowledgedByAny(): number {
    for (const replica of this.#replicas.values()) this.#everAcknowledged = Math.max(this.#everAcknowledged, replica.highestAcknowledged);
    return this.#everAcknowledged;
  }

  views(): readonly ReplicationFigures[] {
    return [...this.#replicas.values()].map((replica) => replica.view());
  }
}
