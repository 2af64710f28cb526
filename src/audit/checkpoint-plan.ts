/**
 * Decides when the newest entry of an audit log is signed: when enough entries are unsigned, or when an entry has been unsigned for long
 * enough, whichever comes first. After a failed attempt, the next attempt is delayed, with backoff.
 */
import { backoffMs } from '../domain/backoff.ts';

/** When there are this many unsigned entries, they are signed immediately. */
export const CHECKPOINT_ENTRIES = 1_000;
/** Maximum time that an entry waits for a signature if no attempt fails. Milliseconds. */
export const CHECKPOINT_MS = 60_000;
/** The backoff after a failed attempt. Milliseconds. */
const RETRY = { firstMs: 1_000, lastMs: 60_000 };

export interface CheckpointState {
  /** Number of entries that no checkpoint covers yet. */
  readonly unsigned: number;
  readonly isSigning: boolean;
  /** Number of consecutive failed attempts. */
  readonly failures: number;
  /** A random number in [0, 1), drawn at the last failure. It determines the jitter of the wait after that failure. */
  readonly unit: number;
}

export type CheckpointPlan = { readonly kind: 'nothing' } | { readonly kind: 'now' } | { readonly kind: 'in'; readonly delayMs: number };

export function planCheckpoint({ unsigned, isSigning, failures, unit }: CheckpointState): CheckpointPlan {
  if (isSigning || unsigned === 0) return { kind: 'nothing' };
  if (failures > 0) return { kind: 'in', delayMs: backoffMs(RETRY, failures - 1, unit) };
  return unsigned >= CHECKPOINT_ENTRIES ? { kind: 'now' } : { kind: 'in', delayMs: CHECKPOINT_MS };
}
