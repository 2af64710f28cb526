/** What is remembered of a peer between rounds of anti-entropy (protocol.md §10, Comparison): when the next may be, and what it refuses. */
import { LRUCache } from 'lru-cache';
import type { BackoffLimits } from '../domain/backoff.ts';
import type { Clock } from '../domain/ports.ts';
import { Rest, type RestModules } from './rest.ts';

/** A round that failed rests longer each time, without holding up pushes. */
const BACKOFF: BackoffLimits = { firstMs: 1_000, lastMs: 60_000 };
/** Between two whole rounds with a peer of an older kind. Milliseconds. */
const WHOLE_EVERY_MS = 600_000;
/** Records remembered that a peer refuses for good. */
const MAX_UNWANTED = 4_096;

export class AntiEntropyState {
  readonly rest: Rest;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** App and key to the digest of a record that the peer refuses for good. */
  readonly #unwanted = new LRUCache<string, string>({ max: MAX_UNWANTED });
  /** Monotonic milliseconds of the last whole round. */
  #wholeAtMs = -Infinity;

  constructor(modules: RestModules) {
    this.rest = new Rest(BACKOFF, modules);
    this.#clock = modules.clock;
  }

  get isWholeDue(): boolean {
    return this.#clock.monotonicMs() - this.#wholeAtMs >= WHOLE_EVERY_MS;
  }

  noteWhole(): void {
    this.#wholeAtMs = this.#clock.monotonicMs();
  }

  /** Refused for good as it is: it need not be offered again by each round. */
  noteUnwanted(appId: string, key: string, digest: string): void {
    this.#unwanted.set(`${appId} ${key}`, digest);
  }

  isUnwanted(appId: string, key: string, digest: string | null): boolean {
    return digest !== null && this.#unwanted.get(`${appId} ${key}`) === digest;
  }

  /** The peer has another store now. */
  reset(): void {
    this.#unwanted.clear();
  }
}
