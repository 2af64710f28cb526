/**
 * What is known at a moment: the result of all events up to that moment. Models are immutable, so a page can keep any number of models and
 * go back to each of them.
 */
import type { Shown, ShownValue, VisualizerEvent } from '../../wire.ts';
import { activeChild, indexChart, type ChartIndex } from './chart-index.ts';
import { SOURCES_LIMIT } from './limits.ts';

export interface SourceModel {
  readonly name: string;
  readonly chart: string;
  readonly active: ReadonlySet<string>;
  readonly shown: Shown;
  /** The state in one word; null when the chart is unknown. */
  readonly headline: string | null;
  /** When the headline last changed, as far as the page knows. */
  readonly sinceMs: number;
  /** false: the source may already have had this headline before `sinceMs`. */
  readonly sinceExact: boolean;
  /** How many times each edge of the chart was taken since the actor started, or since the page first received an event of the actor. */
  readonly taken: ReadonlyMap<string, number>;
  /** The last step that took at least one edge. */
  readonly last: { readonly edges: readonly string[]; readonly event: string; readonly atMs: number; readonly place: number } | null;
  readonly ended: { readonly atMs: number; readonly how: string } | null;
}

export interface Model {
  readonly charts: ReadonlyMap<string, ChartIndex>;
  readonly sources: ReadonlyMap<string, SourceModel>;
  /** Number of events that this model contains. */
  readonly place: number;
  readonly atMs: number;
}

export const EMPTY_MODEL: Model = { charts: new Map(), sources: new Map(), place: 0, atMs: 0 };

/** The same model at an earlier time, after the clock was set back. */
export function setBack(model: Model, atMs: number): Model {
  const sources = [...model.sources].map(([name, source]): [string, SourceModel] => [name, { ...source, sinceMs: Math.min(source.sinceMs, atMs) }]);
  return { ...model, atMs, sources: new Map(sources) };
}

/** The model after one more event. */
export function fold(model: Model, event: VisualizerEvent): Model {
  const place = model.place + 1;
  const next = { ...model, place, atMs: Math.max(model.atMs, event.atMs) };
  if (event.kind === 'chart') {
    if (model.charts.has(event.chart.id)) return next;
    const charts = new Map(model.charts).set(event.chart.id, indexChart(event.chart));
    return { ...next, charts, sources: renamed(charts, model.sources, event.chart.id) };
  }
  if (event.kind === 'note' || event.kind === 'span') return next;
  const before = model.sources.get(event.source);
  const source = folded(model.charts, before, event, place);
  if (source === before || source === undefined) return next;
  const sources = new Map(model.sources).set(event.source, source);
  if (sources.size > SOURCES_LIMIT) sources.delete(oldestOf(sources));
  return { ...next, sources };
}

function folded(
  charts: Model['charts'],
  before: SourceModel | undefined,
  event: Exclude<VisualizerEvent, { kind: 'chart' | 'note' | 'span' }>,
  place: number,
): SourceModel | undefined {
  const { atMs } = event;
  if (event.kind === 'state') {
    const active = new Set(event.active);
    const headline = headlineOf(charts.get(event.chart), active);
    const kept = before !== undefined && !event.fresh && before.chart === event.chart ? before : undefined;
    const same = kept !== undefined && kept.headline === headline && kept.ended === null;
    return {
      name: event.source,
      chart: event.chart,
      active,
      shown: event.shown,
      headline,
      sinceMs: same ? kept.sinceMs : atMs,
      sinceExact: same ? kept.sinceExact : event.fresh || before !== undefined,
      taken: kept?.taken ?? new Map(),
      last: kept?.last ?? null,
      ended: null,
    };
  }
  // The event with the source's whole state has not arrived yet.
  if (before === undefined) return undefined;
  if (event.kind === 'end') return { ...before, active: new Set(), ended: { atMs, how: event.how } };
  const shown = event.shown === undefined ? before.shown : { ...before.shown, ...event.shown };
  if (event.kind === 'shown') return { ...before, shown };
  const index = charts.get(before.chart);
  const active = event.active === undefined ? before.active : new Set(event.active);
  const headline = event.active === undefined ? before.headline : headlineOf(index, active);
  const moved = headline !== before.headline;
  const taken = new Map(before.taken);
  // Counts only the edges of the chart: a trace may name any number of other edges, and each step copies all counts.
  for (const edge of event.edges) if (index?.edges.has(edge) === true) taken.set(edge, (taken.get(edge) ?? 0) + 1);
  return {
    ...before,
    active,
    shown,
    headline,
    sinceMs: moved ? atMs : before.sinceMs,
    sinceExact: moved || before.sinceExact,
    taken: event.edges.length > 0 ? taken : before.taken,
    last: event.edges.length > 0 ? { edges: event.edges, event: event.event, atMs, place } : before.last,
    ended: null,
  };
}

function headlineOf(index: ChartIndex | undefined, active: ReadonlySet<string>): string | null {
  if (index === undefined) return null;
  const child = activeChild(index, index.headline, active);
  return child === null ? null : (index.states.get(child)?.key ?? null);
}

/** Sets the headlines of sources that arrived before their chart. */
function renamed(charts: Model['charts'], sources: Model['sources'], chart: string): Model['sources'] {
  return new Map(
    [...sources].map(([name, source]) => [
      name,
      source.chart === chart ? { ...source, headline: headlineOf(charts.get(chart), source.active) } : source,
    ]),
  );
}

/** The source to forget first: a source that has ended, otherwise the source that has been known for the longest time. */
function oldestOf(sources: ReadonlyMap<string, SourceModel>): string {
  for (const [name, { ended }] of sources) if (ended !== null) return name;
  return sources.keys().next().value!;
}

export function reasonOf(source: SourceModel): string | null {
  const value: ShownValue | undefined = source.shown['reason'];
  return value === undefined || value === null || value === '' || typeof value === 'object' ? null : String(value);
}
