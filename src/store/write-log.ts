/**
 * This node's own writes, in the order of their sequence numbers (protocol.md §10, Who sends what). Only the last write to each key has an
 * entry that is not superseded. A peer's place in the log is a sequence number. The cost of finding the entries after a place depends only
 * on how many entries there are after it.
 */

import type { OwnWritesListener } from '../domain/records.ts';

export interface LogEntry<What> {
  readonly sequenceNumber: number;
  /** Null if the entry is superseded, because the key was written again or its record was removed. */
  what: What | null;
  readonly bytes: number;
  /** `taken`: a peer has reported that it has this record or a newer one. `replaced`: a peer's record has since replaced this record. */
  state: 'untaken' | 'taken' | 'replaced';
}

/** Superseded entries are removed when there are more than this many and they outnumber the other entries. */
const SWEEP_ABOVE = 1_024;

export class WriteLog<What> {
  #entries: LogEntry<What>[] = [];
  #valid = 0;
  #validBytes = 0;
  readonly #listeners = new Set<OwnWritesListener>();

  /** @param sequenceNumber higher than all earlier numbers @param bytes approximate size of the record on the wire */
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

  /** Number of entries that are not superseded, and their size in bytes. */
  totals(): { readonly records: number; readonly bytes: number } {
    return { records: this.#valid, bytes: this.#validBytes };
  }

  /** Entries with a sequence number above `above` that are not superseded, in order. The result must be read before the next write. */
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

  /** Searches back from the end in doubling steps, then bisects. */
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
