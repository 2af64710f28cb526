/**
 * Fetches the first snapshot (protocol.md §10, First snapshot and Pages), page by page from one member, and from the next member if that
 * one fails half-way. A member that lacks its own first snapshot is incomplete, and says so. Until all other members have been asked, only
 * the first page of an incomplete member is requested. If no member is complete, all records of the incomplete members are merged.
 * `machines/first-snapshot.ts` decides whether that is enough, `machines/early-tick.ts` decides when a failed snapshot is requested again,
 * and `machines/limits.ts` decides how long the step may take.
 *
 * A call always returns within its timeout, and reports how many members it asked. Each member has a timeout too, unless no other member is
 * left to be asked. So no member can use endless pages to prevent a node from becoming ready. If a member's store is too large for one
 * call, the next call continues at the place where the member's pages stopped.
 */
import { DeadlineError, within } from '../domain/deadline.ts';
import { DependencyError, RefusalError } from '../domain/errors.ts';
import type { StoreId, Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log, Random } from '../domain/ports.ts';
import type { MergeReport } from '../domain/records.ts';
import { askOrder } from './ask-order.ts';
import { isPassing } from './delta-plan.ts';
import { hedged } from './hedged.ts';
import { leftOutOf, mergeBatch, type MergeModules } from './merge-batch.ts';
import { MAX_PAGES, requestPage, type Page } from './page-request.ts';
import type { PeerBook } from './peer-book.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';
import { noteFailedAsking, type SureListener } from './sure-members.ts';

/** If no complete member has sent its first page within this time, the next member is asked as well. Milliseconds. */
const HEAD_START_MS = 500;
const MAX_PARALLEL = 4;
/**
 * Timeout of one call. It is shorter than the timeout of the node_tick step, because a step that is cut off would not report how many
 * members the call asked. Milliseconds.
 */
export const SNAPSHOT_TIMEOUT_MS = 110_000;
/** Timeout of one member's pages while there is another member to ask. Milliseconds. */
export const SOURCE_TIMEOUT_MS = 30_000;
/** Maximum number of first pages (from incomplete members) that are kept for later. Any further first page is requested again. */
const MAX_KEPT_PAGES = 4;
/** Maximum age of a `Stop` (the place where a fetch ended) from which a later fetch may continue. Milliseconds. */
const STOP_LIFE_MS = 600_000;

export interface SnapshotOutcome {
  /** Number of members whose first page was requested. */
  readonly asked: number;
  /** Number of members whose snapshot was merged completely. */
  readonly answered: number;
  readonly completeFrom: Wallet | null;
}

export interface SnapshotFetchOptions {
  /** Maximum length of an answer, `MAX_SYNC_PAYLOAD_BYTES`. Older members send everything in one answer. */
  readonly maxAnswerBytes: number;
}

export interface SnapshotFetchModules extends MergeModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly book: PeerBook;
  readonly conversation: Pick<PeerConversation, 'exchange'>;
  /** Called with the number of a member's records that this node rejected, by reason. */
  readonly onLeftOut: (member: Member, leftOut: Readonly<Record<string, number>>) => void;
  readonly sureness: SureListener;
  /** When the running resync began; null while none is running. Monotonic milliseconds. */
  readonly resyncBeganAtMs: () => number | null;
}

interface GivenPage extends Page {
  /** The id of the store that the page comes from; null if the member does not send its store id. */
  readonly storeId: string | null;
  /** When the page was requested. Monotonic milliseconds. */
  readonly askedAtMs: number;
}

interface Source {
  readonly member: Member;
  readonly page: GivenPage;
}

/** A member that lacks its own first snapshot. */
interface IncompleteSource {
  readonly member: Member;
  /** Null if the page was not kept. */
  readonly page: GivenPage | null;
}

