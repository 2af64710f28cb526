/**
 * Gets a list of records to one peer in as few batches as the peer takes, and finds those that it cannot take: the one place
 * that makes batches smaller (protocol.md §4, Sizes; §9.6, §9.10, §9.17; §10, Rejections). Pure: `next` says what to send,
 * `answered` and `failed` hear what came of it. `delta-push.ts` performs.
 *
 * Invariants: records are settled in their order, each once; a batch is at least one record; nothing is asked once it is over.
 */
import { invariant } from '../domain/errors.ts';
import { MAX_RECORDS, planDelta, type AccountedOutcome, type DeltaBatch, type DeltaOutcome, type Sent } from './delta-plan.ts';
import { MAX_REJECTIONS_LISTED } from './merge-batch.ts';
import type { PeerError } from './peer-error.ts';

/** Records at which a peer may fail in a row before a few others are tried. */
export const MAX_SUSPECTS_IN_A_ROW = 8;
/** So many: when it fails at them as well, it is taken for broken. */
export const MAX_SAMPLES = 4;

/** Statuses with which other nodes answer a batch for one record in it (protocol.md §9.10, §9.17). */
const POISONED: ReadonlySet<number | undefined> = new Set([400, 413, 422, 500]);

/** Where a delivery stands. Places are those of the list. */
export type DeliveryState =
  /** Batches as large as a body may be. */
  | { readonly kind: 'streaming' }
  /** A batch failed for what is in it: at most `size` records at once, half of it after each failure, twice after each answer. */
  | { readonly kind: 'narrowing'; readonly size: number }
  /** The peer refused more than it lists: portions that it can list, before place `until`. */
  | { readonly kind: 'itemizing'; readonly size: number; readonly until: number }
  /** So many failed in a row that it may be the peer: some of those behind are tried alone, the first of `places` next. */
  | { readonly kind: 'sampling'; readonly places: readonly number[]; readonly failure: PeerError }
  /** The connection was closed at a body that only some take. An empty batch shows whether the peer is there at all. */
  | { readonly kind: 'checking' }
  | { readonly kind: 'over' }
  /** It is the peer that fails, and not the records. */
  | { readonly kind: 'broken'; readonly failure: PeerError };

/** The outcome for the first records that were not settled before. */
export interface Settled<Entry extends Sent> {
  readonly entries: readonly Entry[];
  readonly outcome: AccountedOutcome<Entry>;
}

const EMPTY: DeltaBatch<never> = { entries: [], data: {}, oversized: false };

export class Delivery<Entry extends Sent> {
  readonly #entries: readonly Entry[];
  /** The first record that is not settled. */
  #at = 0;
  #state: DeliveryState;
  #suspects: Entry[] = [];
  /** Suspects since the peer took something. */
  #inARow = 0;
  #anyPassed = false;
  #firstFailure: PeerError | null = null;
  #asked: DeltaBatch<Entry> | null = null;

  /** @param size records that the first batch may hold, where a delivery before this one had to send few at once */
  constructor(entries: readonly Entry[], size = MAX_RECORDS) {
    this.#entries = entries;
    this.#state = entries.length === 0 ? { kind: 'over' } : narrowedTo(size);
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** Records at which the peer failed alone: they may be why, and the peer may be. */
  get suspects(): readonly Entry[] {
    return this.#suspects;
  }

  /** The peer took at least one batch: it is not broken as a whole. */
  get anyPassed(): boolean {
    return this.#anyPassed;
  }

  /** With the first suspect. */
  get firstFailure(): PeerError | null {
    return this.#firstFailure;
  }

  /** Records that a batch may hold by now. */
  get size(): number {
    return this.#state.kind === 'narrowing' || this.#state.kind === 'itemizing' ? this.#state.size : MAX_RECORDS;
  }

  /** What to send; the same until it was answered or has failed, and null once the delivery is over. */
  next(): DeltaBatch<Entry> | null {
    this.#asked ??= this.#plan();
    return this.#asked;
  }

  /** The peer answered the batch. Null while nothing is settled by that. */
  answered(outcome: DeltaOutcome<Entry>): Settled<Entry> | null {
    const batch = this.#takeAsked();
    const state = this.#state;
    if (state.kind === 'checking') return this.#settle(1, postponed(this.#entries[this.#at]!), narrowedTo(MAX_RECORDS));
    this.#anyPassed = true;
    this.#inARow = 0;
    // It is sent again in its turn, after the ones before it.
    if (state.kind === 'sampling') return this.#enter({ kind: 'narrowing', size: 1 });
    const count = batch.entries.length;
    if (outcome.kind !== 'unlisted') return this.#settle(count, outcome, this.#grown());
    if (count === 1) return this.#settle(1, refused(batch.entries[0]!, 'unlisted'), this.#grown());
    // What is a part of a batch fits where the batch did. A peer may list fewer than this node does.
    const size = count > MAX_REJECTIONS_LISTED ? MAX_REJECTIONS_LISTED : 1;
    return this.#enter({ kind: 'itemizing', size, until: this.#at + count });
  }

  /** The batch came to nothing. Null while nothing is settled by that. */
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
    // A peer that closes the connection at a large body may be away, too.
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
    invariant(asked !== null, 'a peer answered what it was not asked');
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
    invariant(this.#at <= this.#entries.length, 'a delivery settles no more than it was given');
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
    // With nothing behind them, the peer shows at the next delivery whether it is broken.
    if (this.#inARow < MAX_SUSPECTS_IN_A_ROW || this.#state.kind === 'over') return null;
    return this.#enter({ kind: 'sampling', places: this.#samplePlaces(), failure });
  }


  /** A few of those that are left, far apart, the last one first. */
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
 * Whether a batch may have failed for what is in it, and smaller ones may pass. Older nodes refuse bodies over 2 MiB, some by
 * closing the connection.
 */
function isAboutRecords(batch: DeltaBatch<Sent>, failure: PeerError): boolean {
  return isPoisoned(failure) || (batch.oversized && failure.failure === 'unreachable');
}

export function isPoisoned({ status }: PeerError): boolean {
  return POISONED.has(status);
}
