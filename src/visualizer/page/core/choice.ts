/** The source that the page shows: the first source, until the reader chooses another one. */

export class Choice {
  #name: string | null = null;
  /** true: the reader chose the source. */
  #picked = false;

  get name(): string | null {
    return this.#name;
  }

  /** Selects the first source unless the reader has chosen one. @param names all sources in the order in which the page shows them */
  suggestFirst(names: readonly string[]): void {
    if (!this.#picked) this.#name = names[0] ?? null;
  }

  /** Shows a source without choosing it, so `suggestFirst` may replace it. */
  show(name: string): void {
    this.#name = name;
  }

  pick(name: string | undefined): void {
    if (name === undefined) return;
    this.#name = name;
    this.#picked = true;
  }

  /** Chooses the next or previous source, wrapping around. */
  pickNext(names: readonly string[], by: 1 | -1): void {
    const at = names.indexOf(this.#name ?? '');
    this.pick(names[(at + by + names.length) % names.length]);
  }
}
