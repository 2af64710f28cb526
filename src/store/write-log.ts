/**
 * What this node wrote itself, in the order of its own numbers (protocol.md §10, Who sends what): one line per key, the
 * last. A peer's place in it is a number. Finding what comes after a place costs by how much that is, not by how much is
 * held.
 */

import type { OwnWritesListener } from '../domain/records.ts';

export interface LogLine<What> {
  readonly number: number;
  /** null once the line is void: the key was written again, or nothing of it is kept. */
  what: What | null;
  readonly bytes: number;
  /** A peer has said that it has it, or a later one. */
  taken: boolean;
  /** What is held of the key has come from a peer since. */
  replaced: boolean;
}

/** Void lines are swept out when they are more than this and more than half. */
const SWEEP_ABOVE = 1_024;

export class WriteLog<What> {
  #lines: LogLine<What>[] = [];
  #valid = 0;
  #validBytes = 0;
  readonly #listeners = new Set<OwnWritesListener>();

  /** @param number above every number before @param bytes about what the record takes on the wire */
  append(number: number, what: What, bytes: number): LogLine<What> {
    const line: LogLine<What> = { number, what, bytes, taken: false, replaced: false };
    this.#lines.push(line);
    this.#valid += 1;
    this.#validBytes += bytes;
    for (const listener of this.#listeners) listener.onLine(line);
    return line;
  }

  void(line: LogLine<What>): void {
    if (line.what === null) return;
    line.what = null;
    this.#valid -= 1;
    this.#validBytes -= line.bytes;
    for (const listener of this.#listeners) listener.onVoid(line);
    if (this.#lines.length - this.#valid > Math.max(SWEEP_ABOVE, this.#lines.length / 2)) {
      this.#lines = this.#lines.filter(({ what }) => what !== null);
    }
  }

  clear(): void {
    for (const line of this.#lines) line.what = null;
    this.#lines = [];
    this.#valid = 0;
    this.#validBytes = 0;
  }

  /** Valid lines, and their bytes. */
  totals(): { readonly records: number; readonly bytes: number } {
    return { records: this.#valid, bytes: this.#validBytes };
  }

  /** Valid lines with a number above `mark`, in order. To be read before anything is written again. */
  *after(mark: number): Generator<LogLine<What> & { readonly what: What }> {
    for (let at = this.#firstAfter(mark); at < this.#lines.length; at += 1) {
      const line = this.#lines[at]!;
      if (line.what !== null) yield line as LogLine<What> & { readonly what: What };
    }
  }

  listen(listener: OwnWritesListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Galloping back from the end, then halving. */
  #firstAfter(mark: number): number {
    const lines = this.#lines;
    let step = 1;
    let low = lines.length;
    let high = lines.length;
    while (low > 0 && lines[low - 1]!.number > mark) {
      high = low - 1;
      low = Math.max(0, low - step);
      step *= 2;
    }
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lines[middle]!.number > mark) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
