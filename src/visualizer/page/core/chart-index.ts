/** Lookup tables for a chart, computed once. */
import type { Chart, ChartEdge, ChartState } from '../../wire.ts';

/** A compound state for which the page shows spans. Each period outside the state's initial child is one span. */
export interface SpanState {
  readonly state: string;
  readonly name: string;
  readonly idle: string | null;
  /** Label of the shown value that says how a span ended. */
  readonly outcome: string | null;
}

export interface ChartIndex {
  readonly chart: Chart;
  readonly states: ReadonlyMap<string, ChartState>;
  readonly edges: ReadonlyMap<string, ChartEdge>;
  readonly children: ReadonlyMap<string, readonly string[]>;
  /** The compound state whose active child is shown as the state of the whole actor. */
  readonly headline: string;
  readonly spans: readonly SpanState[];
  /** Regions of a parallel root; empty for any other root. */
  readonly regions: readonly string[];
}

export function indexChart(chart: Chart): ChartIndex {
  const children = new Map<string, string[]>();
  for (const { id, parent } of chart.states) {
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), id]);
  }
  const root = chart.states[0];
  const regions = root?.type === 'parallel' ? (children.get(root.id) ?? []) : [];
  return {
    chart,
    states: new Map(chart.states.map((state) => [state.id, state])),
    edges: new Map(chart.edges.map((edge) => [edge.id, edge])),
    children,
    headline: chart.states.find(({ meta }) => meta['headline'] === true)?.id ?? regions[0] ?? root?.id ?? '',
    regions,
    spans: chart.states
      .filter(({ meta }) => typeof meta['span'] === 'string')
      .map(({ id, initial, meta }) => ({
        state: id,
        name: String(meta['span']),
        idle: initial,
        outcome: typeof meta['outcome'] === 'string' ? meta['outcome'] : null,
      })),
  };
}

/** The active child of a state; null when none is active. */
export function activeChild(index: ChartIndex, state: string, active: ReadonlySet<string>): string | null {
  return index.children.get(state)?.find((child) => active.has(child)) ?? null;
}

/** The region of a parallel root that contains a state; null for the root, and for a chart without regions. */
export function regionOf(index: ChartIndex, state: string): string | null {
  let at: string | null = state;
  while (at !== null && !index.regions.includes(at)) at = index.states.get(at)?.parent ?? null;
  return at;
}
