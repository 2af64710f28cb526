/** The registry of prom-client, made from the table: every series is there from the start. The one file that imports prom-client. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { METRICS, PREFIX, type CounterName, type GaugeName, type HistogramName, type MetricRow } from './table.ts';

/** What counts one series; found once, since looking for it costs more than counting. */
export interface CounterSeries {
  inc(by?: number): void;
}

export interface HistogramSeries {
  observe(value: number): void;
}

export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();

  constructor() {
    for (const [name, row] of Object.entries(METRICS)) this.#declare(name, row);
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  /** In the text format of Prometheus. */
  async render(): Promise<string> {
    return this.#registry.metrics();
  }

  set(name: GaugeName, labels: readonly string[], value: number): void {
    this.#gauges.get(name)!.labels(...labels).set(value);
  }

  /** Of a row for each peer: the values of those that there are now, and of nobody else. */
  setPeers(name: GaugeName, values: ReadonlyMap<string, number>): void {
    const gauge = this.#gauges.get(name)!;
    gauge.reset();
    for (const [peer, value] of values) gauge.labels(peer).set(value);
  }

  /** Of a counter that is counted elsewhere. */
  setTotal(name: CounterName, total: number): void {
    const counter = this.#counters.get(name)!;
    counter.reset();
    counter.inc(total);
  }

  counter(name: CounterName, labels: readonly string[]): CounterSeries {
    return this.#counters.get(name)!.labels(...labels);
  }

  histogram(name: HistogramName, labels: readonly string[]): HistogramSeries {
    return this.#histograms.get(name)!.labels(...labels);
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
