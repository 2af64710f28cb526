/** Reads, from a snapshot of the machine, the values that other folders (rooms) may use. This runs on every request, so it must be cheap. */
import type { SnapshotFrom } from 'xstate';
import type { Hash32 } from '../domain/ids.ts';
import type { ReadinessState, ReadinessView } from '../domain/readiness.ts';
import type { NodeMachine } from './node-machine.ts';

export type NodeSnapshot = SnapshotFrom<NodeMachine>;

export function readinessState(snapshot: NodeSnapshot): ReadinessState {
  const { readiness } = snapshot.value;
  return typeof readiness === 'string' ? readiness : 'ready';
}

/**
 * @param confirmedHash hash of the secret from which the vault derives keys
 * @param monotonicMs the current time on the clock that the machine uses
 */
export function readinessView(snapshot: NodeSnapshot, confirmedHash: Hash32 | null, monotonicMs: number): ReadinessView {
  const { context } = snapshot;
  const ticking = snapshot.value.nodeTick !== 'idle';
  return {
    state: readinessState(snapshot),
    reason: context.reason,
    sinceMs: context.sinceMs,
    secretConfirmed: confirmedHash !== null,
    confirmedHash,
    firstSnapshot: context.firstSnapshot.state,
    lastTick: context.tick.last,
    nextTickInMs: ticking ? null : Math.max(0, context.nextTickAtMs - monotonicMs),
    ticks: { run: context.tick.run, dropped: context.tick.dropped },
    syncTicks: context.syncTicks,
  };
}
