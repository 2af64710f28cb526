/**
 * Pushes this node's own writes to one peer (protocol.md §10, Who sends what and Rejections). The acknowledged sequence
 * moves only after the peer's signed answer; what the peer refuses never blocks what comes after it.
 */
import type { Wallet } from '../domain/ids.ts';
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { OwnWrite } from '../domain/records.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import { judgeDeltaAnswer, planDelta, portions, type AccountedOutcome, type DeltaBatch, type DeltaOutcome, type Sent } from './delta-plan.ts';
import { MAX_REJECTIONS_LISTED } from './merge-batch.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';
import type { SyncStore } from './ports.ts';
import { MAX_RETRIES, type Replica, type Resend, type Retry } from './replicas.ts';

/** An answer that lists its rejections. Bytes. */
const MAX_ANSWER_BYTES = 4 * SMALL_ANSWER_BYTES + 2 * 1024 * 1024;
/** To a peer of an older kind, records younger than this are sent once more after this. Milliseconds. */
const RESEND_MS = 30_000;

export interface DeltaPushModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: SyncStore;
  readonly conversation: Pick<PeerConversation, 'exchange'>;
  readonly acknowledgements: Acknowledgements;
  /** Own sequence numbers up to here are not sent: the node was cut off for too long to know whether they still hold. */
  readonly sendAbove: () => number;
}

export class DeltaPush {
  readonly #modules: DeltaPushModules;

  constructor(modules: DeltaPushModules) {
    this.#modules = modules;
  }

  /**
   * Sends what the peer does not have, batch after batch, until nothing is left.
   * @returns whether anything was said to the peer
   * @throws PeerError, DependencyError
   */
  async pushTo(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    const pushed = await this.#pushNew(member, replica, signal);
    return (await this.#pushAgain(member, replica, signal)) || pushed;
  }

  /**
   * Sends records besides the own writes, as anti-entropy finds them missing.
   * @returns those that the peer refuses for good
   * @throws PeerError, DependencyError
   */
  async send(member: Member, records: readonly Sent[], signal: AbortSignal): Promise<readonly Sent[]> {
    const unwanted: Sent[] = [];
    let left = records;
    let maxRecords: number | undefined;
    const suspects = new Suspects(records);
    for (let batch = planDelta(left); batch !== null; batch = planDelta(left, maxRecords)) {
      try {
        const outcome = await this.#exchange(member, batch, signal);
        suspects.notePassed();
        if (maxRecords !== undefined) maxRecords *= 2;
        if (outcome.kind === 'told') unwanted.push(...outcome.refused.map(({ entry }) => entry));
      } catch (error) {
        if (!isAboutRecords(batch, error)) throw error;
        if (batch.entries.length > 1) {
          maxRecords = Math.ceil(batch.entries.length / 2);
          continue;
        }
        await this.#suspect(member, suspects, batch.entries[0]!, error, signal);
        this.#modules.log.debug('a peer does not take a record', { peer: member.wallet, why: error.message });
      }
      left = left.slice(batch.entries.length);
    }
    return unwanted;
  }

  async #pushNew(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    const { store, sendAbove } = this.#modules;
    let resets = 0;
    for (let pushed = false; ; pushed = true) {
      const { epoch } = replica;
      const full = replica.retries.size >= MAX_RETRIES;
      const batch = full ? null : planDelta(store.writesAfter(Math.max(replica.acknowledgedSequence, sendAbove())));
      if (batch === null) return pushed;
      const suspects = new Suspects(batch.entries);
      await this.#pushBatch(member, replica, batch, suspects, signal);
      // Where the peer took nothing at all, it is the peer that is broken: the acknowledged sequence stays.
      if (!suspects.othersPassed) suspects.throwFirst();
      this.#retryLater(replica, suspects);
      // The peer lost its store, or this node's was emptied, while it answered.
      if (replica.epoch !== epoch) {
        resets += 1;
        if (resets > MAX_RESETS) throw new PeerError('bad_answer', 'the peer names another store with each answer');
        continue;
      }
      const passed = batch.entries.filter((entry) => entry.sequenceNumber > replica.acknowledgedSequence && !entry.isSuperseded());
      const bytes = passed.reduce((sum, entry) => sum + entry.bytes, 0);
      replica.advance(batch.entries.at(-1)!.sequenceNumber, { records: passed.length, bytes });
    }
  }

