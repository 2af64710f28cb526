/**
 * Whether this node was out of step with every member for longer than tombstones are kept (protocol.md §4, Ages): a completed
 * round of anti-entropy or snapshot brings it in step. A mere exchange does not, for what it missed may not have been in it.
 * Such a node is stale: what it holds may have been deleted elsewhere and the tombstone forgotten. It keeps everything and
 * vouches for nothing until a member that is not stale gives it a complete snapshot.
 */
import type { Clock } from '../domain/ports.ts';

export interface StalenessOptions {
  /** `TOMBSTONE_RETENTION_MS`. */
  readonly retentionMs: number;
}

export interface StalenessModules {
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  /** The last own number of the store. */
  readonly lastSequenceNumber: () => number;
  /** The highest own sequence number that any peer has ever acknowledged. */
  readonly acknowledgedByAny: () => number;
}

export class Staleness {
  readonly #retentionMs: number;
  readonly #modules: StalenessModules;
  #lastAtMs: number;
  /** Unix milliseconds: tombstones age by this clock, and the other one may stand still while the machine sleeps. */
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

  /** An exchange with a member went well: what is written after it may be unknown to all others. It does not bring this node in step. */
  noteExchange(): void {
    this.noteTime();
    if (!this.#stale) this.#sequenceNumberThen = this.#modules.lastSequenceNumber();
  }

  /** Everything that a member holds is here. It does not end staleness: a complete snapshot does. */
  noteInStep(): void {
    this.noteTime();
    if (!this.#stale) this.#noteNow();
  }

  /** @param others members besides this node: without any, none can be missed */
  noteMembers(others: number): void {
    this.noteTime();
    if (this.#others === 0 || others === 0) this.noteInStep();
    this.#others = others;
  }

  /** Once too much time has passed, this node stays stale, also where a clock is set back: what was decided by that must hold. */
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
   * Own writes up to this number others may have seen, and deleted since. What is above it, this node wrote while it was cut
   * off, or no one else has ever seen it. 0 while it is not stale.
   */
  seenUpTo(): number {
    return this.isStale() ? Math.min(this.#sequenceNumberThen, this.#modules.acknowledgedByAny()) : 0;
  }

  /** A complete snapshot was taken over, or all are stale alike. */
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
