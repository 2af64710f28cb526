/** Maximum length in bytes of a line in a trace, for writers and readers. A whole chart is one line. */
export const MAX_TRACE_LINE_BYTES = 4 * 1024 * 1024;
