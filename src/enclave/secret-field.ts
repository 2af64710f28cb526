/**
 * Takes a secret out of a JSON answer without making a string of it, because a string cannot be wiped, and the garbage collector leaves copies.
 * The digits are read from the bytes and overwritten there before the JSON is parsed.
 */
import { secretBytes } from '../domain/secret-bytes.ts';

const ZERO = 0x30;
const QUOTE = 0x22;
const COLON = 0x3a;
const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Takes the value of a field: `0x` and two hex digits per byte. Overwrites the digits in `body` with zeros.
 * @param body UTF-8; modified
 * @returns null unless the field occurs exactly once and in this form
 */
export function takeSecretField(body: Buffer, name: string, length: number): Uint8Array | null {
  const quoted = `"${name}"`;
  const at = body.indexOf(quoted, 0, 'latin1');
  if (at < 0 || body.includes(quoted, at + 1, 'latin1')) return null;
  const colon = afterSpaces(body, at + quoted.length);
  const start = afterSpaces(body, colon + 1);
  const digits = start + 3;
  const end = digits + 2 * length;
  const hasForm = body[colon] === COLON && body[start] === QUOTE && body[start + 1] === ZERO && body[start + 2] === 0x78 && body[end] === QUOTE;
  if (!hasForm) return null;
  const secret = secretBytes(length);
  let isHex = true;
  for (let place = 0; place < length; place += 1) {
    const [high, low] = [digitOf(body[digits + 2 * place]!), digitOf(body[digits + 2 * place + 1]!)];
    isHex &&= high >= 0 && low >= 0;
    secret[place] = (high << 4) | low;
  }
  body.fill(ZERO, digits, end);
  if (isHex) return secret;
  secret.fill(0);
  return null;
}

function afterSpaces(body: Buffer, from: number): number {
  let at = from;
  while (SPACES.has(body[at])) at += 1;
  return at;
}

/** The value of a hex digit; -1 if the code is not that of a hex digit. */
function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
