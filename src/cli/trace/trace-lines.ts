/** Longest line of a trace that is written or read. A whole chart is one line. Bytes. */
export const MAX_TRACE_LINE_BYTES = 4 * 1024 * 1024;
