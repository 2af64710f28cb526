/**
 * What this node wrote itself, in the order of its own sequence numbers (protocol.md §10, Who sends what): one entry per key, the
 * last. A peer's place in it is a number. Finding what comes after a place costs by how much that is, not by how much is
 * held.
 */

import type { OwnWritesListener } from '../domain/records.ts';

export interface LogEntry<What> {
  readonly sequenceNumber: number;
  /** null once the entry is superseded: the key was written again, or nothing of it is kept. */
  what: What | null;
  readonly bytes: number;
  /** `taken`: a peer has said that it has it, or a later one. `replaced`: what is held of the key has come from a peer since. */
  state: 'untaken' | 'taken' | 'replaced';
}

/** Superseded entries are swept out when they are more than this and more than half. */
const SWEEP_ABOVE = 1_024;

export class WriteLog<What> {
  #entries: LogEntry<What>[] = [];
  #valid = 0;
  #validBytes = 0;
  readonly #listeners = new Set<OwnWritesListener>();

  /** @param number above every number before @param bytes about what the record takes on the wire */
  append(sequenceNumber: number, what: What, bytes: number): LogEntry<What> {
    const entry: LogEntry<What> = { sequenceNumber, what, bytes, state: 'untaken' };
    this.#entries.push(entry);
    this.#valid += 1;
    this.#validBytes += bytes;
    for (const listener of this.#listeners) listener.onAppended(entry);
    return entry;
  }

  supersede(entry: LogEntry<What>): void {
    if (entry.what === null) return;
    entry.what = null;
    this.#valid -= 1;
    this.#validBytes -= entry.bytes;
    for (const listener of this.#listeners) listener.onSuperseded(entry);
    if (this.#entries.length - this.#valid > Math.max(SWEEP_ABOVE, this.#entries.length / 2)) {
      this.#entries = this.#entries.filter(({ what }) => what !== null);
    }
  }

  clear(): void {
    for (const entry of this.#entries) entry.what = null;
    this.#entries = [];
    this.#valid = 0;
    this.#validBytes = 0;
  }

  /** Valid entries, and their bytes. */
  totals(): { readonly records: number; readonly bytes: number } {
    return { records: this.#valid, bytes: this.#validBytes };
  }

  /** Valid entries with a sequence number above `above`, in order. To be read before anything is written again. */
  *after(above: number): Generator<LogEntry<What> & { readonly what: What }> {
    for (let at = this.#firstAfter(above); at < this.#entries.length; at += 1) {
      const entry = this.#entries[at]!;
      if (entry.what !== null) yield entry as LogEntry<What> & { readonly what: What };
    }
  }

  listen(listener: OwnWritesListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Galloping back from the end, then halving. */
  #firstAfter(above: number): number {
    const entries = this.#entries;
    let step = 1;
    let low = entries.length;
    let high = entries.length;
    while (low > 0 && entries[low - 1]!.sequenceNumber > above) {
      high = low - 1;
      low = Math.max(0, low - step);
      step *= 2;
    }
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle]!.sequenceNumber > above) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
