/** What is remembered of a peer between rounds of anti-entropy (protocol.md §10, Comparison): when the next may be, and what it refuses. */
import { LRUCache } from 'lru-cache';
import type { BackoffLimits } from '../domain/backoff.ts';
import type { Clock } from '../domain/ports.ts';
import { Rest, type RestModules } from './rest.ts';

/** A round that failed rests longer each time, without holding up pushes. */
const BACKOFF: BackoffLimits = { firstMs: 1_000, lastMs: 60_000 };
/** Between two whole rounds with a peer of an older kind. Milliseconds. */
const WHOLE_EVERY_MS = 600_000;
/** Records remembered that a peer refuses permanently. */
const MAX_UNWANTED = 4_096;

export class AntiEntropyState {
  readonly rest: Rest;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** App and digest of records that the peer refuses permanently. A digest is of the key as well. */
  readonly #unwanted = new LRUCache<string, true>({ max: MAX_UNWANTED });
  #refusesDigests = false;
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

  /** It does not know the type of a digest request: it need not be asked again while nothing else is known of it. */
  noteRefusedDigest(): void {
    this.#refusesDigests = true;
  }

  get refusesDigests(): boolean {
    return this.#refusesDigests;
  }

  /** Refused permanently as it is: it need not be offered again by each round. */
  noteUnwanted(appId: string, digest: string): void {
    this.#unwanted.set(`${appId} ${digest}`, true);
  }

  isUnwanted(appId: string, digest: string): boolean {
    return this.#unwanted.get(`${appId} ${digest}`) === true;
  }

  /** The peer has another store now. */
  reset(): void {
    this.#unwanted.clear();
    this.#refusesDigests = false;
  }
}