  async #pushBatch(
    member: Member,
    replica: Replica,
    batch: DeltaBatch<OwnWrite>,
    suspects: Suspects<OwnWrite>,
    signal: AbortSignal,
  ): Promise<void> {
    let outcome: DeltaOutcome<OwnWrite>;
    try {
      outcome = await this.#exchange(member, batch, signal);
    } catch (error) {
      if (!isAboutRecords(batch, error)) throw error;
      if (batch.entries.length > 1) {
        const half = Math.ceil(batch.entries.length / 2);
        for (const portion of portions(batch.entries, half)) await this.#pushBatch(member, replica, planDelta(portion)!, suspects, signal);
        return;
      }
      const entry = batch.entries[0]!;
      if (error.status === 413) {
        this.#refuse(member.wallet, replica, entry, 'too_large');
        return;
      }
      if (!batch.oversized) {
        await this.#suspect(member, suspects, entry, error, signal);
        return;
      }
      // A peer that closes the connection at a large body may be away, too.
      if (error.failure === 'unreachable') await this.#checkThere(member, signal);
      replica.retryLater(entry.appId, entry.record.key, entry.sequenceNumber);
      return;
    }
    suspects.notePassed();
    if (outcome.kind !== 'unlisted') {
      this.#note(member, replica, batch, outcome);
      return;
    }
    const [entry] = batch.entries;
    if (batch.entries.length === 1) {
      this.#refuse(member.wallet, replica, entry!, 'unlisted');
      return;
    }
    // What is a part of a batch fits where the batch did. A peer may list fewer than this node does.
    const size = batch.entries.length > MAX_REJECTIONS_LISTED ? MAX_REJECTIONS_LISTED : 1;
    for (const portion of portions(batch.entries, size)) await this.#pushBatch(member, replica, planDelta(portion)!, suspects, signal);
  }

  /** @throws the error when it is the peer that is broken, and not the records */
  async #suspect<Entry extends Sent>(member: Member, suspects: Suspects<Entry>, entry: Entry, error: PeerError, signal: AbortSignal): Promise<void> {
    suspects.add(entry, error);
    if (!suspects.areMany) return;
    for (const other of suspects.others(entry)) {
      try {
        await this.#exchange(member, planDelta([other])!, signal);
        suspects.notePassed();
        return;
      } catch (failure) {
        if (!isPoisoned(failure)) throw failure;
      }
    }
    throw error;
  }

  /** @throws PeerError when the peer does not answer even what holds no record */
  async #checkThere(member: Member, signal: AbortSignal): Promise<void> {
    try {
      await this.#exchange(member, { entries: [], data: {}, oversized: false }, signal);
    } catch (error) {
      if (!(error instanceof PeerError && error.status !== undefined)) throw error;
    }
  }

  async #exchange<Entry extends Sent>(member: Member, batch: DeltaBatch<Entry>, signal: AbortSignal): Promise<DeltaOutcome<Entry>> {
    const message = { type: 'delta', data: batch.data };
    const limits = { timeoutMs: PEER_TIMEOUT_MS.delta, maxAnswerBytes: MAX_ANSWER_BYTES, signal };
    const outcome = judgeDeltaAnswer(batch.entries, await this.#modules.conversation.exchange(member, message, limits));
    if (outcome === null) throw new PeerError('bad_answer', 'the answer does not say what became of the records');
    return outcome;
  }

  #note(member: Member, replica: Replica, batch: DeltaBatch<OwnWrite>, outcome: AccountedOutcome<OwnWrite>): void {
    switch (outcome.kind) {
      case 'told':
        for (const entry of outcome.taken) this.#acknowledge(member.wallet, replica, entry);
        for (const { appId, record, sequenceNumber } of outcome.later) replica.retryLater(appId, record.key, sequenceNumber);
        for (const { entry, reason } of outcome.refused) this.#refuse(member.wallet, replica, entry, reason);
        return;
      case 'counted':
        if (outcome.allMerged) for (const entry of batch.entries) this.#acknowledge(member.wallet, replica, entry);
        else for (const { sequenceNumber } of batch.entries) replica.noteDoubt(sequenceNumber);
        this.#resendYoung(replica, batch.entries);
        return;
    }
  }

  #acknowledge(peer: Wallet, replica: Replica, { appId, record, sequenceNumber }: OwnWrite): void {
    replica.noteTaken(appId, record.key, sequenceNumber);
    this.#modules.store.noteTaken(appId, record.key, sequenceNumber);
    this.#modules.acknowledgements.note(peer, { appId, key: record.key, sequenceNumber });
  }

  #refuse(peer: Wallet, replica: Replica, { appId, record, sequenceNumber }: OwnWrite, reason: string): void {
    replica.noteRefusal(appId, record.key, sequenceNumber, reason);
    this.#modules.log.warn('a peer refuses a record for good', { peer, app_id: appId, why: reason });
  }

  #retryLater(replica: Replica, suspects: Suspects<OwnWrite>): void {
    for (const { appId, record, sequenceNumber } of suspects.entries) replica.retryLater(appId, record.key, sequenceNumber);
  }

  /** A peer that does not say what it refused may have refused a record for its time: it gets the young ones once more. */
  #resendYoung(replica: Replica, entries: readonly OwnWrite[]): void {
    const { clock } = this.#modules;
    const first = entries.find(({ record }) => record.updated_at_ms > clock.nowMs() - RESEND_MS);
    if (first === undefined) return;
    if (replica.resend === null) this.#bookResend(replica, first.sequenceNumber - 1, entries.at(-1)!.sequenceNumber);
    else replica.resend.nextFrom ??= first.sequenceNumber - 1;
  }

  #bookResend(replica: Replica, from: number, to: number): void {
    replica.resend = { atMs: this.#modules.clock.monotonicMs() + RESEND_MS, from, to, nextFrom: null };
  }

  /** What was refused for the time being, and what an older peer gets twice. */
  async #pushAgain(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#modules.clock.monotonicMs();
    const floor = this.#modules.sendAbove();
    const due = [...replica.retries.values()].filter(({ dueAtMs, sequenceNumber }) => dueAtMs <= nowMs && sequenceNumber > floor);
    for (let place = 0; place < due.length; ) {
      const batch = planDelta(this.#asEntries(replica, due, place), MAX_REJECTIONS_LISTED);
      if (batch === null) break;
      const suspects = new Suspects(batch.entries);
      try {
        await this.#pushBatch(member, replica, batch, suspects, signal);
      } catch (error) {
        if (!isPoisoned(error)) throw error;
        // These have failed before: what is left of them waits longer, and is no reason to take the peer for broken.
        for (const { appId, record, sequenceNumber } of batch.entries) if (replica.retries.has(`${appId} ${record.key}`)) replica.retryLater(appId, record.key, sequenceNumber);
        break;
      }
      this.#retryLater(replica, suspects);
      place = batch.entries.at(-1)!.place + 1;
    }
    const { resend, epoch } = replica;
    if (resend === null || resend.atMs > nowMs) return due.length > 0;
    const resent = await this.#resend(member, resend, signal);
    if (replica.epoch !== epoch) return true;
    replica.resend = null;
    if (resend.nextFrom !== null) this.#bookResend(replica, resend.nextFrom, replica.acknowledgedSequence);
    return resent || due.length > 0;
  }

  async #resend(member: Member, { from: start, to }: Resend, signal: AbortSignal): Promise<boolean> {
    const { store, sendAbove } = this.#modules;
    for (let from = start, sent = false; ; sent = true) {
      const batch = planDelta(upTo(store.writesAfter(Math.max(from, sendAbove())), to));
      if (batch === null) return sent;
      await this.send(member, batch.entries, signal);
      from = batch.entries.at(-1)!.sequenceNumber;
    }
  }

  /** As the records are now, one at a time; what is gone need not be sent. */
  *#asEntries(replica: Replica, due: readonly Retry[], from: number): Generator<OwnWrite & { readonly place: number }> {
    for (let place = from; place < due.length; place += 1) {
      const { appId, key, sequenceNumber } = due[place]!;
      const record = this.#modules.store.recordOf(appId, key);
      if (record === null) replica.retries.delete(`${appId} ${key}`);
      else yield { appId, sequenceNumber, bytes: 0, record, isSuperseded: () => true, place };
    }
  }
}

