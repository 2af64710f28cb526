/** Limits on what a page keeps. They allow a page to stay open for days. */

/** Maximum number of events that the reader can go back to. */
export const EVENTS_LIMIT = 20_000;
/** Number of events from one stored model to the next. To go back, the page starts at a stored model and folds fewer events than this. */
export const KEYFRAME_EVERY = 64;
/** Maximum number of rows in the list of events. */
export const LISTED_LIMIT = 400;
/** For each source of live events, the page keeps at most this many spans, this many marks and this many stays in a state. */
export const LANE_LIMIT = 3_000;
/** The same limit for each source in a trace file. */
export const TRACE_LANE_LIMIT = 50_000;
/** Maximum size of a trace file that the page opens. Bytes. */
export const TRACE_LIMIT_BYTES = 64 * 1024 * 1024;
/** Maximum number of sources that the page follows. */
export const SOURCES_LIMIT = 64;
