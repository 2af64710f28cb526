/** Longest line of a trace that is written or read: a chart is one. Bytes. */
export const MAX_TRACE_LINE_BYTES = 4 * 1024 * 1024;
