/**
 * Splits a list of records into batches that one peer accepts, and finds the records that the peer does not accept. Only this module makes
 * batches smaller (protocol.md §4, Sizes; §9.6, §9.10, §9.17; §10, Rejections). Pure: `next` returns what to send; `answered` and `failed`
 * receive the outcome. `delta-push.ts` does the sending.
 *
 * Invariants: records are settled in order, each exactly once; a batch holds at least one record, except in `checking`; a finished delivery
 * sends nothing.
 */
import { invariant } from '../domain/errors.ts';
import { MAX_RECORDS, planDelta, type AccountedOutcome, type DeltaBatch, type DeltaOutcome, type Sent } from './delta-plan.ts';
import { MAX_REJECTIONS_LISTED } from './merge-batch.ts';
import type { PeerError } from './peer-error.ts';

/**
 * A record that fails even when it is sent alone is a suspect. After this many suspects in a row, a few of the records that follow are sent
 * alone, as samples.
 */
export const MAX_SUSPECTS_IN_A_ROW = 8;
/** Maximum number of samples. If all of them fail, the peer is considered broken. */
export const MAX_SAMPLES = 4;

/** Statuses with which other nodes refuse a whole batch because of one record (protocol.md §9.10, §9.17). */
const POISONED: ReadonlySet<number | undefined> = new Set([400, 413, 422, 500]);

/** The state of a delivery. Places are indexes into the list of records. */
export type DeliveryState =
  /** Batches are as large as a push may be. */
  | { readonly kind: 'streaming' }
  /**
   * A batch failed because of its records. Batches hold at most `size` records. `size` is halved after each failure and doubled after each
   * answer.
   */
  | { readonly kind: 'narrowing'; readonly size: number }
  /** The peer refused more records than its answer can list. Up to place `until`, batches are so small that the list can name them all. */
  | { readonly kind: 'itemizing'; readonly size: number; readonly until: number }
  /** So many records failed in a row that the peer may be broken. Some later records are tried one by one, in the order of `places`. */
  | { readonly kind: 'sampling'; readonly places: readonly number[]; readonly failure: PeerError }
  /** An oversized body failed with `unreachable`. An empty batch shows whether the peer can be reached at all. */
  | { readonly kind: 'checking' }
  | { readonly kind: 'over' }
  /** The peer is at fault, not the records. */
  | { readonly kind: 'broken'; readonly failure: PeerError };

/** Records that have just been settled, and their outcome. */
export interface Settled<Entry extends Sent> {
  readonly entries: readonly Entry[];
  readonly outcome: AccountedOutcome<Entry>;
}

const EMPTY: DeltaBatch<never> = { entries: [], data: {}, oversized: false };

export class Delivery<Entry extends Sent> {
  readonly #entries: readonly Entry[];
  /** Place of the first record that is not settled. */
  #at = 0;
  #state: DeliveryState;
  #suspects: Entry[] = [];
  /** Number of suspects since the peer's last answer. */
  #inARow = 0;
  #anyPassed = false;
  #firstFailure: PeerError | null = null;
  #asked: DeltaBatch<Entry> | null = null;

