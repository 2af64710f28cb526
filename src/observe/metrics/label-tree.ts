/** The series of a metric by their label values: found without making a text or a list, since requests look for them. */
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

  /** Undefined where there is no such series. At most three labels. */
  find(first?: string, second?: string, third?: string): Series | undefined {
    return first === undefined ? this.#series : this.#branches.get(first)?.find(second, third);
  }
}
