/** Layouts of charts, computed once for each chart, outside the node's main thread. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Layout } from './layout-graph.ts';
import type { Chart } from './wire.ts';

/** Maximum number of kept layouts. A process has one or two machines. */
const LAYOUTS_LIMIT = 16;

const layouts = new Map<string, Promise<Layout>>();

/** The layout of a chart, cached by the chart's id. @throws Error when the chart cannot be drawn */
export function layoutOf(chart: Chart): Promise<Layout> {
  const known = layouts.get(chart.id);
  if (known !== undefined) return known;
  const layout = draw(chart);
  layouts.set(chart.id, layout);
  if (layouts.size > LAYOUTS_LIMIT) layouts.delete(layouts.keys().next().value!);
  // A layout that failed can be requested again.
  layout.catch(() => layouts.delete(chart.id));
  return layout;
}

async function draw(chart: Chart): Promise<Layout> {
  // The path is correct both from this file and from the bundle of a built package.
  const worker = new Worker(new URL(`../visualizer/layout-worker${extname(import.meta.url)}`, import.meta.url));
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