/** What is known about the pages of a member that have been merged so far. */
interface Taken {
  /** Whether every page so far has said that the member is sure. */
  readonly sure: boolean;
  /** Whether some records were left out (`too_far_ahead`, `store_full`). */
  readonly leftOut: boolean;
  /** When the first page was requested. Monotonic milliseconds. */
  readonly startedAtMs: number;
}

/** Where a member's pages stopped. This is valid only while the member and this node keep their store ids. */
interface Stop extends Pick<GivenPage, 'complete' | 'storeId'>, Taken {
  readonly cursor: string;
  readonly ownStoreId: StoreId;
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

/** `stopped`: the member's time ran out, and its pages may continue later. */
type SourceEnd = 'merged' | 'failed' | 'stopped';

/** The members asked so far, and the members that have sent all their records. */
interface Round {
  readonly asked: Set<Wallet>;
  readonly given: Set<Wallet>;
}

export class SnapshotFetch {
  readonly #options: SnapshotFetchOptions;
  readonly #modules: SnapshotFetchModules;
  readonly #stops = new Map<Wallet, Stop>();

  constructor(options: SnapshotFetchOptions, modules: SnapshotFetchModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /**
   * @param members all members except this node
   * @param preferred the member to ask first; a complete member whose pages stopped half-way comes before it
   * @throws the signal's reason
   */
  async fetchFirstSnapshot(members: readonly Member[], preferred: Wallet | null, signal: AbortSignal): Promise<SnapshotOutcome> {
    const { clock, log } = this.#modules;
    this.#keepStopsOf(members);
    const halfWay = members.find((member) => this.#stopOf(member)?.complete === true)?.wallet ?? null;
    const round: Round = { asked: new Set(), given: new Set() };
    let completeFrom: Wallet | null = null;
    try {
      completeFrom = await within(clock, 'the first snapshot', SNAPSHOT_TIMEOUT_MS, signal, (limit) =>
        this.#askAll(members, halfWay ?? preferred, round, limit),
      );
    } catch (error) {
      if (signal.aborted || !(error instanceof DeadlineError)) throw error;
      log.warn('the first snapshot was not complete within its time limit', { limit_ms: SNAPSHOT_TIMEOUT_MS });
    }
    return { asked: round.asked.size, answered: round.given.size, completeFrom };
  }

  /** @returns the member that sent a complete snapshot; null if no member did */
  async #askAll(members: readonly Member[], preferred: Wallet | null, round: Round, signal: AbortSignal): Promise<Wallet | null> {
    const { clock, random, book } = this.#modules;
    const incomplete: IncompleteSource[] = [];
    const stopped: Member[] = [];
    let left = askOrder(members, preferred, (member) => book.standingOf(member), random.unit());
    while (left.length > 0) {
      const failed = new Set<Member>();
      const source = await hedged(left, { headStartMs: HEAD_START_MS, maxParallel: MAX_PARALLEL }, clock, signal, async (member, limit) => {
        round.asked.add(member.wallet);
        const page = await this.#firstPage(member, limit);
        if (limit.aborted) return null;
        if (page?.complete === true) return { member, page };
        failed.add(member);
        if (page !== null) incomplete.push({ member, page: incomplete.length < MAX_KEPT_PAGES ? page : null });
        return null;
      });
      if (source === null) break;
      left = left.filter((member) => member !== source.member && !failed.has(member));
      const end = await this.#mergeWithin(source, left.length + incomplete.length > 0, signal);
      if (end === 'merged') return this.#taken(source.member, round);
      if (end === 'stopped') stopped.push(source.member);
    }
    for (const { member, page: kept } of incomplete) {
      const page = kept ?? (await this.#firstPage(member, signal));
      const end = page === null ? 'failed' : await this.#mergeWithin({ member, page }, incomplete.length + stopped.length > 1, signal);
      if (end !== 'merged') continue;
      // The member may have completed its own first snapshot meanwhile.
      if (page?.complete === true) return this.#taken(member, round);
      round.given.add(member.wallet);
    }
    // No other member is left, so the members whose time ran out get the remaining time.
    for (const member of stopped) {
      const page = await this.#firstPage(member, signal);
      if (page?.complete === true && (await this.#mergeAll({ member, page }, signal)) === 'merged') return this.#taken(member, round);
    }
    return null;
  }

  #taken(member: Member, round: Round): Wallet {
    round.given.add(member.wallet);
    this.#modules.log.info('first snapshot is complete', { from: member.wallet });
    return member.wallet;
  }

  async #mergeWithin(source: Source, limited: boolean, signal: AbortSignal): Promise<SourceEnd> {
    if (!limited) return this.#mergeAll(source, signal);
    try {
      return await within(this.#modules.clock, 'the snapshot of one member', SOURCE_TIMEOUT_MS, signal, (limit) => this.#mergeAll(source, limit));
    } catch (error) {
      if (signal.aborted || !(error instanceof DeadlineError)) throw error;
      return 'stopped';
    }
  }

  /** Merges a member's pages to the end. */
  async #mergeAll({ member, page: first }: Source, signal: AbortSignal): Promise<SourceEnd> {
    let page: GivenPage | null = first;
    // If the pages continue after a stop, some records were merged before the stop.
    const stop = this.#stops.get(member.wallet);
    let anyTaken = stop !== undefined;
    let { sure, leftOut }: Pick<Taken, 'sure' | 'leftOut'> = stop ?? { sure: true, leftOut: false };
    const startedAtMs = stop?.startedAtMs ?? first.askedAtMs;
    const { storeId } = this.#modules.store;
    for (let count = 1; count <= MAX_PAGES; count += 1) {
      const report = await this.#merge(member, page);
      signal.throwIfAborted();
      if (report === null || this.#isBeforeResync(startedAtMs)) break;
      anyTaken ||= this.#isUsable(report);
      sure &&= page.sure;
      leftOut ||= Object.keys(leftOutOf(report)).some(isPassing);
      const { nextCursor } = page;
      if (nextCursor === null) {
        this.#stops.delete(member.wallet);
        // If this node could not accept any record, it does not know whether the snapshot is complete.
        if (!anyTaken) return 'failed';
        this.#modules.sureness.onMerged(member, { store: storeId, sure, leftOut });
        return 'merged';
      }
      this.#noteStop(member, page, nextCursor, { sure, leftOut, startedAtMs });
      page = await this.#page(member, nextCursor, signal);
      signal.throwIfAborted();
      // The stop is kept, because this page may be requested again later.
      if (page === null) return 'failed';
      // The pages do not belong together if the member has a different store now, or became complete or incomplete meanwhile.
      if (page.storeId !== first.storeId || page.complete !== first.complete) break;
    }
    this.#stops.delete(member.wallet);
    return 'failed';
  }

  /**
   * Merges a page. Bad records are counted, but the member is not blamed, because it may have received them from another member.
   * @returns null if the page is not usable and at least one record was rejected for a temporary reason (such as a full store), or if this
   * node's store was emptied
   */
  async #merge(member: Member, { data, complete }: Page): Promise<MergeReport | null> {
    const { log, onVerdict, onLeftOut, ...merging } = this.#modules;
    try {
      // A member without its own first snapshot may have missed later changes to the records that it sends, so no verdict is reported.
      const report = await mergeBatch(data, complete && onVerdict !== undefined ? { ...merging, onVerdict } : merging);
      if (report.rejected === 0) return report;
      const leftOut = leftOutOf(report);
      onLeftOut(member, leftOut);
      log.warn('some records of a snapshot page were left out', { from: member.wallet, of: report.total, ...leftOut });
      return !this.#isUsable(report) && Object.keys(leftOut).some(isPassing) ? null : report;
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      log.warn('a snapshot page could not be merged', { from: member.wallet, why: error.message });
      return null;
    }
  }

  /**
   * Whether a page tells this node something about the member's records. A page whose records were all rejected does not. Records that a
   * full store rejects during a resync are an exception, because the store gets room only when the resync drops the records that the
   * snapshot lacks.
   */
  #isUsable({ total, rejected, skip_reasons: { store_full: full = 0 } }: MergeReport): boolean {
    const waiting = this.#modules.resyncBeganAtMs() === null ? 0 : full;
    return total === 0 || rejected - waiting < total;
  }

  /** Requests the page at which a member's snapshot starts, or continues after a stop; returns null if the member does not send the page. */
  async #firstPage(member: Member, signal: AbortSignal): Promise<GivenPage | null> {
    const stop = this.#stopOf(member);
    if (stop === null) return this.#page(member, null, signal);
    const page = await this.#page(member, stop.cursor, signal);
    if (page !== null && page.storeId === stop.storeId && page.complete === stop.complete) return page;
    // The stop still exists, so the member has not refused the cursor, and may send this page later.
    if (page === null && this.#stops.has(member.wallet)) return null;
    this.#stops.delete(member.wallet);
    return signal.aborted ? null : this.#page(member, null, signal);
  }

  /** Requests one page; returns null if the member does not send the page. */
  async #page(member: Member, cursor: string | null, signal: AbortSignal): Promise<GivenPage | null> {
    const { book, clock, log, sureness } = this.#modules;
    const { maxAnswerBytes } = this.#options;
    const askedAtMs = clock.monotonicMs();
    try {
      const page = await requestPage(member, { cursor }, { maxAnswerBytes, signal }, this.#modules);
      sureness.onAnswered(member, page.sure);
      return { ...page, storeId: book.stateOf(member).storeId, askedAtMs };
    } catch (error) {
      const isPeerError = error instanceof PeerError;
      const isBadAnswer = isPeerError && error.failure === 'bad_answer';
      if (isBadAnswer) book.noteWrong(member);
      if (isBadAnswer || (cursor !== null && isPeerError && error.status === 400)) this.#stops.delete(member.wallet);
      if (signal.aborted) return null;
      if (!(isPeerError || error instanceof DependencyError)) throw error;
      noteFailedAsking(sureness, member, error);
      log.debug('a member sent no snapshot page', { member: member.wallet, why: error.message });
      return null;
    }
  }

  #noteStop(member: Member, { complete, storeId }: GivenPage, cursor: string, taken: Taken): void {
    const { clock, store } = this.#modules;
    this.#stops.set(member.wallet, { ...taken, cursor, complete, storeId, ownStoreId: store.storeId, atMs: clock.monotonicMs() });
  }

  /** Null if there is no stop, or if it can no longer be used. */
  #stopOf(member: Member): Stop | null {
    const { clock, store, book } = this.#modules;
    const stop = this.#stops.get(member.wallet);
    if (stop === undefined) return null;
    const sameStores = stop.ownStoreId === store.storeId && stop.storeId !== null && stop.storeId === book.stateOf(member).storeId;
    if (sameStores && clock.monotonicMs() - stop.atMs < STOP_LIFE_MS && !this.#isBeforeResync(stop.startedAtMs)) return stop;
    this.#stops.delete(member.wallet);
    return null;
  }

  /**
   * Whether a snapshot was started before the running resync began. The resync has not seen the first pages of such a snapshot, and would
   * drop their records as unknown. So the snapshot does not count, and its pages are requested from the start again.
   */
  #isBeforeResync(startedAtMs: number): boolean {
    const beganAtMs = this.#modules.resyncBeganAtMs();
    return beganAtMs !== null && startedAtMs < beganAtMs;
  }

  #keepStopsOf(members: readonly Member[]): void {
    const wallets = new Set(members.map(({ wallet }) => wallet));
    for (const wallet of this.#stops.keys()) if (!wallets.has(wallet)) this.#stops.delete(wallet);
  }
}
