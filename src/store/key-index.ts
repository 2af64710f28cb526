/** The keys of one app that are counted as present, sorted, for listings (protocol.md §2, §10). */
import type { KeyPage, ListRequest, QuotedKeyPage } from '../domain/records.ts';
import { quotedArray, quoteKeys, type QuotedKeys } from './quoted-keys.ts';
import { compareTexts, joinRuns, SortedTexts, type Run } from './sorted-texts.ts';

export class KeyIndex {
  readonly #quoted: QuotedKeys;
  readonly #keys: SortedTexts;

  constructor(quoted: QuotedKeys) {
    this.#quoted = quoted;
    this.#keys = new SortedTexts(compareTexts, (piece) => quoted.drop(piece));
  }

  /** @param key a key that is not in the index */
  add(key: string): void {
    this.#keys.add(key);
  }

  /** @param key a key that is in the index */
  remove(key: string): void {
    this.#keys.remove(key);
  }

  list(request: ListRequest): KeyPage {
    const { runs, more } = this.#find(request);
    return { keys: joinRuns(runs), more };
  }

  /** The page that `list` returns, as quoted JSON. */
  listQuoted(request: ListRequest): QuotedKeyPage {
    const { runs, more } = this.#find(request);
    const keys = quotedArray(runs.map(({ texts, isPiece }) => (isPiece ? this.#quoted.of(texts) : quoteKeys(texts))));
    return { keys, count: lengthOf(runs), more };
  }

  #find({ prefix = '', after, limit = Infinity }: ListRequest): { readonly runs: readonly Run[]; readonly more: boolean } {
    const isBefore = (key: string): boolean => key < prefix || (after !== undefined && key <= after);
    // Reading one more key than requested shows whether there are more keys.
    const runs = this.#keys.runsBetween(isBefore, (key) => key.startsWith(prefix), limit + 1);
    return lengthOf(runs) > limit ? { runs: withoutLast(runs), more: true } : { runs, more: false };
  }
}

function lengthOf(runs: readonly Run[]): number {
  return runs.reduce((sum, { texts }) => sum + texts.length, 0);
}

function withoutLast(runs: readonly Run[]): readonly Run[] {
  const texts = runs.at(-1)!.texts.slice(0, -1);
  return texts.length === 0 ? runs.slice(0, -1) : [...runs.slice(0, -1), { texts, isPiece: false }];
}
