/**
 * What one push sends to a peer, and what the answers mean (protocol.md §10, Who sends what and Rejections). A push first sends this node's
 * writes after the acknowledged sequence. Then it sends the records that the peer refused temporarily and whose wait is over. Finally, it
 * sends recent records once more to an older peer. Pure: `delta-push.ts` does the sending.
 *
 * Invariants: the acknowledged sequence moves past a batch only if the peer's answers account for that batch; a refused record never blocks
 * later ones; an answer to a batch from before a reset is ignored.
 */
import { invariant } from '../domain/errors.ts';
import type { OwnWrite } from '../domain/records.ts';
import { Delivery, isPoisoned, type Settled } from './delivery.ts';
import { MAX_RECORDS, planDelta, type DeltaBatch, type DeltaOutcome } from './delta-plan.ts';
import { MAX_REJECTIONS_LISTED } from './merge-batch.ts';
import { PeerError } from './peer-error.ts';
import type { SyncStore } from './ports.ts';
import type { Progress } from './progress.ts';
import { nextResend, type Now, type Resend } from './resend.ts';
import type { Retry } from './retries.ts';

/** Maximum number of times that the progress may be reset during one push. */
const MAX_RESETS = 2;

/** A list of this node's writes that is being delivered. */
interface UnderWay {
  readonly entries: readonly OwnWrite[];
  readonly delivery: Delivery<OwnWrite>;
  /** The epoch of the progress when the delivery began. */
  readonly epoch: number;
}

export type PushState =
  /** This node's writes after the acknowledged sequence. */
  | ({ readonly kind: 'new' } & UnderWay)
  /** Records that the peer refused earlier: the next entries of `due`, up to but not including place `upTo`. */
  | ({ readonly kind: 'again'; readonly due: readonly Retry[]; readonly upTo: number } & UnderWay)
  /** Recent records for a peer that does not say which records it refused. */
  | ({ readonly kind: 'once more'; readonly resend: Resend } & UnderWay)
  | { readonly kind: 'over' }
  | { readonly kind: 'broken'; readonly failure: PeerError };

/** What the peer did with a write of this node. */
export type PushEvent =
  | { readonly kind: 'taken'; readonly entry: OwnWrite }
  | { readonly kind: 'refused'; readonly entry: OwnWrite; readonly reason: string };

export interface PushPlanModules {
  readonly progress: Progress;
  readonly store: Pick<SyncStore, 'writesAfter' | 'recordOf'>;
  /** Writes up to this sequence number are not sent, because other nodes may have deleted them; 0 unless this node is stale. */
  readonly sendAbove: () => number;
  readonly now: () => Now;
}

export class PushPlan {
  readonly #modules: PushPlanModules;
  #state: PushState;
  #resets = 0;
  /** Maximum number of records in the first batch of the next delivery. It is the maximum with which the previous delivery ended. */
  #size = MAX_RECORDS;
  #said = false;

  constructor(modules: PushPlanModules) {
    this.#modules = modules;
    this.#state = this.#planNew();
  }

  get state(): PushState {
    return this.#state;
  }

  /** Whether something was sent and the peer is not considered broken. */
  get succeeded(): boolean {
    return this.#said && this.#state.kind !== 'broken';
  }

  /** The batch to send; null when the push is over. The batch stays the same until `answered` or `failed` is called. */
  next(): DeltaBatch<OwnWrite> | null {
    return 'delivery' in this.#state ? this.#state.delivery.next() : null;
  }

  answered(outcome: DeltaOutcome<OwnWrite>): readonly PushEvent[] {
    this.#said = true;
    const state = this.#underWay();
    return this.#heard(state, state.delivery.answered(outcome));
  }

  failed(failure: PeerError): readonly PushEvent[] {
    this.#said = true;
    const state = this.#underWay();
    return this.#heard(state, state.delivery.failed(failure));
  }

  #underWay(): PushState & UnderWay {
    invariant('delivery' in this.#state, 'an answer came for a push that is over');
    return this.#state;
  }

