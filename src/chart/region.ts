/** Cuts a region out of a chart and makes a separate chart of it. */
import { withId } from './chart-of.ts';
import type { Chart } from './chart.ts';

/**
 * Keeps the state with this id, its descendants, and the edges among them. Their ids stay the same.
 * @returns null when there is no such state
 */
export function regionOf(chart: Chart, id: string): Chart | null {
  const root = chart.states.find((state) => state.id === id);
  if (root === undefined) return null;
  const inside = new Set([id]);
  // Parents come before children.
  for (const state of chart.states) if (state.parent !== null && inside.has(state.parent)) inside.add(state.id);
  return withId({
    name: `${chart.name} ${root.key}`,
    states: chart.states.filter((state) => inside.has(state.id)).map((state) => (state === root ? { ...state, parent: null } : state)),
    edges: chart.edges.filter(({ source, targets }) => [source, ...targets].every((each) => inside.has(each))),
  });
}
