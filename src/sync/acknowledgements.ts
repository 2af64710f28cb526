/**
 * Writes that wait until n peers have acknowledged them (protocol.md §10, Acknowledged by n). A peer that acknowledges a later write to
 * the same key also acknowledges the earlier write, because the later record replaces the earlier one.
 */
import { RefusalError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import type { LocalWrite } from '../domain/records.ts';

/** Maximum number of writes that wait at the same time. For any further write, `wait` rejects immediately; the write still replicates. */
const MAX_WAITING = 4_096;

interface Waiting {
  readonly sequenceNumber: number;
  readonly wanted: number;
  readonly peers: Set<Wallet>;
  readonly done: (count: number) => void;
}

function idOf(appId: string, key: string): string {
  return `${appId} ${key}`;
}

export class Acknowledgements {
  readonly #clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  readonly #waiting = new Map<string, Set<Waiting>>();
  #count = 0;

  constructor(modules: { readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'> }) {
    this.#clock = modules.clock;
  }

  /**
   * Resolves with the number of peers that have acknowledged the write.
   * @throws RefusalError not_replicated after `timeoutMs`, or when too many writes are waiting; the write is kept and still replicates
   */
  async wait(write: LocalWrite, wanted: number, timeoutMs: number): Promise<number> {
    if (this.#count >= MAX_WAITING) throw new RefusalError('not_replicated', 'too many writes are waiting for acknowledgements; this write is kept and still replicates');
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const waiting: Waiting = { sequenceNumber: write.sequenceNumber, wanted, peers: new Set(), done: resolve };
    const id = idOf(write.appId, write.key);
    const there = this.#waiting.get(id);
    if (there === undefined) this.#waiting.set(id, new Set([waiting]));
    else there.add(waiting);
    this.#count += 1;
    const timer = this.#clock.setTimeout(() => {
      const { size } = waiting.peers;
      reject(new RefusalError('not_replicated', `${size} of ${wanted} nodes acknowledged the write in time; the write is kept and still replicates`));
    }, timeoutMs);
    try {
      return await promise;
    } finally {
      this.#clock.clearTimeout(timer);
      this.#count -= 1;
      const left = this.#waiting.get(id);
      left?.delete(waiting);
      if (left?.size === 0) this.#waiting.delete(id);
    }
  }

  /** Notes that the peer has merged or skipped this write of this node. */
  note(peer: Wallet, write: { readonly appId: string; readonly key: string; readonly sequenceNumber: number }): void {
    for (const waiting of this.#waiting.get(idOf(write.appId, write.key)) ?? []) {
      if (write.sequenceNumber < waiting.sequenceNumber) continue;
      waiting.peers.add(peer);
      if (waiting.peers.size >= waiting.wanted) waiting.done(waiting.peers.size);
    }
  }

  /** Number of writes that are waiting now. */
  get size(): number {
    return this.#count;
  }
}
