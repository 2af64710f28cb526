/** The keys of one app that read as present, sorted, for listings (protocol.md §2, §10). */
import type { KeyPage, ListRequest } from '../domain/records.ts';
import { SortedTexts } from './sorted-texts.ts';

export class KeyIndex {
  readonly #keys = new SortedTexts();

  /** @param key one that is not in the index */
  add(key: string): void {
    this.#keys.add(key);
  }

  /** @param key one that is in the index */
  remove(key: string): void {
    this.#keys.remove(key);
  }

  list({ prefix = '', after, limit = Infinity }: ListRequest): KeyPage {
    const isBefore = (key: string): boolean => key < prefix || (after !== undefined && key <= after);
    // One key more than asked for shows whether there are more.
    const keys = this.#keys.between(isBefore, (key) => key.startsWith(prefix), limit + 1);
    return keys.length > limit ? { keys: keys.slice(0, limit), more: true } : { keys, more: false };
  }
}
