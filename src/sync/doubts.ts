/**
 * The writes of this node that are doubtful for one peer. The peer may not have them, because it refused them or did not say what happened
 * to them. A tombstone may be forgotten early only if it is not doubtful for any peer (protocol.md §4, Ages). The memory is bounded: when
 * the sequence number of the oldest doubtful write is dropped, all writes up to that number are considered doubtful.
 */

/** Maximum number of sequence numbers remembered individually. */
const MAX_DOUBTS = 4_096;

export class Doubts {
  readonly #numbers = new Set<number>();
  /** All numbers up to this one are considered doubtful. */
  #upTo = 0;

  has(sequenceNumber: number): boolean {
    return sequenceNumber <= this.#upTo || this.#numbers.has(sequenceNumber);
  }

  add(sequenceNumber: number): void {
    this.#numbers.add(sequenceNumber);
    if (this.#numbers.size <= MAX_DOUBTS) return;
    const [oldest] = this.#numbers as Iterable<number>;
    this.#numbers.delete(oldest!);
    this.#upTo = Math.max(this.#upTo, oldest!);
  }

  /** Removes a doubt, because the peer has this write after all. */
  settle(sequenceNumber: number): void {
    this.#numbers.delete(sequenceNumber);
  }

  clear(): void {
    this.#numbers.clear();
    this.#upTo = 0;
  }
}
