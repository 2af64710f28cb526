/**
 * Whether this node was out of step with every member for longer than tombstones are kept (protocol.md §4, Ages): a completed
 * comparison or snapshot brings it in step, a mere exchange does not, for what it missed may not have been in it. Such a node is
 * stale: what it holds may have been deleted elsewhere and the tombstone forgotten. It keeps everything and vouches for
 * nothing until a member that is not stale gives it a complete snapshot.
 */
import type { Clock } from '../domain/ports.ts';

export interface ContactOptions {
  /** `TOMBSTONE_RETENTION_MS`. */
  readonly retentionMs: number;
}

export interface ContactModules {
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  /** The last own number of the store. */
  readonly lastNumber: () => number;
  /** The highest own number that any peer has ever acknowledged. */
  readonly acknowledgedByAny: () => number;
}

export class Contact {
  readonly #retentionMs: number;
  readonly #modules: ContactModules;
  #lastAtMs: number;
  /** Unix milliseconds: tombstones age by this clock, and the other one may stand still while the machine sleeps. */
  #lastAtUnixMs: number;
  #numberThen = 0;
  #others = 0;
  #stale = false;

  constructor(options: ContactOptions, modules: ContactModules) {
    this.#retentionMs = options.retentionMs;
    this.#modules = modules;
    this.#lastAtMs = modules.clock.monotonicMs();
    this.#lastAtUnixMs = modules.clock.nowMs();
  }

  /** An exchange with a member went well: what is written after it, nobody may have seen. It is no contact yet. */
  noteExchange(): void {
    if (!this.isStale()) this.#numberThen = this.#modules.lastNumber();
  }

  /** Everything that a member holds is here. It does not end staleness: a complete snapshot does. */
  noteInStep(): void {
    if (!this.isStale()) this.#noteNow();
  }

  /** @param others members besides this node: without any, nobody can be missed */
  noteMembers(others: number): void {
    if (this.#others === 0 || others === 0) this.noteInStep();
    this.#others = others;
  }

  isStale(): boolean {
    const { clock } = this.#modules;
    const cutMs = Math.max(clock.monotonicMs() - this.#lastAtMs, clock.nowMs() - this.#lastAtUnixMs);
    this.#stale ||= this.#others > 0 && cutMs > this.#retentionMs;
    return this.#stale;
  }

  /**
   * Own writes up to this number others may have seen, and deleted since. What is above it, this node wrote while it was cut
   * off, or nobody else has ever seen it. 0 while it is not stale.
   */
  seenUpTo(): number {
    return this.isStale() ? Math.min(this.#numberThen, this.#modules.acknowledgedByAny()) : 0;
  }

  /** A complete snapshot was taken over, or all are stale alike. */
  resolve(): void {
    this.#stale = false;
    this.#noteNow();
  }

  #noteNow(): void {
    const { clock, lastNumber } = this.#modules;
    this.#lastAtMs = clock.monotonicMs();
    this.#lastAtUnixMs = clock.nowMs();
    this.#numberThen = lastNumber();
  }
}
