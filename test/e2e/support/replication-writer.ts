/**
 * An app that keeps writing while nodes stop and start. It writes each key once, spreads the keys over the nodes, and tries the next node
 * when a node does not answer. It records which node acknowledged each write.
 */
import { createHash } from 'node:crypto';
import { KmsClientError } from '../../../src/client/errors.ts';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import type { DevApp } from '../../../src/dev/dev-app.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

const WRITERS = 8;
/** Timeout of one attempt to write to a node. Milliseconds. */
const TRY_TIMEOUT_MS = 4_000;
/** How long a node waits for an acknowledgement from a second node before it answers the write. Milliseconds. */
const ACK_TIMEOUT_MS = 2_000;
/** For every fourth write, the node must have an acknowledgement from a second node before it answers. */
const ACKED_EVERY = 4;
const LOOK_EVERY_MS = 20;

export interface Written {
  readonly key: string;
  /** The node that answered. */
  readonly node: ClusterNode;
  /** Whether a second node already had the write when the first node answered. */
  readonly acknowledgedByAnother: boolean;
  /** True if the writer got the answer from the first node that it asked. Then no other node can accept the same write later. */
  readonly atFirstTry: boolean;
}

/** Handles each item once, at most `atOnce` concurrently. */
export async function forEachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const workers = Array.from({ length: atOnce }, async () => {
    for (const item of left) await work(item);
  });
  await Promise.all(workers);
}

export class ReplicationWriter {
  readonly written: Written[] = [];
  readonly #app: DevApp;
  readonly #nodes: readonly ClusterNode[];
  readonly #down = new Set<ClusterNode>();
  #begun = 0;

  constructor(app: DevApp, nodes: readonly ClusterNode[]) {
    this.#app = app;
    this.#nodes = nodes;
  }

  /** Marks a node as down or up. The writer sends no new write to a node that is down. */
  setDown(node: ClusterNode, isDown: boolean): void {
    if (isDown) this.#down.add(node);
    else this.#down.delete(node);
  }

  /** Writes `count` more keys. Resolves when each of these writes has been acknowledged by a node. */
  async write(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => this.#begun++);
    await forEachOf(numbers, WRITERS, (number) => this.#writeOne(number));
  }

  /** Waits until `count` writes have been acknowledged since the start. */
  async reached(count: number): Promise<void> {
    await waitUntil({ what: `${count} writes`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () =>
      this.written.length >= count ? null : `${this.written.length} are acknowledged`,
    );
  }

  async #writeOne(number: number): Promise<void> {
    const key = `key-${String(number).padStart(4, '0')}`;
    const wantsAck = number % ACKED_EVERY === 0;
    await waitUntil({ what: `a node accepting ${key}`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
      let tries = 0;
      for (const node of this.#inTurn(number)) {
        tries += 1;
        const taken = await this.#tryOn(node, key, wantsAck);
        if (taken === null) continue;
        this.written.push({ key, node, acknowledgedByAnother: taken === 'on two', atFirstTry: tries === 1 });
        return null;
      }
      return 'no node answered';
    });
  }

  #inTurn(number: number): readonly ClusterNode[] {
    const first = number % this.#nodes.length;
    return [...this.#nodes.slice(first), ...this.#nodes.slice(0, first)].filter((node) => !this.#down.has(node));
  }

  /** @returns on how many nodes the write is known to be; null if it is not known whether this node has it */
  async #tryOn(node: ClusterNode, key: string, wantsAck: boolean): Promise<'on two' | 'on one' | null> {
    const wanted = wantsAck ? { acks: 1, ackTimeoutMs: ACK_TIMEOUT_MS } : {};
    try {
      const { acks = 0 } = await this.#app.client.put({ key, value: valueOf(key), ...wanted }, { node: node.wallet, timeoutMs: TRY_TIMEOUT_MS });
      return acks > 0 ? 'on two' : 'on one';
    } catch (error) {
      if (!(error instanceof KmsClientError)) throw error;
      // The node keeps the write nevertheless (protocol.md §10, "Acknowledged by n").
      if (error.serverCode === 'not_replicated') return 'on one';
      if (error.code === 'unavailable' || error.code === 'timeout') return null;
      throw error;
    }
  }
}

/** The value of a key, the same on every node. */
export function valueOf(key: string): Uint8Array {
  return createHash('sha512').update(key).digest();
}
