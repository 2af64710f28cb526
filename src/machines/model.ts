/** The vocabulary of the node's machine: its context, its events, its options and the pure actions on the context. */
import type { Hash32 } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/ports.ts';
import { InvariantError } from '../domain/errors.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import { REASONS, reason, reasonLine, type Reason, type ReasonText } from '../domain/reasons.ts';
import type { LastTick } from '../domain/readiness.ts';
import { NO_BACKOFF, earlyTickDelayMs, nextBackoff, type Backoff } from './early-tick.ts';
import { SNAPSHOT_MISSING, breakRow, type FirstSnapshotProgress } from './first-snapshot.ts';
import type { StepName } from './limits.ts';
import type { HashFacts, SyncTick } from './slots.ts';
import { untilOutdatedMs, type FreshnessLimits, type Instant, type ViewTimes } from './view-age.ts';

export interface NodeMachineOptions {
  /** `KMS_NODE_TICK_SECONDS`, in milliseconds. */
  readonly nodeTickMs: number;
  /** `DATA_SYNC_INTERVAL_SECONDS`, in milliseconds. */
  readonly syncTickMs: number;
  /** `DATA_SYNC_NUDGE_MS`. If it is 0, a write causes no sync_tick. */
  readonly nudgeMs: number;
  readonly freshness: Pick<FreshnessLimits, 'maxAgeMs' | 'outageMs'>;
  /** Whether to probe the peers' `/status` after each refresh of the membership (`IN_ENCLAVE=true`). */
  readonly probePeers: boolean;
}

/** Time, jitter and the secret. The machine has no other access to them. */
export interface NodeMachinePorts {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly random: Pick<Random, 'unit'>;
  readonly secret: SecretPort;
}

/** The machine keeps no copy of the vault's state; it asks the vault. */
export interface SecretPort {
  /** Whether the vault derives keys from the secret that the chain confirms, and also holds the sync key. */
  isServable(): boolean;
}

/** What the machine remembers: hashes and counts, never key bytes. */
export interface NodeContext {
  /** Why the node is not ready; null if and only if the node is ready. */
  readonly reason: Reason | null;
  /** Unix milliseconds at which the readiness state was entered. */
  readonly sinceMs: number;
  readonly firstSnapshot: FirstSnapshotProgress;
  /** Hash of the secret that the first snapshot belongs to. Another secret starts with an empty store and needs a new first snapshot. */
  readonly snapshotUnder: Hash32 | null;
  readonly block: number | null;
  /** Read time and block time of the last good view; null before the first good view. */
  readonly view: ViewTimes | null;
  readonly members: number;
  readonly tick: TickContext;
  readonly backoff: Backoff;
  /** Monotonic milliseconds at which the next node_tick is due. */
  readonly nextTickAtMs: number;
  /** Monotonic milliseconds at which the next regular sync_tick is due. */
  readonly nextSyncTickAtMs: number;
  readonly syncTicks: { readonly run: number };
}

export interface TickContext {
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  /** Monotonic milliseconds. */
  readonly startedMonotonicMs: number;
  /** What step 1 learned about the chain hash; null before step 1 and between two ticks. */
  readonly hash: HashFacts | null;
  /** How the tick ends; null until that is decided. */
  readonly verdict: Verdict | null;
  /** The head or the transaction that shows this tick's progress; empty: no progress. The backoff compares it with the last progress. */
  readonly progress: string;
  /** Monotonic milliseconds at which this tick began to ask for the first snapshot; null if it has not asked. */
  readonly askedAtMs: number | null;
  readonly last: LastTick | null;
  readonly run: number;
  readonly dropped: number;
}

/**
 * What node_tick reports to region readiness. Each event is a fact about the chain or the node, not an order. A `.pending` fact reports the
 * start of a step that may take a long time. It makes the node leave `ready` immediately. If the node is already waiting for the same thing,
 * its reason does not change.
 */
export type ReadinessEvent =
  /** The node is not a member, its teePubkey is not the registered one, its identity cannot be read, or its view is too old. */
  | { type: 'self.ineligible'; reason: Reason }
  | { type: 'self.eligible' }
  /** The chain could not be read. A ready node keeps serving from its last view until that view is too old (protocol.md §6). */
  | { type: 'chain.unread'; reason: Reason }
  | { type: 'hash.pending'; reason: Reason }
  /** The chain hash is zero, is being claimed, or is not deep enough yet. */
  | { type: 'hash.unsettled'; reason: Reason }
  | { type: 'secret.pending'; reason: Reason }
  | { type: 'snapshot.pending' }
  /** The chain shows a hash, but the local secret does not match it or the first snapshot is missing. */
  | { type: 'secret.incomplete'; reason: Reason }
  /** The secret is confirmed, the sync key is installed, and the first snapshot is complete or no longer required. */
  | { type: 'node.prepared' };

