/** `Retry-After` in the form that nodes send: whole seconds (RFC 9110 §10.2.3). A header in the date form is ignored. */

/** Milliseconds, at most `maxMs`; undefined if the header is absent or has another form. */
export function readRetryAfterMs(header: string | undefined, maxMs: number): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header) ? Math.min(Number(header) * 1000, maxMs) : undefined;
}
