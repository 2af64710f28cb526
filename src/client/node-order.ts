/** The order in which nodes are asked: round robin, with a node that has what the caller wants first and recently failed nodes last. */
import { LRUCache } from 'lru-cache';
import type { Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import { FAILED_NODE_MS } from './options.ts';

/** Until when each failed node is asked after the others. Monotonic milliseconds. */
export class FailureBook {
  readonly #untilMs = new LRUCache<Wallet, number>({ max: MAX_MEMBERS });

  /** @param retryAfterMs the node's own `Retry-After` */
  note(node: Wallet, nowMs: number, retryAfterMs: number | undefined): void {
    this.#untilMs.set(node, nowMs + (retryAfterMs ?? FAILED_NODE_MS));
  }

  forgive(node: Wallet): void {
    this.#untilMs.delete(node);
  }

  /** 0 when the node did not fail recently. */
  untilMs(node: Wallet, nowMs: number): number {
    const untilMs = this.#untilMs.get(node) ?? 0;
    return untilMs > nowMs ? untilMs : 0;
  }
}

/**
 * The nodes in the order in which to ask them.
 * @param turn counts the calls; the next call starts with the next node
 * @param isFirst true for a node that is asked before all others
 */
export function orderNodes<Node extends { readonly wallet: Wallet }>(
  nodes: readonly Node[],
  turn: number,
  failedUntilMs: (node: Wallet) => number,
  isFirst: (node: Node) => boolean = () => false,
): readonly Node[] {
  const start = nodes.length === 0 ? 0 : turn % nodes.length;
  const rotated = [...nodes.slice(start), ...nodes.slice(0, start)];
  // The sort is stable: nodes that did not fail keep their turn, and failed nodes follow in the order in which they are due.
  return rotated.sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)) || failedUntilMs(a.wallet) - failedUntilMs(b.wallet));
}
