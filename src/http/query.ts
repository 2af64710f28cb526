/**
 * Decodes the path and query of a request, exactly once and strictly. URLSearchParams would replace bytes that are not valid UTF-8, and so
 * turn one key into another.
 */
import { RefusalError } from '../domain/errors.ts';

/** The query of a target as sent, without the `?`. */
export function rawQuery(url: string): string {
  const at = url.indexOf('?');
  return at === -1 ? '' : url.slice(at + 1);
}

export type Query = Readonly<Partial<Record<string, string>>>;

/** @throws RefusalError bad_request when the percent-encoding is malformed or does not encode UTF-8 */
export function decodePercent(text: string, what: 'path' | 'query'): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RefusalError('bad_request', `the ${what} is not valid percent-encoding`);
  }
}

function decode(text: string): string {
  return decodePercent(text.replaceAll('+', ' '), 'query');
}

/**
 * The keys that a raw path may mean. Form encoding writes a space as `+`. So for a path with a `+`, the key with spaces comes first, then
 * the literal key (protocol.md §10, A `+` in a path).
 * @throws RefusalError bad_request
 */
export function readPathKey(raw: string): readonly string[] {
  const literal = decodePercent(raw, 'path');
  return raw.includes('+') ? [decodePercent(raw.replaceAll('+', ' '), 'path'), literal] : [literal];
}

/**
 * Reads the wanted parameters of a query without its `?`. Other parameters are ignored.
 * @throws RefusalError bad_request when a parameter is malformed, or when a wanted parameter occurs twice
 */
export function readQuery(query: string, wanted: readonly string[]): Query {
  const found: Record<string, string> = {};
  for (const part of query.split('&')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const name = decode(at === -1 ? part : part.slice(0, at));
    if (!wanted.includes(name)) continue;
    if (Object.hasOwn(found, name)) throw new RefusalError('bad_request', `${name} occurs twice in the query`);
    found[name] = at === -1 ? '' : decode(part.slice(at + 1));
  }
  return found;
}
