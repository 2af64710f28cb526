/**
 * Parses JSON that contains one long hex string, such as the body of an envelope. A JSON parser would decode the megabytes of hex into a
 * string on the heap, search them for escapes and copy them. Here the hex is cut out of the bytes, and becomes a string once, or not at all.
 */
import { digitsIn, HexBytes, withoutPrefix } from '../domain/hex.ts';
import { isJsonObject } from './json.ts';

/** Minimum size of a body from which the hex is cut out. A shorter body is parsed as it is. Bytes. */
const MIN_BYTES = 16 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Returns what `parse(body)` returns, for every body. @param name the field of the outermost object whose value may be long hex
 * @param parse parses JSON
 */
export function parseCuttingHex(body: Uint8Array, name: string, parse: (json: Uint8Array) => unknown): unknown {
  return parseWith(body, name, parse, (text) => (digitsIn(withoutPrefix(text)) === null ? null : text.toString('latin1')));
}

/** The same, but if the hex is cut out, the field is a `HexBytes`. */
export function parseKeepingHexBytes(body: Uint8Array, name: string, parse: (json: Uint8Array) => unknown): unknown {
  return parseWith(body, name, parse, (text) => HexBytes.copy(text));
}

/** Makes the value of the field from its text; null if the text is not hex. */
type ValueOf = (text: Buffer) => string | HexBytes | null;

function parseWith(body: Uint8Array, name: string, parse: (json: Uint8Array) => unknown, valueOf: ValueOf): unknown {
  const cut = body.length < MIN_BYTES ? null : cutHex(Buffer.from(body.buffer, body.byteOffset, body.byteLength), name, valueOf);
  if (cut === null) return parse(body);
  const parsed = parse(cut.rest);
  // The field belongs to another object, so the body is parsed as it is.
  if (!isJsonObject(parsed) || !Object.hasOwn(parsed, name)) return parse(body);
  parsed[name] = cut.value;
  return parsed;
}

/**
 * Cuts the hex string out of the body. Returns null if the rest could contain another field of this name. That is possible if the name
 * occurs again, or if there is a backslash, because the name may then be written with escapes.
 */
function cutHex(body: Buffer, name: string, valueOf: ValueOf): { readonly rest: Buffer; readonly value: string | HexBytes } | null {
  const quoted = `"${name}"`;
  const at = body.indexOf(quoted, 0, 'latin1');
  if (at === -1) return null;
  const colon = afterSpaces(body, at + quoted.length);
  const quote = afterSpaces(body, colon + 1);
  const end = body.indexOf(QUOTE, quote + 1);
  if (body[colon] !== COLON || body[quote] !== QUOTE || end === -1) return null;
  const rest = Buffer.concat([body.subarray(0, quote + 1), body.subarray(end)]);
  if (rest.includes(BACKSLASH) || rest.includes(quoted, at + 1, 'latin1')) return null;
  const value = valueOf(body.subarray(quote + 1, end));
  return value === null ? null : { rest, value };
}

function afterSpaces(body: Buffer, from: number): number {
  let at = from;
  while (SPACES.has(body[at])) at += 1;
  return at;
}
