/**
 * What this node remembers about a peer between rounds of anti-entropy (protocol.md §10, Comparison): when the next round may start, and
 * which records the peer refuses.
 */
import { LRUCache } from 'lru-cache';
import type { BackoffLimits } from '../domain/backoff.ts';
import type { Clock } from '../domain/ports.ts';
import { Rest, type RestModules } from './rest.ts';

/** The pause after a failed round. It grows with each consecutive failure. Pushes do not wait for the end of the pause. */
const BACKOFF: BackoffLimits = { firstMs: 1_000, lastMs: 60_000 };
/** Time between two full rounds with an older peer. Each of these rounds fetches the peer's complete snapshot. Milliseconds. */
const WHOLE_EVERY_MS = 600_000;
/** Maximum number of records remembered as permanently refused by the peer. */
const MAX_UNWANTED = 4_096;

export class AntiEntropyState {
  readonly rest: Rest;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /**
   * App id and digest of each record that the peer refuses permanently. The digest covers the key too. Null until the peer refuses a
   * record, because the cache allocates room for all its entries at once.
   */
  #unwanted: LRUCache<string, true> | null = null;
  #refusesDigests = false;
  /** When the last full round ended. Monotonic milliseconds. */
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

  /**
   * Notes that the peer does not know digest requests. This node sends the peer no further digest requests until an answer shows that the
   * peer is a current node.
   */
  noteRefusedDigest(): void {
    this.#refusesDigests = true;
  }

  get refusesDigests(): boolean {
    return this.#refusesDigests;
  }

  /** Notes that the peer refused this record permanently. Later rounds do not send the record again. */
  noteUnwanted(appId: string, digest: string): void {
    this.#unwanted ??= new LRUCache({ max: MAX_UNWANTED });
    this.#unwanted.set(`${appId} ${digest}`, true);
  }

  isUnwanted(appId: string, digest: string): boolean {
    return this.#unwanted?.get(`${appId} ${digest}`) === true;
  }

  /** Forgets the peer's refusals, because the peer now has another store, or this node's store was emptied. */
  reset(): void {
    this.#unwanted = null;
    this.#refusesDigests = false;
  }
}
