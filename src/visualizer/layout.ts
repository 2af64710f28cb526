/** Layouts of charts, computed once for each chart, outside the node's main thread. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MAX_CHARTS } from './event-log.ts';
import type { Layout } from './layout-graph.ts';
import type { Chart } from './wire.ts';

/** Maximum memory of the worker that draws a chart. A node's chart needs only a small part of it. MiB. */
const WORKER_MEMORY_MIB = 512;

/** Keeps the layout of each chart, by the chart's id. A trace file may have many charts, so only one of them is drawn at a time. */
export class Layouts {
  readonly #draw: (chart: Chart) => Promise<Layout>;
  readonly #layouts = new Map<string, Promise<Layout>>();
  /** Settles when the chart that was requested last has been drawn, or cannot be drawn. */
  #drawn: Promise<unknown> = Promise.resolve();

  /** @param draw computes a layout */
  constructor(draw: (chart: Chart) => Promise<Layout>) {
    this.#draw = draw;
  }

  /** @throws Error when the chart cannot be drawn */
  of(chart: Chart): Promise<Layout> {
    const known = this.#layouts.get(chart.id);
    if (known !== undefined) return known;
    const layout = this.#drawn.then(() => this.#draw(chart));
    this.#layouts.set(chart.id, layout);
    // There is room for all charts of one log, so none of their layouts is computed twice.
    if (this.#layouts.size > MAX_CHARTS) this.#layouts.delete(this.#layouts.keys().next().value!);
    // A layout that failed can be requested again.
    this.#drawn = layout.catch(() => this.#layouts.delete(chart.id));
    return layout;
  }
}

const layouts = new Layouts(draw);

/** The layout of a chart, cached by the chart's id. @throws Error when the chart cannot be drawn */
export function layoutOf(chart: Chart): Promise<Layout> {
  return layouts.of(chart);
}

async function draw(chart: Chart): Promise<Layout> {
  // The path is correct both from this file and from the bundle of a built package.
  const worker = new Worker(new URL(`../visualizer/layout-worker${extname(import.meta.url)}`, import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: WORKER_MEMORY_MIB } });
  const { promise, resolve, reject } = Promise.withResolvers<Layout>();
  worker.once('message', (answer: { readonly layout?: Layout; readonly failed?: string }) => {
    if (answer.layout === undefined) reject(new Error(`the chart cannot be drawn: ${answer.failed ?? 'no answer'}`));
    else resolve(answer.layout);
  });
  worker.once('error', reject);
  worker.once('exit', () => reject(new Error('the chart cannot be drawn: its worker ended')));
  worker.postMessage(chart);
  try {
    return await promise;
  } finally {
    await worker.terminate();
  }
}
