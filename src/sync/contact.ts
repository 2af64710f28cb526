/**
 * Whether this node was cut off from every member for longer than tombstones are kept (protocol.md §4, Ages). Such a node is
 * stale: what it holds may have been deleted elsewhere and the tombstone forgotten. It keeps everything and vouches for
 * nothing until a member that is not stale gives it a complete snapshot.
 */
import type { Clock } from '../domain/ports.ts';

export interface ContactOptions {
  /** `TOMBSTONE_RETENTION_MS`. */
  readonly retentionMs: number;
}

export class Contact {
  readonly #retentionMs: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #lastNumber: () => number;
  #lastAtMs: number;
  #numberThen = 0;
  #others = 0;
  #stale = false;

  /** @param modules lastNumber: the last own number of the store */
  constructor(options: ContactOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs'>; readonly lastNumber: () => number }) {
    this.#retentionMs = options.retentionMs;
    this.#clock = modules.clock;
    this.#lastNumber = modules.lastNumber;
    this.#lastAtMs = this.#clock.monotonicMs();
  }

  /** An exchange with a member went well. It does not end staleness: a snapshot does. */
  note(): void {
    if (this.isStale()) return;
    this.#lastAtMs = this.#clock.monotonicMs();
    this.#numberThen = this.#lastNumber();
  }

  /** @param others members besides this node: without any, nobody can be missed */
  noteMembers(others: number): void {
    if (this.#others === 0 || others === 0) this.note();
    this.#others = others;
  }

  isStale(): boolean {
    this.#stale ||= this.#others > 0 && this.#clock.monotonicMs() - this.#lastAtMs > this.#retentionMs;
    return this.#stale;
  }

  /** What this node wrote with a number above this, it wrote while it was cut off. 0 while it is not stale. */
  writtenWhileCutOff(): number {
    return this.isStale() ? this.#numberThen : 0;
  }

  /** A complete snapshot was taken over, or all are stale alike. */
  resolve(): void {
    this.#stale = false;
    this.#lastAtMs = this.#clock.monotonicMs();
    this.#numberThen = this.#lastNumber();
  }
}
