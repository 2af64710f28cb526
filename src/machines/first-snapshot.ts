/**
 * Decides when a process with an empty store may become ready (protocol.md §10, First snapshot, lists the conditions). A node that accepted
 * writes with an empty store would issue clock values that it has issued before (§9.3).
 */
import type { FirstSnapshotState, ReadinessView } from '../domain/readiness.ts';

/** After this number of consecutive node_ticks that asked every member in vain, a node becomes ready without a first snapshot. */
const FULL_ROUNDS_IN_VAIN = 3;

export interface FirstSnapshotProgress {
  readonly state: FirstSnapshotState;
  /** Monotonic milliseconds at the start of the first round. */
  readonly firstAskedAtMs: number | null;
  /** Number of consecutive node_ticks in which every other member was asked and none sent a complete snapshot. */
  readonly fullRounds: number;
}

export const SNAPSHOT_MISSING: FirstSnapshotProgress = { state: 'missing', firstAskedAtMs: null, fullRounds: 0 };
export const SNAPSHOT_COMPLETE: FirstSnapshotProgress = { state: 'complete', firstAskedAtMs: null, fullRounds: 0 };

export const SNAPSHOT_NONE: FirstSnapshotProgress = { state: 'none', firstAskedAtMs: null, fullRounds: 0 };

/** The progress after a node_tick that ended without asking the members. The count of consecutive full rounds starts again at 0. */
export function breakRow(before: FirstSnapshotProgress): FirstSnapshotProgress {
  return before.fullRounds === 0 ? before : { ...before, fullRounds: 0 };
}

/**
 * The result of a round that hung or threw. The node does not know which members the step asked, so this result says that it
 * asked all of them and that none answered. Otherwise one member that makes every round hang would keep the node from ever becoming ready.
 * @param members size of the membership, including this node
 */
export function roundInVain(members: number): SnapshotRound {
  const others = Math.max(1, members - 1);
  return { others, asked: others, answered: 0, complete: false };
}

/** What one node_tick learned by asking the members. */
export interface SnapshotRound {
  /** Number of members besides this node. */
  readonly others: number;
  /** Number of these members that were asked. */
  readonly asked: number;
  /** Number of these members whose snapshot was merged from start to end, even if they did not report that their store is complete. */
  readonly answered: number;
  readonly complete: boolean;
}

/**
 * @param askedAtMs monotonic, at the start of the round
 * @param nowMs monotonic, at the end of the round
 * @param beatMs the interval of regular node_ticks
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
 * What a node reports about its own store when it sends a snapshot. A node that is not ready receives no writes from other nodes and may
 * have been cut off for a long time. So it does not claim that its store is complete.
 */
export function vouchedSnapshot({ state, firstSnapshot }: Pick<ReadinessView, 'state' | 'firstSnapshot'>): FirstSnapshotState {
  return state === 'ready' ? firstSnapshot : 'missing';
}
