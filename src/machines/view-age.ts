/**
 * How old the last good view of the chain is, and what a node must not do with an old view (protocol.md §6, Freshness). Pure.
 *
 * A view's age is the longer of two times: the wall clock minus the time of its block, and the monotonic time since the view was read. So
 * the age is never less than the time since the read, even if the wall clock is set back. On a chain that mines on demand, the time of a
 * block is meaningless: there `CHAIN_MAX_AGE_SECONDS` is 0, and the age is measured from the read.
 */

export interface FreshnessLimits {
  /** `CHAIN_MAX_AGE_SECONDS` in milliseconds. 0: block times are ignored. */
  readonly maxAgeMs: number;
  /** `CHAIN_OUTAGE_SECONDS` in milliseconds. 0: a ready node leaves `ready` at the first failed read. */
  readonly outageMs: number;
  /** `KMS_NODE_TICK_SECONDS` in milliseconds. */
  readonly nodeTickMs: number;
}

/** When a good view was read, and the time of its block. */
export interface ViewTimes {
  /** Unix milliseconds of the block. */
  readonly blockMs: number;
  /** Unix milliseconds of the read. */
  readonly readAtMs: number;
  /** Monotonic milliseconds of the read. */
  readonly readAtMonotonicMs: number;
}

export interface Instant {
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly monotonicMs: number;
}

export function viewAgeMs(view: ViewTimes, now: Instant, { maxAgeMs }: Pick<FreshnessLimits, 'maxAgeMs'>): number {
  const fromMs = maxAgeMs === 0 ? view.readAtMs : view.blockMs;
  return Math.max(0, now.nowMs - fromMs, now.monotonicMs - view.readAtMonotonicMs);
}

/** Whether the master secret may be handed to a member of this view. */
export function isFreshEnough(view: ViewTimes | null, now: Instant, limits: FreshnessLimits): boolean {
  if (view === null) return false;
  return limits.maxAgeMs === 0 || viewAgeMs(view, now, limits) <= limits.maxAgeMs + limits.nodeTickMs;
}

/** Whether this view is so old that a ready node must leave `ready`, even if reads succeed. */
export function isOutdated(view: ViewTimes | null, now: Instant, limits: FreshnessLimits): boolean {
  return view !== null && limits.outageMs > 0 && viewAgeMs(view, now, limits) > limits.outageMs;
}

/** Whether a failed read makes a ready node leave `ready`. */
export function endsReady(view: ViewTimes | null, now: Instant, limits: FreshnessLimits): boolean {
  return view === null || limits.outageMs === 0 || isOutdated(view, now, limits);
}

/** Milliseconds until the view becomes outdated and a node_tick must arrive. Infinity if it never becomes outdated or is already outdated. */
export function untilOutdatedMs(view: ViewTimes | null, now: Instant, limits: FreshnessLimits): number {
  if (view === null || limits.outageMs === 0 || isOutdated(view, now, limits)) return Infinity;
  return limits.outageMs - viewAgeMs(view, now, limits) + 1;
}
