/** Filters events for a list, and describes each of them. */
import type { Shown, ShownScalar, VisualizerEvent } from '../../wire.ts';
import type { Model } from './model.ts';

export type EventKind = VisualizerEvent['kind'];

export interface Filter {
  /** null: all sources. */
  readonly source: string | null;
  /** Kinds of events to leave out. */
  readonly without: ReadonlySet<EventKind>;
  /** Event type that a step must have; null: all events. */
  readonly type: string | null;
  /** Words that must all occur. Upper and lower case make no difference. */
  readonly text: string;
}

export const NO_FILTER: Filter = { source: null, without: new Set(), type: null, text: '' };

export function sourceOf(event: VisualizerEvent): string | null {
  return event.kind === 'chart' ? null : event.source;
}

/** @param model contains the names of states and edges */
export function matches(filter: Filter, event: VisualizerEvent, model: Model): boolean {
  if (filter.without.has(event.kind)) return false;
  const source = sourceOf(event);
  if (filter.source !== null && source !== filter.source && source !== null) return false;
  if (filter.type !== null && !(event.kind === 'step' && event.event === filter.type)) return false;
  if (filter.text.trim() === '') return true;
  const { title, detail } = describe(event, model);
  const haystack = `${source ?? ''} ${event.kind} ${title} ${detail}`.toLowerCase();
  return filter.text.toLowerCase().split(/\s+/).every((word) => haystack.includes(word));
}

/** Describes an event in a few words. */
export function describe(event: VisualizerEvent, model: Model): { readonly title: string; readonly detail: string } {
  switch (event.kind) {
    case 'chart':
      return { title: `machine ${event.chart.name}`, detail: `${event.chart.states.length} states, ${event.chart.edges.length} edges` };
    case 'state':
      return { title: event.fresh ? 'starts' : 'state', detail: leafNames(event.active, event.chart, model).join(', ') };
    case 'step': {
      const index = model.charts.get(model.sources.get(event.source)?.chart ?? '');
      const edges = event.edges.map((id) => {
        const edge = index?.edges.get(id);
        const targets = edge?.targets.map((target) => index?.states.get(target)?.key ?? target) ?? [];
        const from = index?.states.get(edge?.source ?? '')?.key ?? '';
        return targets.length === 0 ? `in ${from}` : `${from} → ${targets.join(', ')}`;
      });
      const values = event.shown === undefined ? '' : `  ${valuesText(event.shown)}`;
      return { title: titleOf(event.event, index?.edges.get(event.edges[0] ?? '')?.label), detail: `${edges.length === 0 ? 'no edge handles it' : edges.join('; ')}${values}` };
    }
    case 'shown':
      return { title: 'values', detail: valuesText(event.shown) };
    case 'span':
      return { title: event.name, detail: event.outcome === null ? 'begins' : event.outcome };
    case 'end':
      return { title: 'ended', detail: event.how };
    case 'note':
      return { title: event.level, detail: event.text };
  }
}

/** For events that XState itself sends, the title is the label of the edge that handles them. */
function titleOf(type: string, label: string | undefined): string {
  return type.startsWith('xstate.') && label !== undefined ? label : type;
}

function leafNames(active: readonly string[], chart: string, model: Model): readonly string[] {
  const index = model.charts.get(chart);
  return active
    .filter((id) => (index?.children.get(id)?.length ?? 0) === 0)
    .map((id) => index?.states.get(id)?.key ?? id);
}

function valuesText(shown: Shown): string {
  return Object.entries(shown)
    .map(([label, value]) => `${label}: ${value !== null && typeof value === 'object' && 'rows' in value ? `${value.rows.length} rows` : scalarText(value)}`)
    .join(', ');
}

/** A value as text that does not depend on the current time: a moment is shown as its time of day, not as its age. */
export function scalarText(value: ShownScalar): string {
  if (value === null || value === '') return '–';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'object') return new Date(value.atMs).toISOString().slice(11, 19);
  return String(value);
}
