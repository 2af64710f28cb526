/** The order in which nodes are asked: first a node that has the requested record, then the others in turn, and last the failed nodes. */
import { LRUCache } from 'lru-cache';
import type { Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import { FAILED_NODE_MS } from './options.ts';

/** Remembers until when each failed node comes last in the order. Monotonic milliseconds. */
export class FailureBook {
  readonly #untilMs = new LRUCache<Wallet, number>({ max: MAX_MEMBERS });

  /** @param retryAfterMs the node's `Retry-After` */
  note(node: Wallet, nowMs: number, retryAfterMs: number | undefined): void {
    this.#untilMs.set(node, nowMs + (retryAfterMs ?? FAILED_NODE_MS));
  }

  forgive(node: Wallet): void {
    this.#untilMs.delete(node);
  }

  /** Until when the node comes last in the order; 0 when it did not fail recently. */
  untilMs(node: Wallet, nowMs: number): number {
    const untilMs = this.#untilMs.get(node) ?? 0;
    return untilMs > nowMs ? untilMs : 0;
  }
}

/**
 * The nodes in the order in which to ask them.
 * @param turn the number of the call; each call begins one place later in the list than the previous call
 * @param isFirst whether a node is asked before all others
 */
export function orderNodes<Node extends { readonly wallet: Wallet }>(
  nodes: readonly Node[],
  turn: number,
  failedUntilMs: (node: Wallet) => number,
  isFirst: (node: Node) => boolean = () => false,
): readonly Node[] {
  const start = nodes.length === 0 ? 0 : turn % nodes.length;
  const rotated = [...nodes.slice(start), ...nodes.slice(0, start)];
  // The sort is stable: nodes that did not fail keep the round-robin order. Failed nodes follow, sorted by their `failedUntilMs`.
  return rotated.sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)) || failedUntilMs(a.wallet) - failedUntilMs(b.wallet));
}
