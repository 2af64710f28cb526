/**
 * How records age (protocol.md §4, Ages): first a record expires and is treated as absent; later the store forgets it. Each record has at
 * most one timer. The current time is passed as an argument. Each call handles a bounded number of due timers.
 */
import type { Contents } from './contents.ts';
import type { HeldRecord } from './held-record.ts';
import { absentFromMs, goneFromMs, isPresent } from './record.ts';
import { TimingWheel } from './timing-wheel.ts';

export interface AgingOptions {
  readonly tombstoneRetentionMs: number;
}

export interface AgingModules {
  readonly contents: Contents;
  /** True while this node is stale: it does not know which records other nodes have deleted, so it forgets nothing. */
  readonly keepsEverything: () => boolean;
  /** Removes a record from the store. */
  readonly remove: (held: HeldRecord) => void;
}

export class Aging {
  readonly #options: AgingOptions;
  readonly #modules: AgingModules;
  readonly #wheel = new TimingWheel<HeldRecord>();
  /** Records that are due to be forgotten, but stay because the node is stale. */
  readonly #overdue = new Set<HeldRecord>();

  constructor(options: AgingOptions, modules: AgingModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Sets the timer of a record that is new or has changed. */
  start(held: HeldRecord, nowMs: number): void {
    this.stop(held);
    const atMs = isPresent(held, nowMs) ? absentFromMs(held) : goneFromMs(held, this.#options.tombstoneRetentionMs);
    held.timer = Number.isFinite(atMs) ? this.#wheel.schedule(held, atMs) : null;
  }

  /** Cancels the timer of a record, for example when the record is removed. */
  stop(held: HeldRecord): void {
    if (held.timer !== null) this.#wheel.cancel(held.timer);
    held.timer = null;
    this.#overdue.delete(held);
  }

  /**
   * Handles at most `atMost` due timers.
   * @returns whether no due timer is left
   */
  run(nowMs: number, atMost: number): boolean {
    const { contents, keepsEverything, remove } = this.#modules;
    for (let ran = 0; ran < atMost; ran += 1) {
      const due = this.#wheel.takeDue(nowMs);
      if (due === null) return true;
      contents.visits += 1;
      const held = due.what;
      held.timer = null;
      const isGone = nowMs >= goneFromMs(held, this.#options.tombstoneRetentionMs);
      if (isGone && !keepsEverything()) {
        remove(held);
        continue;
      }
      contents.expire(held);
      if (isGone) this.#overdue.add(held);
      else this.start(held, nowMs);
    }
    return false;
  }

  /** Records that are still counted as present although they have expired. */
  *expired(nowMs: number): Generator<HeldRecord> {
    for (const held of this.#wheel.due(nowMs)) if (held.presence === 'present' && !isPresent(held, nowMs)) yield held;
  }

  /** Forgets the records that were due to be forgotten while the node was stale. */
  forgetOverdue(): void {
    for (const held of this.#overdue) this.#modules.remove(held);
    this.#overdue.clear();
  }
}
