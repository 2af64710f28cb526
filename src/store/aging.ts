/**
 * What age does to records (protocol.md §4, Ages): first a record reads as absent, then nothing of it is kept. Each has at most
 * one timer; the time is an argument, and each call does a bounded part of what is due.
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
  /** The node was cut off for too long to know what is gone: nothing is forgotten. */
  readonly keepsEverything: () => boolean;
  /** Takes a record out of the store. */
  readonly remove: (held: HeldRecord) => void;
}

export class Aging {
  readonly #options: AgingOptions;
  readonly #modules: AgingModules;
  readonly #wheel = new TimingWheel<HeldRecord>();
  /** Past their age while everything is kept. */
  readonly #overdue = new Set<HeldRecord>();

  constructor(options: AgingOptions, modules: AgingModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Begins with a record that has come or has changed. */
  start(held: HeldRecord, nowMs: number): void {
    this.stop(held);
    const atMs = isPresent(held, nowMs) ? absentFromMs(held) : goneFromMs(held, this.#options.tombstoneRetentionMs);
    held.timer = Number.isFinite(atMs) ? this.#wheel.schedule(held, atMs) : null;
  }

  /** Ends with a record that goes. */
  stop(held: HeldRecord): void {
    if (held.timer !== null) this.#wheel.cancel(held.timer);
    held.timer = null;
    this.#overdue.delete(held);
  }

  /**
   * Does what is due, at most so many times.
   * @returns whether nothing that is due is left
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

  /** Records that still count as present although their lifetime is over. */
  *expired(nowMs: number): Generator<HeldRecord> {
    for (const held of this.#wheel.due(nowMs)) if (held.presence === 'present' && !isPresent(held, nowMs)) yield held;
  }

  /** Forgets what is past its age again, after a time in which everything was kept. */
  forgetOverdue(): void {
    for (const held of this.#overdue) this.#modules.remove(held);
    this.#overdue.clear();
  }
}
