/**
 * App wallets that were authorized within the last day (protocol.md §8). Behind the platform's TCP proxy, each wallet counts as one client.
 */
import { LRUCache } from 'lru-cache';
import { elapsedMs } from '../domain/elapsed.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';

const REMEMBERED_MS = 24 * 60 * 60 * 1_000;
/**
 * Maximum number of remembered wallets. Above it, the least recently used wallet is dropped. Strangers cannot cause this, because only
 * registered instances are added.
 */
const MAX_WALLETS = 20_000;

export class AuthorizedWallets {
  readonly #elapsed: () => number;
  /** Made when the first wallet is noted, because the cache allocates room for all its entries at once. */
  #wallets: LRUCache<Wallet, true> | null = null;

  constructor(modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'> }) {
    this.#elapsed = elapsedMs(modules.clock);
  }

  note(wallet: Wallet): void {
    // With a resolution of 0 the cache sets no timer.
    this.#wallets ??= new LRUCache({ max: MAX_WALLETS, ttl: REMEMBERED_MS, ttlResolution: 0, perf: { now: () => this.#elapsed() + 1 } });
    this.#wallets.set(wallet, true);
  }

  has(wallet: Wallet): boolean {
    return this.#wallets?.has(wallet) ?? false;
  }
}
