/**
 * The read-through cache for app authorization (protocol.md §6). The number of entries is limited. Each entry has a time to live, which is
 * at most 10 s for an unknown wallet. Parallel lookups of a wallet share one read. A failed read of the chain is not cached, and the
 * caller then answers 503, not 403.
 */
import { LRUCache } from 'lru-cache';
import { within } from '../domain/deadline.ts';
import { elapsedMs } from '../domain/elapsed.ts';
import { DependencyError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import type { AppRecord } from '../domain/membership.ts';
import type { AppRegistry, Clock } from '../domain/ports.ts';
import type { AppReader } from './app-reader.ts';

/** Maximum number of cached wallets. */
const MAX_WALLETS = 10_000;
/** Maximum number of lookups at the same time; further lookups are refused. */
const MAX_FLIGHTS = 256;
/** Maximum time for which an unknown wallet is cached. Milliseconds. */
const UNKNOWN_TTL_MS = 10_000;
/** Timeout of one lookup. Milliseconds. */
const LOOKUP_TIMEOUT_MS = 10_000;

export interface CachedNovaRegistryOptions {
  /** `REGISTRY_CACHE_TTL_SECONDS` in milliseconds; if 0, every lookup reads the chain. */
  readonly ttlMs: number;
}

export class CachedNovaRegistry implements AppRegistry {
  readonly #options: CachedNovaRegistryOptions;
  readonly #reader: AppReader;
  readonly #clock: Clock;
  readonly #elapsed: () => number;
  /** Made when the first wallet is looked up, because the cache allocates room for all its entries at once. */
  #records: LRUCache<Wallet, AppRecord> | null = null;
  readonly #flights = new Map<Wallet, Promise<AppRecord>>();

  constructor(options: CachedNovaRegistryOptions, modules: { readonly reader: AppReader; readonly clock: Clock }) {
    this.#options = options;
    this.#reader = modules.reader;
    this.#clock = modules.clock;
    this.#elapsed = elapsedMs(modules.clock);
  }

  /** @throws DependencyError when the chain cannot be read */
  async lookup(wallet: Wallet): Promise<AppRecord> {
    const known = this.#records?.get(wallet);
    if (known !== undefined) return known;
    const flight = this.#flights.get(wallet);
    if (flight !== undefined) return flight;
    if (this.#flights.size >= MAX_FLIGHTS) {
      throw new DependencyError('chain', 'unreachable', 'too many registry lookups are under way');
    }
    const read = this.#read(wallet).finally(() => this.#flights.delete(wallet));
    this.#flights.set(wallet, read);
    return read;
  }

  async #read(wallet: Wallet): Promise<AppRecord> {
    const { ttlMs } = this.#options;
    const record = await within(this.#clock, 'the registry lookup', LOOKUP_TIMEOUT_MS, undefined, (signal) =>
      this.#reader.read(wallet, signal),
    );
    const ttl = record.instance.id === 0n ? Math.min(ttlMs, UNKNOWN_TTL_MS) : ttlMs;
    // With a resolution of 0, the cache starts no timer.
    this.#records ??= new LRUCache({ max: MAX_WALLETS, ttlResolution: 0, perf: { now: () => this.#elapsed() + 1 } });
    if (ttl > 0) this.#records.set(wallet, record, { ttl });
    return record;
  }
}
