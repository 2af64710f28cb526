/** Timeouts of the jobs (protocol.md §1). A step that exceeds its timeout ends the current tick; the next tick still runs. Milliseconds. */

export const STEP_TIMEOUT_MS = {
  readingChain: 20_000,
  checkingEligibility: 10_000,
  claimingHash: 30_000,
  fetchingSecret: 60_000,
  installingSyncKey: 1_000,
  fetchingSnapshot: 120_000,
} as const;

export type StepName = keyof typeof STEP_TIMEOUT_MS;

/** Timeout of one round of probes, which ask each peer for `/status`. */
export const PROBE_TIMEOUT_MS = 9_000;

/** The shortest wait before an early node_tick (protocol.md §10, Early ticks). */
export const EARLY_TICK_FLOOR_MS = 1_000;
