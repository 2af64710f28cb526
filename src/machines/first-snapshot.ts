/**
 * When a process with an empty store may go ready (protocol.md §10, First snapshot). An empty store that serves would
 * hand out old clock values again (§9.3), so one of five things must hold.
 */
import type { FirstSnapshotState, ReadinessView } from '../domain/readiness.ts';

/** node_ticks in a row that asked everybody in vain, before a node goes ready without. */
const FULL_ROUNDS_IN_VAIN = 3;

export interface FirstSnapshotProgress {
  readonly state: FirstSnapshotState;
  /** Monotonic milliseconds of the first asking. */
  readonly firstAskedAtMs: number | null;
  /** node_ticks in a row in which every other member was asked and none gave a complete snapshot. */
  readonly fullRounds: number;
}

export const SNAPSHOT_MISSING: FirstSnapshotProgress = { state: 'missing', firstAskedAtMs: null, fullRounds: 0 };
export const SNAPSHOT_COMPLETE: FirstSnapshotProgress = { state: 'complete', firstAskedAtMs: null, fullRounds: 0 };

export const SNAPSHOT_NONE: FirstSnapshotProgress = { state: 'none', firstAskedAtMs: null, fullRounds: 0 };

/** A node_tick that settled without having asked: the rounds are no longer in a row. */
export function breakRow(before: FirstSnapshotProgress): FirstSnapshotProgress {
  return before.fullRounds === 0 ? before : { ...before, fullRounds: 0 };
}

/**
 * What counts for a round that hung or threw: every member was asked and none gave a snapshot. Whom the step had reached is lost with
 * it, and a round that never counted would keep a node unready for ever by one member that makes it hang.
 * @param members in the membership, this node included
 */
export function roundInVain(members: number): SnapshotRound {
  const others = Math.max(1, members - 1);
  return { others, asked: others, answered: 0, complete: false };
}

/** What one node_tick found out by asking. */
export interface SnapshotRound {
  /** Members besides this node. */
  readonly others: number;
  readonly asked: number;
  /** Members whose snapshot, complete or not, was merged to its end. */
  readonly answered: number;
  readonly complete: boolean;
}

/**
 * @param askedAtMs monotonic, at the start of the round
 * @param nowMs monotonic, at its end
 * @param beatMs the regular beat of node_tick
 */
export function judgeFirstSnapshot(
  before: FirstSnapshotProgress,
  round: SnapshotRound,
  askedAtMs: number,
  nowMs: number,
  beatMs: number,
): FirstSnapshotProgress {
  if (round.others === 0 || round.complete) return SNAPSHOT_COMPLETE;
  if (round.asked >= round.others && round.answered >= round.others) return SNAPSHOT_COMPLETE;
  const firstAskedAtMs = before.firstAskedAtMs ?? askedAtMs;
  const fullRounds = round.asked >= round.others ? before.fullRounds + 1 : 0;
  const inVain = fullRounds >= FULL_ROUNDS_IN_VAIN && nowMs - firstAskedAtMs >= beatMs;
  return { state: before.state === 'none' || inVain ? 'none' : 'missing', firstAskedAtMs, fullRounds };
}

/**
 * What a node says of its own store when it gives a snapshot. One that is not ready gets no writes of others and may have been out
 * for long: it vouches for nothing it holds.
 */
export function vouchedSnapshot({ state, firstSnapshot }: Pick<ReadinessView, 'state' | 'firstSnapshot'>): FirstSnapshotState {
  return state === 'ready' ? firstSnapshot : 'missing';
}
