/**
 * Whether this node is stale (protocol.md §4, Ages). A node is in step with a member at the moment when it completes a snapshot or a round
 * of anti-entropy with that member. A single exchange is not enough, because it may not contain what the node missed. A node is stale if it
 * has not been in step with any member for longer than tombstones are kept: the other nodes may have deleted its records and forgotten the
 * tombstones. A stale node removes no record because of its age, and does not claim that its records are current, until it has merged a
 * complete snapshot from a member that is not stale.
 */
import type { Clock } from '../domain/ports.ts';

export interface StalenessOptions {
  /** `TOMBSTONE_RETENTION_MS`. */
  readonly retentionMs: number;
}

export interface StalenessModules {
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  /** The last sequence number that this node gave to one of its writes. */
  readonly lastSequenceNumber: () => number;
  /** The highest sequence number of this node's writes that any peer has ever acknowledged. */
  readonly acknowledgedByAny: () => number;
}

export class Staleness {
  readonly #retentionMs: number;
  readonly #modules: StalenessModules;
  /** When this node was last in step. Monotonic milliseconds. */
  #lastAtMs: number;
  /** The same moment in Unix milliseconds. Tombstones age by Unix time, and the monotonic clock may stop while the machine sleeps. */
  #lastAtUnixMs: number;
  #sequenceNumberThen = 0;
  #others = 0;
  #stale = false;

  constructor(options: StalenessOptions, modules: StalenessModules) {
    this.#retentionMs = options.retentionMs;
    this.#modules = modules;
    this.#lastAtMs = modules.clock.monotonicMs();
    this.#lastAtUnixMs = modules.clock.nowMs();
  }

  /**
   * Called after a successful exchange with a member. From then on, the other nodes may know all writes that this node has made so far.
   * But the exchange does not bring this node into step.
   */
  noteExchange(): void {
    this.noteTime();
    if (!this.#stale) this.#sequenceNumberThen = this.#modules.lastSequenceNumber();
  }

  /** Called when this node has all records of a member. A stale node stays stale until `resolve` is called. */
  noteInStep(): void {
    this.noteTime();
    if (!this.#stale) this.#noteNow();
  }

  /** @param others number of members except this node; if there are none, this node cannot miss anything */
  noteMembers(others: number): void {
    this.noteTime();
    if (this.#others === 0 || others === 0) this.noteInStep();
    this.#others = others;
  }

  /** Checks whether this node has become stale. If so, it stays stale even if a clock is set back, because earlier decisions rely on its staleness. */
  noteTime(): void {
    this.#stale = this.isStale();
  }

  isStale(): boolean {
    if (this.#stale || this.#others === 0) return this.#stale;
    const { clock } = this.#modules;
    const cutMs = Math.max(clock.monotonicMs() - this.#lastAtMs, clock.nowMs() - this.#lastAtUnixMs);
    return cutMs > this.#retentionMs;
  }

  /**
   * Other nodes may have seen this node's writes up to this sequence number and may have deleted them since then. Later writes were made
   * while this node was cut off, or no peer has acknowledged them. 0 while this node is not stale.
   */
  seenUpTo(): number {
    return this.isStale() ? Math.min(this.#sequenceNumberThen, this.#modules.acknowledgedByAny()) : 0;
  }

  /** Ends staleness. Called when a complete snapshot was merged, or when all members are stale. */
  resolve(): void {
    this.#stale = false;
    this.#noteNow();
  }

  #noteNow(): void {
    const { clock, lastSequenceNumber } = this.#modules;
    this.#lastAtMs = clock.monotonicMs();
    this.#lastAtUnixMs = clock.nowMs();
    this.#sequenceNumberThen = lastSequenceNumber();
  }
}
