/** A worker thread that computes a chart's layout. ELK would block a node's main thread for a third of a second. */
import { parentPort } from 'node:worker_threads';
import elkModule from 'elkjs/lib/elk.bundled.js';
import { drawChart, type ElkGraph } from './layout-graph.ts';
import type { Chart } from './wire.ts';

const elk = new elkModule.default();
const draw = async (graph: ElkGraph): Promise<ElkGraph> => (await elk.layout(graph as Parameters<typeof elk.layout>[0])) as ElkGraph;

parentPort!.once('message', (chart: Chart) => {
  drawChart(chart, draw).then(
    (layout) => parentPort!.postMessage({ layout }),
    (error: unknown) => parentPort!.postMessage({ failed: error instanceof Error ? error.message : 'unknown' }),
  );
});