  #heard(state: PushState & UnderWay, settled: Settled<OwnWrite> | null): readonly PushEvent[] {
    if (this.#modules.progress.isClosed) {
      this.#state = { kind: 'over' };
      return [];
    }
    const stands = state.delivery.state;
    if (stands.kind === 'broken') {
      this.#state = this.#broken(state, stands.failure);
      return [];
    }
    if (this.#modules.progress.epoch !== state.epoch) {
      this.#state = this.#anew();
      return [];
    }
    const events = settled === null ? [] : this.#note(state, settled);
    if (stands.kind === 'over') this.#state = this.#after(state);
    return events;
  }

  /** Plans again, because during the exchange the peer lost its store or this node's store was emptied. */
  #anew(): PushState {
    this.#resets += 1;
    if (this.#resets <= MAX_RESETS) return this.#planNew();
    return { kind: 'broken', failure: new PeerError('bad_answer', 'the peer reports a different store in each answer') };
  }

  #broken(state: PushState & UnderWay, failure: PeerError): PushState {
    if (state.kind !== 'again' || !isPoisoned(failure)) return { kind: 'broken', failure };
    // These records have failed before, so the peer is not considered broken. The records that are still not settled wait longer.
    const { progress } = this.#modules;
    for (const entry of state.entries) if (progress.retries.has(entry.appId, entry.record.key)) progress.postpone(entry);
    return this.#planOnceMore();
  }

  #after(state: PushState & UnderWay): PushState {
    const { progress, now } = this.#modules;
    const { delivery, entries } = state;
    const { firstFailure } = delivery;
    // The peer answered no batch at all, so it is considered broken. The acknowledged sequence does not change.
    if (state.kind === 'new' && !delivery.anyPassed && firstFailure !== null) return { kind: 'broken', failure: firstFailure };
    this.#size = delivery.size;
    const last = entries.at(-1)!.sequenceNumber;
    if (state.kind === 'once more') {
      const next = this.#deliverOnceMore(state.resend, last);
      if (next !== null) return next;
      progress.setResend(nextResend(state.resend, progress.acknowledgedSequence, now()));
      return { kind: 'over' };
    }
    for (const entry of delivery.suspects) progress.postpone(entry);
    if (state.kind === 'again') return this.#planAgain(state.due, state.upTo);
    const passed = entries.filter((entry) => entry.sequenceNumber > progress.acknowledgedSequence && !entry.isSuperseded());
    const bytes = passed.reduce((sum, entry) => sum + entry.bytes, 0);
    progress.advance(last, { records: passed.length, bytes });
    return this.#planNew();
  }

  #note({ kind }: PushState, { entries, outcome }: Settled<OwnWrite>): readonly PushEvent[] {
    const { progress, now } = this.#modules;
    // These records were already settled when the peer answered their first push.
    if (kind === 'once more') return [];
    if (outcome.kind === 'counted') {
      for (const entry of entries) {
        if (outcome.allMerged) progress.noteTaken(entry);
        else progress.leaveInDoubt(entry);
      }
      progress.bookResend(entries, now());
      return outcome.allMerged ? entries.map((entry) => ({ kind: 'taken', entry })) : [];
    }
    for (const entry of outcome.taken) progress.noteTaken(entry);
    for (const entry of outcome.later) progress.postpone(entry);
    for (const { entry, reason } of outcome.refused) progress.noteRefusal(entry, reason);
    return [
      ...outcome.taken.map((entry): PushEvent => ({ kind: 'taken', entry })),
      ...outcome.refused.map((refusal): PushEvent => ({ kind: 'refused', ...refusal })),
    ];
  }

  #deliver(entries: readonly OwnWrite[]): UnderWay {
    return { entries, delivery: new Delivery(entries, this.#size), epoch: this.#modules.progress.epoch };
  }

  #planNew(): PushState {
    const { progress, store, sendAbove } = this.#modules;
    const above = sendAbove();
    const batch = progress.retries.isFull ? null : planDelta(store.writesAfter(Math.max(progress.acknowledgedSequence, above)));
    return batch === null ? this.#planAgain(progress.retries.due(above), 0) : { kind: 'new', ...this.#deliver(batch.entries) };
  }

  #planAgain(due: readonly Retry[], from: number): PushState {
    const { progress, store } = this.#modules;
    let upTo = from;
    /** Reads each record in its current state. A record that no longer exists is not sent. */
    function* records(): Generator<OwnWrite> {
      for (; upTo < due.length; upTo += 1) {
        const { appId, key, sequenceNumber } = due[upTo]!;
        const record = store.recordOf(appId, key);
        if (record === null) progress.retries.drop(appId, key);
        else yield { appId, sequenceNumber, bytes: 0, record, isSuperseded: () => true };
      }
    }
    const batch = planDelta(records(), MAX_REJECTIONS_LISTED);
    return batch === null ? this.#planOnceMore() : { kind: 'again', due, upTo, ...this.#deliver(batch.entries) };
  }

  #planOnceMore(): PushState {
    const { progress, now } = this.#modules;
    const { resend } = progress;
    if (resend === null || resend.atMs > now().monotonicMs) return { kind: 'over' };
    const first = this.#deliverOnceMore(resend, resend.from);
    if (first !== null) return first;
    progress.setResend(nextResend(resend, progress.acknowledgedSequence, now()));
    return { kind: 'over' };
  }

  #deliverOnceMore(resend: Resend, from: number): PushState | null {
    const { store, sendAbove } = this.#modules;
    const batch = planDelta(upTo(store.writesAfter(Math.max(from, sendAbove())), resend.to));
    return batch === null ? null : { kind: 'once more', resend, ...this.#deliver(batch.entries) };
  }
}

function* upTo(entries: Iterable<OwnWrite>, sequenceNumber: number): Generator<OwnWrite> {
  for (const entry of entries) {
    if (entry.sequenceNumber > sequenceNumber) return;
    yield entry;
  }
}
