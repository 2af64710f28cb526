/** When the end of an audit is signed: after so many entries or so long, whichever comes first; after a failure, with backoff. */
import { backoffMs } from '../domain/backoff.ts';

/** Entries after which it is signed at once. */
export const CHECKPOINT_ENTRIES = 1_000;
/** How long an entry waits for a signature. Milliseconds. */
export const CHECKPOINT_MS = 60_000;
/** The waits after a failed try. Milliseconds. */
const RETRY = { firstMs: 1_000, lastMs: 60_000 };

export interface CheckpointState {
  /** Entries that no checkpoint speaks for yet. */
  readonly unsigned: number;
  /** The enclave is signing. */
  readonly isSigning: boolean;
  /** Tries that failed in a row. */
  readonly failures: number;
  /** Uniform in [0, 1), drawn with the last failure: the jitter of the wait after it. */
  readonly unit: number;
}

export type CheckpointPlan = { readonly kind: 'nothing' } | { readonly kind: 'now' } | { readonly kind: 'in'; readonly delayMs: number };

export function planCheckpoint({ unsigned, isSigning, failures, unit }: CheckpointState): CheckpointPlan {
  if (isSigning || unsigned === 0) return { kind: 'nothing' };
  if (failures > 0) return { kind: 'in', delayMs: backoffMs(RETRY, failures - 1, unit) };
  return unsigned >= CHECKPOINT_ENTRIES ? { kind: 'now' } : { kind: 'in', delayMs: CHECKPOINT_MS };
}
