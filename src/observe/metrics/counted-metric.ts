/**
 * Counters and histograms of requests, calls and records. Counting an event is one addition. With the `Counter` and `Histogram` of prom-client,
 * counting one derive request takes 3 µs and a scrape takes 3 ms, because these classes look up a series and build its labels each time. So
 * the counts and the names of the samples are kept here, and prom-client only writes the text.
 */
import { invariant } from '../../domain/errors.ts';

/** One line of the text format. `metricName` includes the labels, as it appears in the line. */
export interface Sample {
  readonly metricName: string;
  readonly value: number;
}

export interface CountedSeries {
  readonly samples: () => readonly Sample[];
}

export class CounterSeries implements CountedSeries {
  readonly #metricName: string;
  #total = 0;

  constructor(name: string, labels: string) {
    this.#metricName = withLabels(name, labels);
  }

  inc(): void {
    this.#total += 1;
  }

  /** @param total a total that other code has counted */
  setTotal(total: number): void {
    this.#total = total;
  }

  samples(): readonly Sample[] {
    return [{ metricName: this.#metricName, value: this.#total }];
  }
}

export class HistogramSeries implements CountedSeries {
  /** The upper bounds of the buckets, ascending. */
  readonly #bounds: readonly number[];
  /** How many values belong to each bucket but to none of the buckets before it. The last bucket has no upper bound. */
  readonly #counts: number[];
  readonly #bucketNames: readonly string[];
  readonly #sumName: string;
  readonly #countName: string;
  #sum = 0;

  constructor(name: string, labels: string, bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds, Infinity].map(() => 0);
    this.#bucketNames = [...bounds, '+Inf'].map((bound) => withLabels(`${name}_bucket`, labels === '' ? `le="${bound}"` : `le="${bound}",${labels}`));
    this.#sumName = withLabels(`${name}_sum`, labels);
    this.#countName = withLabels(`${name}_count`, labels);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  samples(): readonly Sample[] {
    let count = 0;
    const buckets = this.#bucketNames.map((metricName, bucket) => ({ metricName, value: (count += this.#counts[bucket]!) }));
    return [...buckets, { metricName: this.#sumName, value: this.#sum }, { metricName: this.#countName, value: count }];
  }
}

/** The labels of a series as they appear in the text format, without braces. @throws InvariantError for a value that the text format would escape */
export function labelsText(names: readonly string[], values: readonly string[]): string {
  return names
    .map((name, place) => {
      const value = values[place] ?? '';
      invariant(!/["\\\n]/.test(value), 'a label of a counted metric contains a character that must be escaped');
      return `${name}="${value}"`;
    })
    .join(',');
}

function withLabels(name: string, labels: string): string {
  return labels === '' ? name : `${name}{${labels}}`;
}
