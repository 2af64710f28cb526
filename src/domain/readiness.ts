/** What the rest of the node may know about the machine (protocol.md §10, Readiness). The HTTP gate reads this and nothing else. */
import type { Hash32 } from './ids.ts';
import type { Reason } from './reasons.ts';

/**
 * The value of `event` in the log line about a change of state or reason. Programs that read the log look for this value, not for the
 * sentence.
 */
export const READINESS_CHANGED = 'readiness_changed';

export const READINESS_STATES = ['ineligible', 'bootstrapping', 'syncing-secret', 'ready'] as const;
export type ReadinessState = (typeof READINESS_STATES)[number];

/** `uninitialized`: this node has no master secret; `generated`: made here or given in the configuration; `synced`: sent by a member. */
export const SECRET_STATES = ['uninitialized', 'generated', 'synced'] as const;
export type SecretState = (typeof SECRET_STATES)[number];

/**
 * `missing`: not installed yet; `complete`: installed, or not needed; `none`: the node became ready without a snapshot (protocol.md §10).
 */
export type FirstSnapshotState = 'missing' | 'complete' | 'none';

/** Why a node may say that a key is absent (protocol.md §10, "404 means absent"). `machines/sureness.ts` explains each reason. */
export const SURE_REASONS = ['claimed', 'alone', 'sure_members', 'all_members', 'in_vain'] as const;
export type SureReason = (typeof SURE_REASONS)[number];

export interface LastTick {
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** `ok`, or the reason that ended the tick early, on one line. */
  readonly outcome: string;
}

export interface ReadinessView {
  readonly state: ReadinessState;
  /** Null exactly when the node is ready. */
  readonly reason: Reason | null;
  /** Unix milliseconds at which this state was entered. */
  readonly sinceMs: number;
  /** Whether the hash of the held secret equals the chain hash of the last good read. Only then may `/sync` answer. */
  readonly secretConfirmed: boolean;
  /** The hash of the confirmed secret; null exactly when no secret is confirmed. */
  readonly confirmedHash: Hash32 | null;
  readonly firstSnapshot: FirstSnapshotState;
  readonly lastTick: LastTick | null;
  /** Milliseconds until the next node_tick; null while a node_tick is running. */
  readonly nextTickInMs: number | null;
  readonly ticks: { readonly run: number; readonly dropped: number };
  readonly syncTicks: { readonly run: number };
}
