/** Reads events that another process wrote, from a trace file or from a node's stream. Refuses malformed and oversized events. */
import { z } from 'zod';
import { MAX_SHOWN_VALUES } from './recorder.ts';
import { isWhole, type VisualizerEvent } from './wire.ts';

/** Maximum length of a string in an event. Characters. */
const MAX_TEXT_CHARS = 2_000;
/** Maximum number of items in each list of an event. */
const MAX_ITEMS = 10_000;
/** Maximum number of rows in a shown table. */
const MAX_ROWS = 256;

const text = z.string().max(MAX_TEXT_CHARS);
const texts = z.array(text).max(MAX_ITEMS).readonly();
/** A time must be in the range of a `Date`. */
const time = z.number().min(-8.64e15).max(8.64e15);
const meta = z.record(text, z.union([text, z.number(), z.boolean()]));
const numbered = { n: z.number().int(), atMs: time };

function few(record: object, limit: number): boolean {
  return Object.keys(record).length <= limit;
}

const state = z.object({
  id: text,
  key: text,
  parent: text.nullable(),
  type: z.enum(['atomic', 'compound', 'parallel', 'final', 'history']),
  initial: text.nullable(),
  description: text.nullable(),
  tags: texts,
  meta,
  entry: texts,
  exit: texts,
  invokes: texts,
});

const edge = z.object({
  id: text,
  source: text,
  targets: texts,
  label: text,
  kind: z.enum(['event', 'after', 'done', 'error', 'always']),
  guard: text.nullable(),
  actions: texts,
  reenter: z.boolean(),
  meta,
});

const chart = z
  .object({ id: text, name: text, states: z.array(state).min(1).max(MAX_ITEMS), edges: z.array(edge).max(MAX_ITEMS) })
  .refine((parts) => isWhole(parts), 'its states must form one tree, parents first and with unique ids, and its edges must refer to these states');

const scalar = z.union([text, z.number(), z.boolean(), z.null(), z.object({ atMs: time })]);
const row = z.record(text, scalar).refine((cells) => few(cells, MAX_SHOWN_VALUES), 'too many cells');
const shown = z
  .record(text, z.union([scalar, z.object({ rows: z.array(row).max(MAX_ROWS) })]))
  .refine((values) => few(values, MAX_SHOWN_VALUES), 'too many values');

const eventForm = z.discriminatedUnion('kind', [
  z.object({ ...numbered, kind: z.literal('chart'), chart }),
  z.object({ ...numbered, kind: z.literal('state'), source: text, chart: text, active: texts, shown, fresh: z.boolean() }),
  z.object({ ...numbered, kind: z.literal('step'), source: text, event: text, edges: texts, active: texts.optional(), shown: shown.optional() }),
  z.object({ ...numbered, kind: z.literal('shown'), source: text, shown }),
  z.object({ ...numbered, kind: z.literal('span'), source: text, name: text, span: z.number().int(), outcome: text.nullable() }),
  z.object({ ...numbered, kind: z.literal('end'), source: text, how: text }),
  z.object({ ...numbered, kind: z.literal('note'), source: text.nullable(), level: z.enum(['info', 'fault', 'failure']), text }),
]);

/** @returns the event, or the reason why the line is not an event */
export function parseEvent(line: string): VisualizerEvent | { readonly problem: string } {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return { problem: 'it is not JSON' };
  }
  const parsed = eventForm.safeParse(read);
  // zod's type allows `undefined` in optional fields, but parsing leaves absent fields absent.
  if (parsed.success) return parsed.data as VisualizerEvent;
  const [issue] = parsed.error.issues;
  return { problem: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is not an event'}` };
}
