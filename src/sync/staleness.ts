/**
 * Whether this node has been out of step with every member for longer than tombstones are kept (protocol.md §4, Ages). Such a node is
 * stale: records that it holds may have been deleted elsewhere, and their tombstones forgotten. It keeps everything and vouches for nothing
 * until a member that is not stale gives it a complete snapshot. A completed round of anti-entropy or a completed snapshot brings a node in
 * step. A single exchange does not, because it may not contain what the node missed.
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
  #lastAtMs: number;
  /** Unix milliseconds. The age of tombstones is measured on this clock. The monotonic clock may stand still while the machine sleeps. */
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
   * An exchange with a member succeeded. Writes after it may be unknown to all other nodes. The exchange does not bring this node in step.
   */
  noteExchange(): void {
    this.noteTime();
    if (!this.#stale) this.#sequenceNumberThen = this.#modules.lastSequenceNumber();
  }

  /** This node has all that a member holds. This does not end staleness; `resolve` does. */
  noteInStep(): void {
    this.noteTime();
    if (!this.#stale) this.#noteNow();
  }

  /** @param others number of members except this node; if there are none, there is nothing to miss */
  noteMembers(others: number): void {
    this.noteTime();
    if (this.#others === 0 || others === 0) this.noteInStep();
    this.#others = others;
  }

  /** Once too much time has passed, this node stays stale even if a clock is set back. Decisions based on its staleness must stay valid. */
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
   * Other nodes may have seen this node's writes up to this sequence number, and deleted them since. Writes above it were made while this
   * node was cut off, or no peer has acknowledged them. 0 while this node is not stale.
   */
  seenUpTo(): number {
    return this.isStale() ? Math.min(this.#sequenceNumberThen, this.#modules.acknowledgedByAny()) : 0;
  }

  /** A complete snapshot was taken over, or all members are stale. */
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
