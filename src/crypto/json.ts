/** JSON from outside: `__proto__` stays an ordinary key, which JSON.parse already grants; a text that is not valid JSON throws. */

const BYTE_ORDER_MARK = '\ufeff';
/** It keeps nothing from one whole text to the next. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A byte order mark before it is passed over (RFC 8259 §8.1). @throws SyntaxError, whose text quotes the input: never pass it on. */
export function parseJson(text: string): unknown {
  return JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text) as unknown;
}

/** A body or an inner text, which must be UTF-8; null for anything that is not valid JSON. */
export function parseJsonOrNull(body: Uint8Array | string): unknown {
  try {
    return parseJsonBody(body);
  } catch {
    return null;
  }
}

/** @throws TypeError when it is not valid UTF-8; as `parseJson` */
export function parseJsonBody(body: Uint8Array | string): unknown {
  return parseJson(typeof body === 'string' ? body : UTF8.decode(body));
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
