/** Fills the registry of prom-client from the table of metrics, with every series from the start. No other file imports prom-client. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { METRICS, PREFIX, type CounterName, type GaugeName, type HistogramName, type MetricRow } from './table.ts';

/** Maximum number of values that a histogram keeps before it passes them to the library. */
const MAX_PENDING_VALUES = 256;

/*
 * Calling the library for every event would cost a request more than the rest of its metrics. So counts and values are kept here until the
 * next scrape. A histogram also passes its values to the library when it has collected `MAX_PENDING_VALUES` of them.
 */

export class CounterSeries {
  readonly #tell: (by: number) => void;
  #pending = 0;

  constructor(tell: (by: number) => void) {
    this.#tell = tell;
  }

  inc(): void {
    this.#pending += 1;
  }

  flush(): void {
    if (this.#pending > 0) this.#tell(this.#pending);
    this.#pending = 0;
  }
}

export class HistogramSeries {
  readonly #tell: (value: number) => void;
  readonly #pending: number[] = [];

  constructor(tell: (value: number) => void) {
    this.#tell = tell;
  }

  observe(value: number): void {
    this.#pending.push(value);
    if (this.#pending.length >= MAX_PENDING_VALUES) this.flush();
  }

  flush(): void {
    for (const value of this.#pending) this.#tell(value);
    this.#pending.length = 0;
  }
}

export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #counting: (CounterSeries | HistogramSeries)[] = [];

  constructor() {
    for (const [name, row] of Object.entries(METRICS)) this.#declare(name, row);
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  /** @returns all metrics in the text format of Prometheus */
  async render(): Promise<string> {
    for (const series of this.#counting) series.flush();
    return this.#registry.metrics();
  }

  set(name: GaugeName, labels: readonly string[], value: number): void {
    this.#gauges.get(name)!.labels(...labels).set(value);
  }

  /** Sets a metric with one series for each peer. Peers that are not in `values` lose their series. */
  setPeers(name: GaugeName, values: ReadonlyMap<string, number>): void {
    const gauge = this.#gauges.get(name)!;
    gauge.reset();
    for (const [peer, value] of values) gauge.labels(peer).set(value);
  }

  /** Sets a counter to a total that other code has counted. */
  setTotal(name: CounterName, total: number): void {
    const counter = this.#counters.get(name)!;
    counter.reset();
    counter.inc(total);
  }

  /** Call it once for each series. */
  counter(name: CounterName, labels: readonly string[]): CounterSeries {
    const counter = this.#counters.get(name)!.labels(...labels);
    const series = new CounterSeries((by) => counter.inc(by));
    this.#counting.push(series);
    return series;
  }

  /** Call it once for each series. */
  histogram(name: HistogramName, labels: readonly string[]): HistogramSeries {
    const histogram = this.#histograms.get(name)!.labels(...labels);
    const series = new HistogramSeries((value) => histogram.observe(value));
    this.#counting.push(series);
    return series;
  }

  #declare(name: string, row: MetricRow): void {
    const { help } = row;
    const labelNames = [...row.labels];
    const series = row.series === 'peers' ? [] : row.series;
    const declared = { name: PREFIX + name, help, labelNames, registers: [this.#registry] };
    if (row.type === 'gauge') {
      const gauge = new Gauge(declared);
      for (const labels of series) gauge.labels(...labels).set(0);
      this.#gauges.set(name, gauge);
    } else if (row.type === 'counter') {
      const counter = new Counter(declared);
      for (const labels of series) counter.labels(...labels).inc(0);
      this.#counters.set(name, counter);
    } else {
      const histogram = new Histogram({ ...declared, buckets: [...row.buckets] });
      for (const labels of series) histogram.zero(Object.fromEntries(labelNames.map((label, place) => [label, labels[place]!])));
      this.#histograms.set(name, histogram);
    }
  }
}
