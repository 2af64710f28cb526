/** The series of a metric, found by their label values. Every request looks up series, so a look-up builds no string or array. */
export class LabelTree<Series> {
  readonly #branches = new Map<string, LabelTree<Series>>();
  #series: Series | undefined;

  add(labels: readonly string[], series: Series): void {
    const [first, ...rest] = labels;
    if (first === undefined) {
      this.#series = series;
      return;
    }
    const branch = this.#branches.get(first) ?? new LabelTree<Series>();
    this.#branches.set(first, branch);
    branch.add(rest, series);
  }

  /** Takes at most three labels. @returns undefined when there is no such series */
  find(first?: string, second?: string, third?: string): Series | undefined {
    return first === undefined ? this.#series : this.#branches.get(first)?.find(second, third);
  }
}
