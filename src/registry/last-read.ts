/**
 * Entries of the registry as they were last read (protocol.md §6): one that cannot be read now is not gone. Bounded by the
 * entries of the last view that had them.
 */
import type { Entry } from './membership-rules.ts';
import type { ViewResult } from './views.ts';

interface Remembered<T> {
  readonly value: T | null;
  readonly atMs: number;
}

export class LastRead<Key, T> {
  readonly #ttlMs: number;
  readonly #elapsedMs: () => number;
  #entries = new Map<Key, Remembered<T>>();

  /** @param ttlMs how long an entry may be older than its last reading. Milliseconds */
  constructor(ttlMs: number, modules: { readonly elapsedMs: () => number }) {
    this.#ttlMs = ttlMs;
    this.#elapsedMs = modules.elapsedMs;
  }

  /**
   * Notes what was read; what was not is as it was last read.
   * @param result what the view gave; a revert means that there is no such entry
   * @param valueOf null: the contract answered for another one, so that it knows none of this key
   * @returns undefined: it cannot be read, nor could it lately
   */
  resolve(key: Key, result: ViewResult | undefined, valueOf: (raw: unknown) => T | null): Entry<T> | undefined {
    if (result?.ok === true || result?.why === 'reverted') {
      const value = result.ok ? valueOf(result.value) : null;
      this.#entries.set(key, { value, atMs: this.#elapsedMs() });
      return { value, asLastRead: false };
    }
    const known = this.#entries.get(key);
    if (known === undefined || this.#elapsedMs() - known.atMs > this.#ttlMs) return undefined;
    return { value: known.value, asLastRead: true };
  }

  /** Forgets the others. */
  keepOnly(keys: Iterable<Key>): void {
    const kept = new Map<Key, Remembered<T>>();
    for (const key of keys) {
      const known = this.#entries.get(key);
      if (known !== undefined) kept.set(key, known);
    }
    this.#entries = kept;
  }
}