function* upTo(entries: Iterable<OwnWrite>, sequenceNumber: number): Generator<OwnWrite> {
  for (const entry of entries) {
    if (entry.sequenceNumber > sequenceNumber) return;
    yield entry;
  }
}

/** Records at which a peer may fail in a row before a few others are tried. */
const MAX_SUSPECTS = 8;
/** So many: when it fails at them as well, it is taken for broken. */
const SAMPLES = 4;
/** Stores that a peer may lose during one push. */
const MAX_RESETS = 2;

/** Records of a batch at which a peer fails, so that those behind them are not held up. */
class Suspects<Entry extends Sent> {
  readonly entries: Entry[] = [];
  #othersPassed = false;
  /** Since the peer took something. */
  #inARow = 0;
  readonly #all: readonly Entry[];
  #first: PeerError | null = null;

  /** @param all of the batch, or of the batches, in order */
  constructor(all: readonly Entry[]) {
    this.#all = all;
  }

  add(entry: Entry, error: PeerError): void {
    this.#first ??= error;
    this.entries.push(entry);
    this.#inARow += 1;
  }

  /** The peer took another record of the batch. */
  notePassed(): void {
    this.#othersPassed = true;
    this.#inARow = 0;
  }

  /** It took one at least: it was not broken as a whole. */
  get othersPassed(): boolean {
    return this.#othersPassed;
  }

