/** Fills the registry of prom-client from the table of metrics, and creates every series at the start. No other file imports prom-client. */
import { Gauge, Registry, type Metric } from 'prom-client';
import { CounterSeries, HistogramSeries, labelsText, type CountedSeries } from './counted-metric.ts';
import { METRICS, PREFIX, type CounterName, type GaugeName, type HistogramName, type MetricRow } from './table.ts';

export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  /** The series of each counter and histogram, by metric and label values. */
  readonly #counters = new Map<string, Map<string, CounterSeries>>();
  readonly #histograms = new Map<string, Map<string, HistogramSeries>>();

  constructor() {
    for (const [name, row] of Object.entries(METRICS)) this.#declare(name, row);
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  /** @returns all metrics in the text format of Prometheus */
  async render(): Promise<string> {
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
    this.counter(name, []).setTotal(total);
  }

  /** @param labels the label values of a series in the table */
  counter(name: CounterName, labels: readonly string[]): CounterSeries {
    return this.#counters.get(name)!.get(String(labels))!;
  }

  /** @param labels the label values of a series in the table */
  histogram(name: HistogramName, labels: readonly string[]): HistogramSeries {
    return this.#histograms.get(name)!.get(String(labels))!;
  }

  #declare(name: string, row: MetricRow): void {
    const fullName = PREFIX + name;
    const series = row.series === 'peers' ? [] : row.series;
    if (row.type === 'gauge') {
      const gauge = new Gauge({ name: fullName, help: row.help, labelNames: [...row.labels], registers: [this.#registry] });
      for (const labels of series) gauge.labels(...labels).set(0);
      this.#gauges.set(name, gauge);
    } else if (row.type === 'counter') {
      const counters = new Map(series.map((labels) => [String(labels), new CounterSeries(fullName, labelsText(row.labels, labels))]));
      this.#counters.set(name, counters);
      this.#register(fullName, row, [...counters.values()]);
    } else {
      const histograms = new Map(series.map((labels) => [String(labels), new HistogramSeries(fullName, labelsText(row.labels, labels), row.buckets)]));
      this.#histograms.set(name, histograms);
      this.#register(fullName, row, [...histograms.values()]);
    }
  }

  /** prom-client renders every registered object that returns its samples from `get`. Its types permit only its own classes. */
  #register(name: string, { help, type }: MetricRow, series: readonly CountedSeries[]): void {
    const get = async () => ({ name, help, type, aggregator: 'sum', values: series.flatMap((one) => one.samples()) });
    this.#registry.registerMetric({ name, help, type, get } as unknown as Metric);
  }
}
