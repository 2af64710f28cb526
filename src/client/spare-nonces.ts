/**
 * Nonces that came with earlier answers (protocol.md §10, Next nonce for apps): a request that has one saves the round trip for
 * `GET /nonce`. They are few, and used while they are young; a node that was started again knows none of them.
 */
import { LRUCache } from 'lru-cache';
import type { Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { Clock } from '../domain/ports.ts';

/** Of one node: as many requests may begin at once without asking for a nonce. */
const MAX_SPARE_NONCES = 64;
/** Half of a nonce's usual life (`POP_TIMEOUT_SECONDS`). Milliseconds. */
const YOUNG_MS = 60_000;

interface SpareNonce {
  readonly nonce: string;
  /** Monotonic milliseconds. */
  readonly cameMs: number;
}

export class SpareNonces {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Oldest first. */
  readonly #byNode = new LRUCache<Wallet, SpareNonce[]>({ max: MAX_MEMBERS });

  constructor(modules: { readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#clock = modules.clock;
  }

  keep(node: Wallet, nonce: string): void {
    const spare = this.#byNode.get(node) ?? [];
    spare.push({ nonce, cameMs: this.#clock.monotonicMs() });
    if (spare.length > MAX_SPARE_NONCES) spare.shift();
    this.#byNode.set(node, spare);
  }

  /** The youngest; null when there is none that is young. It is not given a second time. */
  take(node: Wallet): string | null {
    const youngest = this.#byNode.get(node)?.pop();
    if (youngest === undefined) return null;
    if (this.#clock.monotonicMs() - youngest.cameMs < YOUNG_MS) return youngest.nonce;
    this.forget(node);
    return null;
  }

  forget(node: Wallet): void {
    this.#byNode.delete(node);
  }
}
