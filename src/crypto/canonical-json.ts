/**
 * Canonical JSON (protocol.md §3, HMAC): keys sorted, no spaces. Strings are written as UTF-8, numbers as JavaScript writes them. An
 * envelope contains only hex strings, which all nodes write in the same way.
 */
import { RefusalError } from '../domain/errors.ts';

/** Maximum depth of nested arrays and objects. The parsers of other nodes have the same limit. */
const MAX_DEPTH = 128;

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @throws RefusalError bad_request when the value is nested more deeply than MAX_DEPTH */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth >= MAX_DEPTH) throw new RefusalError('bad_request', 'the JSON is nested too deeply');
  if (Array.isArray(value)) return `[${value.map((inner) => write(inner, depth + 1)).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => byCodeUnit(a, b));
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${write(inner, depth + 1)}`).join(',')}}`;
}
