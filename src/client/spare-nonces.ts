/**
 * Nonces that nodes sent in earlier answers (protocol.md §10, Next nonce for apps). Each saves a request the round trip of `GET /nonce`.
 * Only a few are kept, and only for a short time. A node that has restarted accepts none of them.
 */
import { LRUCache } from 'lru-cache';
import type { Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { Clock } from '../domain/ports.ts';

/** Maximum number of nonces kept for each node: this many requests to a node can start at the same time without `GET /nonce`. */
const MAX_SPARE_NONCES = 64;
/** Only nonces younger than this are used. This is half the usual lifetime of a nonce (`POP_TIMEOUT_SECONDS`). Milliseconds. */
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

  /** Removes and returns the newest nonce; null when there is none, or when it is too old. */
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
