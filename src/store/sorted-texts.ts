/**
 * A sorted set of strings: the keys of an app, or the ids of the apps. The strings are kept in pieces of bounded length. Adding or removing
 * a string moves a few hundred neighbours at most, and a range of any length is copied piece by piece. A user of the set may keep something
 * that it has made from a whole piece, until the set reports that the piece changes.
 */

/** A piece with more strings than this is split in two. */
const MAX_PIECE = 512;
/** Two neighbouring pieces are joined if they have at most this many strings together. An empty piece is always joined. */
const JOINED_PIECE = MAX_PIECE / 2;

export type Compare = (a: string, b: string) => number;

/** Compares by UTF-16 code units. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A place between two strings: the piece, and how many of its strings come before the place. */
interface Place {
  readonly piece: number;
  readonly at: number;
}

/** Neighbouring strings of the set. */
export interface Run {
  readonly texts: readonly string[];
  /** Whether the run is a whole piece. Then `texts` is the piece itself, which the set may change later. Otherwise it is a copy. */
  readonly isPiece: boolean;
}

export class SortedTexts {
  readonly #compare: Compare;
  readonly #onChange: (piece: readonly string[]) => void;
  /** No piece is empty, unless it is the only one. */
  readonly #pieces: string[][] = [[]];

  /** @param onChange called before a piece changes or is replaced */
  constructor(compare: Compare = compareTexts, onChange: (piece: readonly string[]) => void = () => undefined) {
    this.#compare = compare;
    this.#onChange = onChange;
  }

  /** @param text a string that is not in the set */
  add(text: string): void {
    const { piece, at } = this.#place((other) => this.#compare(other, text) < 0);
    const texts = this.#pieces[piece]!;
    this.#onChange(texts);
    texts.splice(at, 0, text);
    // Both halves are copies, because an array that is shortened keeps its memory.
    if (texts.length > MAX_PIECE) this.#pieces.splice(piece, 1, texts.slice(0, MAX_PIECE / 2), texts.slice(MAX_PIECE / 2));
  }

  /** @param text a string that is in the set */
  remove(text: string): void {
    const { piece, at } = this.#place((other) => this.#compare(other, text) < 0);
    const texts = this.#pieces[piece]!;
    this.#onChange(texts);
    texts.splice(at, 1);
    const [first, second] = piece + 1 < this.#pieces.length ? [piece, piece + 1] : [piece - 1, piece];
    const [left, right] = [this.#pieces[first], this.#pieces[second]];
    if (left === undefined || right === undefined) return;
    if (texts.length > 0 && left.length + right.length > JOINED_PIECE) return;
    this.#onChange(left);
    this.#onChange(right);
    this.#pieces.splice(first, 2, [...left, ...right]);
  }

  /**
   * The conditions must divide the ascending strings into three parts, each of which may be empty: first the strings for which `isBefore`
   * is true, then the strings for which only `isIn` is true, then the rest. Returns the first `atMost` strings of the middle part, in runs.
   */
  runsBetween(isBefore: (text: string) => boolean, isIn: (text: string) => boolean, atMost = Infinity): readonly Run[] {
    const from = this.#place(isBefore);
    const to = this.#place((text) => isBefore(text) || isIn(text));
    const runs: Run[] = [];
    for (let { piece, at } = from, left = atMost; piece <= to.piece && left > 0; piece += 1, at = 0) {
      const texts = this.#pieces[piece]!;
      const end = Math.min(piece === to.piece ? to.at : texts.length, at + left);
      const isPiece = at === 0 && end === texts.length;
      if (end > at) runs.push({ texts: isPiece ? texts : texts.slice(at, end), isPiece });
      left -= end - at;
    }
    return runs;
  }

  /** The strings of `runsBetween`. */
  between(isBefore: (text: string) => boolean, isIn: (text: string) => boolean, atMost = Infinity): string[] {
    return joinRuns(this.runsBetween(isBefore, isIn, atMost));
  }

  /** The place after all strings for which `isBefore` is true. */
  #place(isBefore: (text: string) => boolean): Place {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#pieces[middle]!.at(-1)!)) low = middle + 1;
      else high = middle;
    }
    const texts = this.#pieces[low]!;
    let at = 0;
    let end = texts.length;
    while (at < end) {
      const middle = (at + end) >> 1;
      if (isBefore(texts[middle]!)) at = middle + 1;
      else end = middle;
    }
    return { piece: low, at };
  }
}

export function joinRuns(runs: readonly Run[]): string[] {
  // `concat` takes a third of the time that `flat` takes, because `flat` visits each string.
  return ([] as string[]).concat(...runs.map(({ texts }) => texts));
}
