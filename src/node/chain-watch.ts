/**
 * Reads the chain for this node and keeps the peer cache up to date (protocol.md §1 step 1, §6). Only one read runs at a time, whether
 * node_tick or outbound work needs it. A failed read leaves the results of the previous one in place.
 */
import { retry } from '../domain/deadline.ts';
import { DependencyError, InvariantError } from '../domain/errors.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import { READ_ATTEMPTS } from '../domain/limits.ts';
import type { Hash32 } from '../domain/ids.ts';
import type { ChainView, HashReading, Membership } from '../domain/membership.ts';
import type { Chain, Clock, Log } from '../domain/ports.ts';
import type { ChainFigures } from '../domain/figures.ts';
import { endsReady, isFreshEnough, isOutdated, viewAgeMs, type FreshnessLimits, type Instant, type ViewTimes } from '../machines/view-age.ts';
import type { PeerCache } from '../registry/peer-cache.ts';

/** Pause before the third read of a hash. The second read follows the first immediately. Milliseconds. */
const RETRY_PAUSE_MS = 250;

export interface ChainWatchOptions extends FreshnessLimits {
  /** `PEER_CACHE_TTL_SECONDS` in milliseconds. */
  readonly peerCacheTtlMs: number;
}

export interface ChainWatchModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly chain: Pick<Chain, 'readView' | 'readHash'>;
  readonly peerCache: PeerCache;
}

/** The hash reading of a good view. A view whose hash is unreadable is not good. */
export type ReadableHash = Exclude<HashReading, { kind: 'unreadable' }>;

export class ChainWatch {
  readonly #options: ChainWatchOptions;
  readonly #modules: ChainWatchModules;
  #reading: Promise<ChainView> | null = null;
  #view: ChainView | null = null;
  #times: ViewTimes | null = null;
  /** The hash in the last good view, even if no node_tick has used that view. */
  #lastHash: ReadableHash | null = null;
  #failing: { readonly sinceMs: number; readonly why: string } | null = null;

  constructor(options: ChainWatchOptions, modules: ChainWatchModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** The view that the current node_tick uses. @throws InvariantError before the first good view */
  view(): ChainView {
    if (this.#view === null) throw new InvariantError('a step of node_tick ran before the chain had been read');
    return this.#view;
  }

  /**
   * Whether the master secret may be handed to a member of the last good view. The view must be recent enough, and it must show the same
   * hash as the view of the last node_tick, because a read between two node_ticks may show that the hash was reset.
   */
  mayHandOut(): boolean {
    return isFreshEnough(this.#times, this.#now(), this.#options) && shownHash(this.#lastHash) === shownHash(this.#view?.hash ?? null);
  }

  /** What `/status` and `/readyz` show about the reads of the chain. */
  figures(): ChainFigures {
    const now = this.#now();
    const ends = this.#failing === null ? isOutdated : endsReady;
    return {
      viewAgeMs: this.#times === null ? null : viewAgeMs(this.#times, now, this.#options),
      viewBlockMs: this.#times?.blockMs ?? null,
      failing: this.#failing,
      isFresh: this.#times !== null && !ends(this.#times, now, this.#options),
    };
  }

  /**
   * Reads the chain for a node_tick. If the hash cannot be read, the read of the hash is retried at the same block. If no attempt succeeds,
   * the whole read counts as failed, and the previous view remains in use.
   * @throws DependencyError when no view could be read
   */
  async readForTick(signal: AbortSignal): Promise<ChainView> {
    while (this.#reading !== null) await this.#reading.catch(() => undefined);
    signal.throwIfAborted();
    const view = await this.#read(signal);
    if (view.hash.kind !== 'unreadable') this.#view = view;
    return view;
  }

  /**
   * Called before outbound work outside node_tick: reads the membership again if it is older than `PEER_CACHE_TTL_SECONDS`. The view that a
   * node_tick uses does not change.
   * @returns the membership if this call has read it, otherwise null
   */
  async refreshForOutbound(signal: AbortSignal): Promise<Membership | null> {
    if (this.#modules.peerCache.ageMs() <= this.#options.peerCacheTtlMs) return null;
    if (this.#reading !== null) {
      await this.#reading.catch(() => undefined);
      return null;
    }
    const view = await this.#read(signal);
    return view.hash.kind === 'unreadable' ? null : view.membership;
  }

  #now(): Instant {
    const { clock } = this.#modules;
    return { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
  }

  #read(signal: AbortSignal): Promise<ChainView> {
    const reading = this.#readOnce(signal).finally(() => {
      if (this.#reading === reading) this.#reading = null;
    });
    this.#reading = reading;
    return reading;
  }

  async #readOnce(signal: AbortSignal): Promise<ChainView> {
    try {
      const view = await this.#readView(signal);
      if (view.hash.kind === 'unreadable') this.#noteFailure(view.hash.detail);
      else this.#noteView(view);
      return view;
    } catch (error) {
      this.#noteFailure(signal.aborted ? 'no answer before the timeout of the step' : describeFailure(error));
      throw error;
    }
  }

  async #readView(signal: AbortSignal): Promise<ChainView> {
    const view = await this.#modules.chain.readView(signal);
    signal.throwIfAborted();
    return view.hash.kind === 'unreadable' ? { ...view, hash: await this.#readHashAgain(view, signal) } : view;
  }

  #noteView(view: ChainView): void {
    const { peerCache, log } = this.#modules;
    const { nowMs, monotonicMs } = this.#now();
    const { members, dropped } = view.membership;
    peerCache.update(view.membership);
    this.#times = { blockMs: view.timestampMs, readAtMs: nowMs, readAtMonotonicMs: monotonicMs };
    if (view.hash.kind !== 'unreadable') this.#lastHash = view.hash;
    this.#failing = null;
    log.debug('membership refreshed', { block: Number(view.block), members: members.length, dropped: dropped.length });
  }

  #noteFailure(why: string): void {
    this.#failing = { sinceMs: this.#failing?.sinceMs ?? this.#modules.clock.nowMs(), why };
  }

  async #readHashAgain({ block }: ChainView, signal: AbortSignal): Promise<HashReading> {
    const { chain, clock } = this.#modules;
    try {
      return await retry(clock, READ_ATTEMPTS - 1, RETRY_PAUSE_MS, signal, async () => {
        const again = await chain.readHash(block, signal);
        if (again.kind === 'unreadable') throw new DependencyError('chain', 'malformed', again.detail);
        return again;
      });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof DependencyError)) throw error;
      return { kind: 'unreadable', detail: describeFailure(error) };
    }
  }
}

/** The hash that a view shows; null if it shows none. */
function shownHash(reading: HashReading | null): Hash32 | null {
  return reading?.kind === 'read' ? reading.hash : null;
}
