/** JSON from outside: `__proto__` stays an ordinary key, which JSON.parse already grants; what is no JSON throws. */

/** @throws SyntaxError, whose text quotes the input: never pass it on. */
export function parseJson(text: string): unknown {
  return JSON.parse(text) as unknown;
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
