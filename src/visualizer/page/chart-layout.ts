/** Gets the layout of a chart from the server. When the server does not know the chart, ELK computes the layout in the page. */
import { drawChart, type ElkGraph, type Layout } from '../layout-graph.ts';
import type { Chart } from '../wire.ts';
import { getJson } from './browser.ts';
import { h } from './view/dom.ts';

/** @throws Error when ELK cannot be loaded, or cannot draw the chart */
export async function layoutOf(chart: Chart): Promise<Layout> {
  try {
    return (await getJson(`/layouts/${encodeURIComponent(chart.id)}`)) as Layout;
  } catch {
    // The server does not know the charts in a trace file from another program.
    return drawChart(chart, await loadElk());
  }
}

interface ElkWindow {
  readonly ELK?: new () => { layout: (graph: ElkGraph) => Promise<ElkGraph> };
}

async function loadElk(): Promise<(graph: ElkGraph) => Promise<ElkGraph>> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const script = h('script', { src: '/elk.js' });
  script.addEventListener('load', () => resolve(undefined));
  script.addEventListener('error', () => reject(new Error('the layout program could not be loaded')));
  document.head.append(script);
  await promise;
  const Elk = (globalThis as ElkWindow).ELK;
  if (Elk === undefined) throw new Error('the layout program did not start');
  const elk = new Elk();
  return (graph) => elk.layout(graph);
}