  /** So many in a row that it may be the peer. */
  get areMany(): boolean {
    return this.#inARow >= MAX_SUSPECTS;
  }

  /** A few of those behind an entry, far apart, the last one first. */
  others(entry: Entry): readonly Entry[] {
    const left = this.#all.slice(this.#all.indexOf(entry) + 1);
    const places = Array.from({ length: SAMPLES }, (_, index) => Math.ceil((left.length * (SAMPLES - index)) / SAMPLES) - 1);
    return [...new Set(places)].filter((place) => place >= 0).map((place) => left[place]!);
  }

  /** @throws what the first of them failed with */
  throwFirst(): void {
    if (this.#first !== null) throw this.#first;
  }
}

/** Statuses with which other nodes answer a batch for one record in it (protocol.md §9.10, §9.17). */
const POISONED: ReadonlySet<number | undefined> = new Set([400, 413, 422, 500]);

/**
 * Whether a batch may have failed for what is in it, and smaller ones may pass. Older nodes refuse bodies over 2 MiB, some by
 * closing the connection.
 */
function isAboutRecords(batch: DeltaBatch<Sent>, error: unknown): error is PeerError {
  return isPoisoned(error) || (error instanceof PeerError && batch.oversized && error.failure === 'unreachable');
}

function isPoisoned(error: unknown): error is PeerError {
  return error instanceof PeerError && POISONED.has(error.status);
}
