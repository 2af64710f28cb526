/** A trace file: one event a line. Lines that are no events are counted, not believed. */
import type { VisualizerEvent } from '../../wire.ts';

const KINDS: ReadonlySet<string> = new Set<VisualizerEvent['kind']>(['chart', 'state', 'step', 'shown', 'span', 'end', 'note']);

export interface Trace {
  readonly events: readonly VisualizerEvent[];
  readonly unreadable: number;
}

export function parseTrace(text: string): Trace {
  const events: VisualizerEvent[] = [];
  let unreadable = 0;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const event = parseEvent(line);
    if (event === null) unreadable += 1;
    else events.push(event);
  }
  return { events, unreadable };
}

/** @returns null for what is no event */
export function parseEvent(line: string): VisualizerEvent | null {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : null;
  } catch {
    return null;
  }
}

function isEvent(value: unknown): value is VisualizerEvent {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, n, atMs, source, chart, active, edges, shown, text } = value as Record<string, unknown>;
  if (typeof kind !== 'string' || !KINDS.has(kind) || typeof n !== 'number' || !Number.isFinite(atMs)) return false;
  if (kind === 'chart') return isChart(chart);
  if (kind === 'note') return typeof text === 'string';
  if (typeof source !== 'string') return false;
  if (kind === 'state') return typeof chart === 'string' && Array.isArray(active) && isObject(shown);
  if (kind === 'step') return Array.isArray(edges) && (active === undefined || Array.isArray(active)) && (shown === undefined || isObject(shown));
  return kind !== 'shown' || isObject(shown);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

function isChart(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, states, edges } = value as Record<string, unknown>;
  return typeof id === 'string' && Array.isArray(states) && states.length > 0 && Array.isArray(edges);
}
