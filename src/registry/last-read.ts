/**
 * Remembers the last reading of each entry of the registry (protocol.md §6), because an entry that cannot be read now may still exist.
 * `keepOnly` limits the remembered entries to those of the last view.
 */
import type { Entry } from './membership-rules.ts';
import type { ViewResult } from './view-call.ts';

interface Remembered<T> {
  readonly value: T | null;
  readonly atMs: number;
}

export class LastRead<Key, T> {
  readonly #ttlMs: number;
  readonly #elapsedMs: () => number;
  #entries = new Map<Key, Remembered<T>>();

  /** @param ttlMs how long the last reading of an entry may be used, in milliseconds */
  constructor(ttlMs: number, modules: { readonly elapsedMs: () => number }) {
    this.#ttlMs = ttlMs;
    this.#elapsedMs = modules.elapsedMs;
  }

  /**
   * Remembers an entry that was read. For an entry that could not be read, returns its last reading.
   * @param result what the contract returned; a revert means that there is no such entry
   * @param valueOf returns null when the contract answered with the entry of a different key, which means that it has none for this key
   * @returns undefined when the entry cannot be read now and was not read within the ttl
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

  /** Forgets the entries of all keys except these. */
  keepOnly(keys: Iterable<Key>): void {
    const kept = new Map<Key, Remembered<T>>();
    for (const key of keys) {
      const known = this.#entries.get(key);
      if (known !== undefined) kept.set(key, known);
    }
    this.#entries = kept;
  }
}
