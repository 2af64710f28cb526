/**
 * Canonical JSON (protocol.md §3, HMAC): keys sorted, no spaces. Strings are written as UTF-8, numbers as JavaScript writes them. An
 * envelope contains only hex strings, which all nodes write in the same way.
 */
import { RefusalError } from '../domain/errors.ts';
import { isHex } from '../domain/hex.ts';
import { isJsonObject } from './json.ts';

/** Maximum depth of nested arrays and objects. The parsers of other nodes have the same limit. */
const MAX_DEPTH = 128;

/** Maximum length of a hex string that is joined with the text around it. A longer one becomes a separate piece. Characters. */
const MAX_JOINED_CHARS = 16 * 1024;

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @throws RefusalError bad_request when the value is nested more deeply than MAX_DEPTH */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

/**
 * `canonicalJson` in pieces. A long hex string in a field of `value` is a separate piece, because it needs no escaping, and an envelope
 * contains megabytes of hex, which would otherwise be copied several times. @throws the same refusal as `canonicalJson`
 */
export function canonicalPieces(value: unknown): readonly string[] {
  if (!isJsonObject(value)) return [canonicalJson(value)];
  const pieces: string[] = [];
  let text = '{';
  for (const [key, inner] of sortedFields(value)) {
    text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:`;
    if (typeof inner === 'string' && inner.length > MAX_JOINED_CHARS && isHex(inner)) {
      pieces.push(`${text}"`, inner);
      text = '"';
    } else text += write(inner, 1);
  }
  return [...pieces, `${text}}`];
}

function sortedFields(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => byCodeUnit(a, b));
}

function write(value: unknown, depth: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth >= MAX_DEPTH) throw new RefusalError('bad_request', 'the JSON is nested too deeply');
  if (Array.isArray(value)) return `[${value.map((inner) => write(inner, depth + 1)).join(',')}]`;
  return `{${sortedFields(value).map(([key, inner]) => `${JSON.stringify(key)}:${write(inner, depth + 1)}`).join(',')}}`;
}
