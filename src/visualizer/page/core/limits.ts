/** What a page keeps, so that it may stay open for days. */

/** Events that can be gone back to. */
export const EVENTS_LIMIT = 20_000;
/** From one remembered model to the next: as many events are folded again when someone goes back. */
export const KEYFRAME_EVERY = 64;
/** Rows of the list of events. */
export const LISTED_LIMIT = 400;
/** Spans of a source that are kept, marks, and stays in a state: live, and of a trace that is all there. */
export const LANE_LIMIT = 3_000;
export const TRACE_LANE_LIMIT = 50_000;
/** A trace file that is opened. Bytes. */
export const TRACE_LIMIT_BYTES = 64 * 1024 * 1024;
/** Sources that are followed. */
export const SOURCES_LIMIT = 64;
