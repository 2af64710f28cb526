/** `Retry-After` as nodes write it: whole seconds (RFC 9110 §10.2.3; the form of a date is not in use here). */

/** Milliseconds, at most `maxMs`; undefined when there is none, or something else stands there. */
export function readRetryAfterMs(header: string | undefined, maxMs: number): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header) ? Math.min(Number(header) * 1000, maxMs) : undefined;
}
