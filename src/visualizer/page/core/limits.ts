/** Limits of what a page keeps, so that it can stay open for days. */

/** Events that the reader can go back to. */
export const EVENTS_LIMIT = 20_000;
/** Events from one stored model to the next. Going back folds fewer than this again. */
export const KEYFRAME_EVERY = 64;
/** Rows in the list of events. */
export const LISTED_LIMIT = 400;
/** Most spans, most marks and most stays kept of a source: live, and in a trace file. */
export const LANE_LIMIT = 3_000;
export const TRACE_LANE_LIMIT = 50_000;
/** Largest trace file that the page opens. Bytes. */
export const TRACE_LIMIT_BYTES = 64 * 1024 * 1024;
/** Most sources that the page follows. */
export const SOURCES_LIMIT = 64;
