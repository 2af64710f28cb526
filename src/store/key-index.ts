/** The keys of one app that are counted as present, sorted, for listings (protocol.md §2, §10). */
import type { KeyPage, ListRequest } from '../domain/records.ts';
import { SortedTexts } from './sorted-texts.ts';

export class KeyIndex {
  readonly #keys = new SortedTexts();

  /** @param key a key that is not in the index */
  add(key: string): void {
    this.#keys.add(key);
  }

  /** @param key a key that is in the index */
  remove(key: string): void {
    this.#keys.remove(key);
  }

  list({ prefix = '', after, limit = Infinity }: ListRequest): KeyPage {
    const isBefore = (key: string): boolean => key < prefix || (after !== undefined && key <= after);
    // Reading one more key than requested shows whether there are more keys.
    const keys = this.#keys.between(isBefore, (key) => key.startsWith(prefix), limit + 1);
    return keys.length > limit ? { keys: keys.slice(0, limit), more: true } : { keys, more: false };
  }
}