/** How a node_tick ends. */
export type Verdict = Extract<
  ReadinessEvent,
  { type: 'self.ineligible' | 'chain.unread' | 'hash.unsettled' | 'secret.incomplete' | 'node.prepared' }
>;

export type NodeEvent =
  | { type: 'node_tick' }
  | SyncTick
  /** This node wrote a record itself. */
  | { type: 'record.written' }
  | ReadinessEvent
  | { type: 'membership.refreshed' }
  | { type: 'tick.settled' };

/** Rank of the state that a verdict leads to: 0 is the furthest from ready, 3 is ready. */
const RANK: Readonly<Record<Verdict['type'], number>> = {
  'self.ineligible': 0,
  'chain.unread': 0,
  'hash.unsettled': 1,
  'secret.incomplete': 2,
  'node.prepared': 3,
};

export function initialContext(ports: NodeMachinePorts): NodeContext {
  return {
    reason: reason(REASONS.initializing),
    sinceMs: ports.clock.nowMs(),
    firstSnapshot: SNAPSHOT_MISSING,
    snapshotUnder: null,
    block: null,
    view: null,
    members: 0,
    tick: {
      startedAtMs: 0,
      startedMonotonicMs: 0,
      hash: null,
      verdict: null,
      progress: '',
      askedAtMs: null,
      last: null,
      run: 0,
      dropped: 0,
    },
    backoff: NO_BACKOFF,
    nextTickAtMs: ports.clock.monotonicMs(),
    nextSyncTickAtMs: ports.clock.monotonicMs(),
    syncTicks: { run: 0 },
  };
}

/**
 * The reason to show when a step has failed. It contains only this project's own sentences, no text from an RPC or a peer.
 * @throws the error itself if it is an InvariantError, which stops the machine and the process
 */
export function failureReason(text: ReasonText, error: unknown): Reason {
  if (error instanceof InvariantError) throw error;
  return reason(text, describeFailure(error));
}

export function timeoutReason(step: StepName): Reason {
  return reason(REASONS.stepTimedOut, step);
}

export function instantOf({ clock }: NodeMachinePorts): Instant {
  return { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
}

export function limitsOf({ freshness, nodeTickMs }: NodeMachineOptions): FreshnessLimits {
  return { ...freshness, nodeTickMs };
}

export function startTick(context: NodeContext, ports: NodeMachinePorts): Partial<NodeContext> {
  return {
    tick: {
      ...context.tick,
      startedAtMs: ports.clock.nowMs(),
      startedMonotonicMs: ports.clock.monotonicMs(),
      hash: null,
      verdict: null,
      progress: '',
      askedAtMs: null,
      run: context.tick.run + 1,
    },
  };
}

/** Records the tick that is ending and sets when the next tick is due. */
export function settleTick(context: NodeContext, options: NodeMachineOptions, ports: NodeMachinePorts): Partial<NodeContext> {
  const nowMs = ports.clock.monotonicMs();
  const { verdict, startedAtMs, startedMonotonicMs, progress } = context.tick;
  const short = verdict !== null && 'reason' in verdict ? verdict : null;
  const ending = short?.reason ?? null;
  const last: LastTick = {
    startedAtMs,
    durationMs: nowMs - startedMonotonicMs,
    outcome: ending === null ? 'ok' : reasonLine(ending),
  };
  const backoff =
    short === null ? NO_BACKOFF : nextBackoff(context.backoff, { text: short.reason.text, progress, rank: RANK[short.type] });
  // If the next tick is a regular one, its delay runs from the start of the tick that has just ended. If it is an early one, its delay runs
  // from the end of that tick.
  const delayMs =
    ending === null
      ? Math.max(0, startedMonotonicMs + options.nodeTickMs - nowMs)
      : earlyTickDelayMs(backoff, options.nodeTickMs, ports.random.unit());
  // A node_tick must run when the view becomes outdated.
  const untilMs = untilOutdatedMs(context.view, instantOf(ports), limitsOf(options));
  const firstSnapshot = context.tick.askedAtMs === null ? breakRow(context.firstSnapshot) : context.firstSnapshot;
  return { tick: { ...context.tick, hash: null, last }, firstSnapshot, backoff, nextTickAtMs: nowMs + Math.min(delayMs, untilMs) };
}
