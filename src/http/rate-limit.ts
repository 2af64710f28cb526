/**
 * Rate limits (protocol.md §8): a token bucket per client. The number of buckets is bounded, and the least recently used bucket is dropped
 * first. If that bucket is full again, dropping it changes nothing, because a new bucket starts full. Rate limit libraries read the clock
 * and set timers themselves; this file uses the injected clock, so that a simulated run can be replayed.
 */
import { LRUCache } from 'lru-cache';
import { RefusalError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';

/** Maximum number of buckets. */
const MAX_BUCKETS = 20_000;
const MINUTE_MS = 60_000;

interface Bucket {
  tokens: number;
  /** Monotonic milliseconds of the last refill. */
  filledAtMs: number;
}

export class RateLimit {
  readonly #perMinute: number;
  readonly #maxClients: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Made when the first client arrives, because the cache allocates room for all its buckets at once. */
  #buckets: LRUCache<string, Bucket> | null = null;

  /** @param perMinute 0 means no limit. @param maxClients the number of clients that are limited at the same time, if it is known */
  constructor(perMinute: number, modules: { readonly clock: Pick<Clock, 'monotonicMs'> }, maxClients = MAX_BUCKETS) {
    this.#perMinute = perMinute;
    this.#maxClients = maxClients;
    this.#clock = modules.clock;
  }

  /**
   * Counts one request. @param factor multiplies the limit for this client
   * @throws RefusalError rate_limited with the seconds until the next token
   */
  take(client: string, factor = 1): void {
    const capacity = this.#perMinute * factor;
    if (capacity === 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#buckets ??= new LRUCache({ max: this.#maxClients });
    let bucket = this.#buckets.get(client);
    if (bucket === undefined) {
      bucket = { tokens: capacity, filledAtMs: nowMs };
      this.#buckets.set(client, bucket);
    }
    bucket.tokens = Math.min(capacity, bucket.tokens + ((nowMs - bucket.filledAtMs) * capacity) / MINUTE_MS);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) {
      const waitMs = ((1 - bucket.tokens) * MINUTE_MS) / capacity;
      throw new RefusalError('rate_limited', 'too many requests', Math.ceil(waitMs / 1000));
    }
    bucket.tokens -= 1;
  }

  /** The number of buckets held. */
  get size(): number {
    return this.#buckets?.size ?? 0;
  }
}