  /** @param size maximum number of records in the first batch; less than `MAX_RECORDS` if an earlier delivery ended with small batches */
  constructor(entries: readonly Entry[], size = MAX_RECORDS) {
    this.#entries = entries;
    this.#state = entries.length === 0 ? { kind: 'over' } : narrowedTo(size);
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** Records that failed even when each was sent alone. The cause may be the record or the peer. */
  get suspects(): readonly Entry[] {
    return this.#suspects;
  }

  /** Whether the peer answered at least one batch of records, which shows that it is not completely broken. */
  get anyPassed(): boolean {
    return this.#anyPassed;
  }

  /** The failure of the first suspect. */
  get firstFailure(): PeerError | null {
    return this.#firstFailure;
  }

  /** The current maximum number of records in a batch. */
  get size(): number {
    return this.#state.kind === 'narrowing' || this.#state.kind === 'itemizing' ? this.#state.size : MAX_RECORDS;
  }

  /** The batch to send; null when the delivery is over. The batch stays the same until `answered` or `failed` is called. */
  next(): DeltaBatch<Entry> | null {
    this.#asked ??= this.#plan();
    return this.#asked;
  }

  /** Call this when the peer has answered the batch. @returns null if this settles no record */
  answered(outcome: DeltaOutcome<Entry>): Settled<Entry> | null {
    const batch = this.#takeAsked();
    const state = this.#state;
    if (state.kind === 'checking') return this.#settle(1, postponed(this.#entries[this.#at]!), narrowedTo(MAX_RECORDS));
    this.#anyPassed = true;
    this.#inARow = 0;
    // The sample is sent again when its turn comes, after the records that precede it.
    if (state.kind === 'sampling') return this.#enter({ kind: 'narrowing', size: 1 });
    const count = batch.entries.length;
    if (outcome.kind !== 'unlisted') return this.#settle(count, outcome, this.#grown());
    if (count === 1) return this.#settle(1, refused(batch.entries[0]!, 'unlisted'), this.#grown());
    // The next batches have at most `MAX_REJECTIONS_LISTED` records, because a peer that runs this implementation can list that many
    // rejections. If this batch was already that small, the peer lists fewer than that, so the next batches have one record each.
    const size = count > MAX_REJECTIONS_LISTED ? MAX_REJECTIONS_LISTED : 1;
    return this.#enter({ kind: 'itemizing', size, until: this.#at + count });
  }

  /** Call this when the batch has failed. @returns null if this settles no record */
  failed(failure: PeerError): Settled<Entry> | null {
    const batch = this.#takeAsked();
    const state = this.#state;
    if (state.kind === 'sampling') {
      if (!isPoisoned(failure)) return this.#enter({ kind: 'broken', failure });
      const places = state.places.slice(1);
      return this.#enter(places.length === 0 ? { kind: 'broken', failure: state.failure } : { ...state, places });
    }
    if (state.kind === 'checking') {
      if (failure.status === undefined) return this.#enter({ kind: 'broken', failure });
      return this.#settle(1, postponed(this.#entries[this.#at]!), narrowedTo(MAX_RECORDS));
    }
    if (!isAboutRecords(batch, failure)) return this.#enter({ kind: 'broken', failure });
    const [entry] = batch.entries;
    if (batch.entries.length > 1) return this.#enter(this.#halved(batch.entries.length));
    if (failure.status === 413) return this.#settle(1, refused(entry!, 'too_large'), state);
    // Either the peer closed the connection because the body was too large, or the peer is unreachable.
    if (batch.oversized && failure.failure === 'unreachable') return this.#enter({ kind: 'checking' });
    if (batch.oversized) return this.#settle(1, postponed(entry!), state);
    return this.#suspect(entry!, failure);
  }

  #plan(): DeltaBatch<Entry> | null {
    const state = this.#state;
    switch (state.kind) {
      case 'streaming':
        return planDelta(this.#from(this.#at, this.#entries.length));
      case 'narrowing':
        return planDelta(this.#from(this.#at, this.#entries.length), state.size);
      case 'itemizing':
        return planDelta(this.#from(this.#at, state.until), state.size);
      case 'sampling':
        return planDelta([this.#entries[state.places[0]!]!]);
      case 'checking':
        return EMPTY;
      case 'over':
      case 'broken':
        return null;
    }
  }

  *#from(start: number, end: number): Generator<Entry> {
    for (let place = start; place < end; place += 1) yield this.#entries[place]!;
  }

  #takeAsked(): DeltaBatch<Entry> {
    const asked = this.#asked;
    invariant(asked !== null, 'a peer answered a delta that was not sent');
    this.#asked = null;
    return asked;
  }

  #enter(state: DeliveryState): null {
    this.#state = state;
    return null;
  }

  #settle(count: number, outcome: AccountedOutcome<Entry>, state: DeliveryState): Settled<Entry> {
    const entries = this.#entries.slice(this.#at, this.#at + count);
    this.#pass(count, state);
    return { entries, outcome };
  }

  #pass(count: number, state: DeliveryState): void {
    this.#at += count;
    invariant(this.#at <= this.#entries.length, 'a delivery settled more entries than it had');
    if (this.#at === this.#entries.length) this.#state = { kind: 'over' };
    else if (state.kind === 'itemizing' && this.#at >= state.until) this.#state = narrowedTo(state.size);
    else this.#state = state;
  }

  #grown(): DeliveryState {
    return this.#state.kind === 'narrowing' ? narrowedTo(this.#state.size * 2) : this.#state;
  }

  #halved(count: number): DeliveryState {
    const size = Math.ceil(count / 2);
    return this.#state.kind === 'itemizing' ? { ...this.#state, size } : { kind: 'narrowing', size };
  }

  #suspect(entry: Entry, failure: PeerError): null {
    this.#suspects.push(entry);
    this.#firstFailure ??= failure;
    this.#inARow += 1;
    this.#pass(1, this.#state);
    // If no record is left, no sample can be tried. The next delivery will show whether the peer is broken.
    if (this.#inARow < MAX_SUSPECTS_IN_A_ROW || this.#state.kind === 'over') return null;
    return this.#enter({ kind: 'sampling', places: this.#samplePlaces(), failure });
  }


  /** Indexes of a few of the remaining records, spread over the list. The index of the last record comes first. */
  #samplePlaces(): readonly number[] {
    const left = this.#entries.length - this.#at;
    const places = Array.from({ length: MAX_SAMPLES }, (_, index) => this.#at + Math.ceil((left * (MAX_SAMPLES - index)) / MAX_SAMPLES) - 1);
    return [...new Set(places)].filter((place) => place >= this.#at);
  }
}

function narrowedTo(size: number): DeliveryState {
  return size >= MAX_RECORDS ? { kind: 'streaming' } : { kind: 'narrowing', size: Math.max(1, size) };
}

function postponed<Entry extends Sent>(entry: Entry): AccountedOutcome<Entry> {
  return { kind: 'told', taken: [], later: [entry], refused: [] };
}

function refused<Entry extends Sent>(entry: Entry, reason: string): AccountedOutcome<Entry> {
  return { kind: 'told', taken: [], later: [], refused: [{ entry, reason }] };
}

/**
 * Whether a batch may have failed because of its records, so that smaller batches may succeed. Older nodes refuse bodies over 2 MiB, some
 * of them by closing the connection.
 */
function isAboutRecords(batch: DeltaBatch<Sent>, failure: PeerError): boolean {
  return isPoisoned(failure) || (batch.oversized && failure.failure === 'unreachable');
}

export function isPoisoned({ status }: PeerError): boolean {
  return POISONED.has(status);
}
