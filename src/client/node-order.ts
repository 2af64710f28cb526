/** Which node is asked next: round robin, one that has what is asked for first, those that failed a short while ago last. */
import { LRUCache } from 'lru-cache';
import type { Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import { FAILED_NODE_MS } from './options.ts';

/** Until when each node is asked after the others. Monotonic milliseconds. */
export class FailureBook {
  readonly #untilMs = new LRUCache<Wallet, number>({ max: MAX_MEMBERS });

  /** @param retryAfterMs what the node itself asked for */
  note(node: Wallet, nowMs: number, retryAfterMs: number | undefined): void {
    this.#untilMs.set(node, nowMs + (retryAfterMs ?? FAILED_NODE_MS));
  }

  forgive(node: Wallet): void {
    this.#untilMs.delete(node);
  }

  /** 0 when the node did not fail lately. */
  untilMs(node: Wallet, nowMs: number): number {
    const untilMs = this.#untilMs.get(node) ?? 0;
    return untilMs > nowMs ? untilMs : 0;
  }
}

/**
 * The nodes in the order to ask them.
 * @param turn counts the calls; the next call starts with the next node
 * @param isFirst asked before all others
 */
export function orderNodes<Node extends { readonly wallet: Wallet }>(
  nodes: readonly Node[],
  turn: number,
  failedUntilMs: (node: Wallet) => number,
  isFirst: (node: Node) => boolean = () => false,
): readonly Node[] {
  const start = nodes.length === 0 ? 0 : turn % nodes.length;
  const rotated = [...nodes.slice(start), ...nodes.slice(0, start)];
  // A stable sort: nodes that did not fail keep their turn, the others come by when they are due.
  return rotated.sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)) || failedUntilMs(a.wallet) - failedUntilMs(b.wallet));
}
