/**
 * The keys of one app in order, for listings. Changes are only noted; a listing sorts what was noted since the last one
 * into the rest. So a write costs the same at any size, and a page of a listing costs its length once the list is in order.
 */

import type { KeyPage, ListRequest } from '../domain/records.ts';

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export class KeyIndex {
  #sorted: string[] = [];
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();

  add(key: string): void {
    if (!this.#removed.delete(key)) this.#added.add(key);
  }

  remove(key: string): void {
    if (!this.#added.delete(key)) this.#removed.add(key);
  }

  list({ prefix = '', after, limit = Infinity }: ListRequest): KeyPage {
    this.#settle();
    const keys: string[] = [];
    let at = this.#firstFrom(prefix);
    if (after !== undefined && after >= prefix) {
      at = this.#firstFrom(after);
      if (this.#sorted[at] === after) at += 1;
    }
    for (; at < this.#sorted.length; at += 1) {
      const key = this.#sorted[at]!;
      if (!key.startsWith(prefix)) break;
      if (keys.length >= limit) return { keys, more: true };
      keys.push(key);
    }
    return { keys, more: false };
  }

  #settle(): void {
    if (this.#added.size + this.#removed.size === 0) return;
    const added = [...this.#added].sort(compare);
    const merged: string[] = [];
    let next = 0;
    for (const key of this.#sorted) {
      if (this.#removed.has(key)) continue;
      while (next < added.length && added[next]! < key) merged.push(added[next++]!);
      merged.push(key);
    }
    while (next < added.length) merged.push(added[next++]!);
    this.#sorted = merged;
    this.#added.clear();
    this.#removed.clear();
  }

  #firstFrom(key: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
