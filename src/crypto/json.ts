/** Parses JSON from outside. In the result, `__proto__` is an ordinary key, because `JSON.parse` never sets a prototype. */

const BYTE_ORDER_MARK = '\ufeff';
/** All calls can share one decoder, because it keeps no state between complete inputs. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Skips a leading byte order mark (RFC 8259 §8.1). @throws SyntaxError, whose message quotes the input: never pass it on */
export function parseJson(text: string): unknown {
  return JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text) as unknown;
}

/** Parses a body or an inner text; null if it is not UTF-8 or not valid JSON. */
export function parseJsonOrNull(body: Uint8Array | string): unknown {
  try {
    return parseJsonBody(body);
  } catch {
    return null;
  }
}

/** @throws TypeError when the body is not valid UTF-8; SyntaxError as in `parseJson` */
export function parseJsonBody(body: Uint8Array | string): unknown {
  return parseJson(typeof body === 'string' ? body : UTF8.decode(body));
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
