/** Which source the reader looks at: the first there is, until the reader chooses one. */

export class Choice {
  #name: string | null = null;
  /** The reader chose it. */
  #picked = false;

  get name(): string | null {
    return this.#name;
  }

  /** For as long as the reader has not chosen. @param names of all sources, in the order in which they are shown */
  suggestFirst(names: readonly string[]): void {
    if (!this.#picked) this.#name = names[0] ?? null;
  }

  /** Shows a source for once: another may be suggested later. */
  show(name: string): void {
    this.#name = name;
  }

  pick(name: string | undefined): void {
    if (name === undefined) return;
    this.#name = name;
    this.#picked = true;
  }

  /** The one beside it; after the last comes the first. */
  pickNext(names: readonly string[], by: 1 | -1): void {
    const at = names.indexOf(this.#name ?? '');
    this.pick(names[(at + by + names.length) % names.length]);
  }
}
