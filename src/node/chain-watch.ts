/**
 * Reads the chain for this node and keeps the peer cache up to date (protocol.md §1 step 1, §6). One read at a time, for node_tick
 * and for outbound work alike. A read that fails leaves what the one before found.
 */
import { retry } from '../domain/deadline.ts';
import { DependencyError, InvariantError } from '../domain/errors.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import { READ_ATTEMPTS } from '../domain/limits.ts';
import type { ChainView, HashReading, Membership } from '../domain/membership.ts';
import type { Chain, Clock, Log } from '../domain/ports.ts';
import type { PeerCache } from '../registry/peer-cache.ts';

/** Pause before the second read of a hash; twice that before the third. Milliseconds. */
const RETRY_PAUSE_MS = 250;

export interface ChainWatchOptions {
  /** `PEER_CACHE_TTL_SECONDS` in milliseconds. */
  readonly peerCacheTtlMs: number;
}

export interface ChainWatchModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly chain: Pick<Chain, 'readView' | 'readHash'>;
  readonly peerCache: PeerCache;
}

export class ChainWatch {
  readonly #options: ChainWatchOptions;
  readonly #modules: ChainWatchModules;
  #reading: Promise<ChainView> | null = null;
  #view: ChainView | null = null;

  constructor(options: ChainWatchOptions, modules: ChainWatchModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** The view that the current node_tick works with. @throws InvariantError before the first */
  view(): ChainView {
    if (this.#view === null) throw new InvariantError('a step of node_tick ran before the chain was read');
    return this.#view;
  }

  /** For a node_tick. A hash that cannot be read is read again at the same block. @throws DependencyError when there is no view */
  async readForTick(signal: AbortSignal): Promise<ChainView> {
    while (this.#reading !== null) await this.#reading.catch(() => undefined);
    signal.throwIfAborted();
    const view = await this.#read(signal);
    const hash = view.hash.kind === 'unreadable' ? await this.#readHashAgain(view, signal) : view.hash;
    this.#view = { ...view, hash };
    return this.#view;
  }

  /**
   * Before outbound work beside node_tick: reads the membership again when it is older than `PEER_CACHE_TTL_SECONDS`. The view
   * that a node_tick works with stays as it is.
   * @returns the membership where this call has read it
   */
  async refreshForOutbound(signal: AbortSignal): Promise<Membership | null> {
    if (this.#modules.peerCache.ageMs() <= this.#options.peerCacheTtlMs) return null;
    if (this.#reading === null) return (await this.#read(signal)).membership;
    await this.#reading.catch(() => undefined);
    return null;
  }

  #read(signal: AbortSignal): Promise<ChainView> {
    const reading = this.#readView(signal).finally(() => {
      if (this.#reading === reading) this.#reading = null;
    });
    this.#reading = reading;
    return reading;
  }

  async #readView(signal: AbortSignal): Promise<ChainView> {
    const { chain, peerCache, log } = this.#modules;
    const view = await chain.readView(signal);
    signal.throwIfAborted();
    const { members, dropped } = view.membership;
    peerCache.update(view.membership);
    log.debug('membership refreshed', { block: Number(view.block), members: members.length, dropped: dropped.length });
    return view;
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
