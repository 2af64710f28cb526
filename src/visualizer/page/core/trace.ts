/** Reads a trace file with one event per line. Lines that are not events are counted and left out. */
import { isWhole, type NoteEvent, type VisualizerEvent } from '../../wire.ts';

const KINDS: ReadonlySet<string> = new Set<VisualizerEvent['kind']>(['chart', 'state', 'step', 'shown', 'span', 'end', 'note']);

const LEVELS: ReadonlySet<string> = new Set<NoteEvent['level']>(['info', 'fault', 'failure']);

export interface Trace {
  readonly events: readonly VisualizerEvent[];
  readonly unreadable: number;
}

export function parseTrace(text: string): Trace {
  const events: VisualizerEvent[] = [];
  let unreadable = 0;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const event = readEventLine(line);
    if (event === null) unreadable += 1;
    else events.push(event);
  }
  return { events, unreadable };
}

/**
 * Checks only the fields that the page needs. event-form.ts checks all fields, but is too large for the page.
 * @returns null when the line is not an event
 */
export function readEventLine(line: string): VisualizerEvent | null {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : null;
  } catch {
    return null;
  }
}

function isEvent(value: unknown): value is VisualizerEvent {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, n, atMs, source, chart, event, active, edges, shown, name, span, outcome, how, fresh, level, text } = value as Record<string, unknown>;
  if (typeof kind !== 'string' || !KINDS.has(kind) || !Number.isInteger(n) || !isTime(atMs)) return false;
  if (kind === 'chart') return isChart(chart);
  if (kind === 'note') return isTextOrNull(source) && typeof level === 'string' && LEVELS.has(level) && typeof text === 'string';
  if (typeof source !== 'string') return false;
  if (kind === 'state') return typeof chart === 'string' && areTexts(active) && isShown(shown) && typeof fresh === 'boolean';
  if (kind === 'step') return typeof event === 'string' && areTexts(edges) && (active === undefined || areTexts(active)) && (shown === undefined || isShown(shown));
  if (kind === 'span') return typeof name === 'string' && Number.isInteger(span) && isTextOrNull(outcome);
  return kind === 'end' ? typeof how === 'string' : isShown(shown);
}

const isTextOrNull = (value: unknown): boolean => typeof value === 'string' || value === null;
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');

/** Whether the value is a time in the range of a `Date`. */
const isTime = (value: unknown): boolean => typeof value === 'number' && Math.abs(value) <= 8.64e15;
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

function isShown(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((shown) => isScalar(shown) || (isObject(shown) && areRows(shown['rows'])));
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value !== 'object' || (isObject(value) && isTime(value['atMs']));
}

function areRows(value: unknown): boolean {
  return Array.isArray(value) && value.every((row) => isObject(row) && Object.values(row).every(isScalar));
}

function isChart(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, name, states, edges } = value;
  if (typeof id !== 'string' || typeof name !== 'string' || !Array.isArray(states) || !Array.isArray(edges)) return false;
  return states.length > 0 && states.every(isState) && edges.every(isEdge) && isWhole({ states, edges });
}

function isState(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, key, type, parent, initial, description, tags, entry, exit, invokes, meta } = value;
  const lists = [tags, entry, exit, invokes].every(areTexts);
  return areTexts([id, key, type]) && [parent, initial, description].every(isTextOrNull) && lists && isObject(meta);
}

function isEdge(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, source, label, kind, guard, targets, actions, reenter, meta } = value;
  return areTexts([id, source, label, kind]) && isTextOrNull(guard) && areTexts(targets) && areTexts(actions) && typeof reenter === 'boolean' && isObject(meta);
}
