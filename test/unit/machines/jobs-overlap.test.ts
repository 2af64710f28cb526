/** The two jobs in time (protocol.md §1): beats, overlap, limits, early ticks, and what stops a push. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError, InvariantError } from '../../../src/domain/errors.ts';
import type { Hash32 } from '../../../src/domain/ids.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { STEP_LIMIT_MS } from '../../../src/machines/limits.ts';
import { readinessState, readinessView } from '../../../src/machines/status.ts';
import { ControlledNode } from '../../machine/controlled-node.ts';

const HASH = `0x${'ab'.repeat(32)}` as Hash32;
const BEAT_MS = 60_000;
const SYNC_MS = 10_000;

function startNode(): ControlledNode {
  return new ControlledNode({ nodeTickMs: BEAT_MS, syncTickMs: SYNC_MS, probePeers: false });
}

async function tickToReady(node: ControlledNode): Promise<void> {
  await node.settle('refreshMembership', { block: 10, members: 1 });
  await node.settle('checkEligibility', { eligible: true });
  const changed = node.snapshot.context.confirmedHash === null;
  await node.settle('readHash', { kind: 'confirmed', hash: HASH, changed, claimedHere: changed });
  await node.settle('installSyncKey', undefined);
}

describe('node_tick', () => {
  test('runs once at once at the start', () => {
    const node = startNode();
    expect(node.started.get('refreshMembership')).toBe(1);
  });

  test('that meets another is counted and dropped, not queued', async () => {
    const node = startNode();
    node.actor.send({ type: 'node_tick' });
    node.actor.send({ type: 'node_tick' });
    expect(node.snapshot.context.tick.dropped).toBe(2);
    await tickToReady(node);
    expect(node.snapshot.value.nodeTick).toBe('idle');
    expect(node.started.get('refreshMembership')).toBe(1);
  });

  test('comes again one beat after the last began, when that ended ready', async () => {
    const node = startNode();
    await node.advance(5_000);
    await tickToReady(node);
    expect(readinessView(node.snapshot, 5_000).nextTickInMs).toBe(BEAT_MS - 5_000);
    await node.advance(BEAT_MS - 5_001);
    expect(node.started.get('refreshMembership')).toBe(1);
    await node.advance(1);
    expect(node.started.get('refreshMembership')).toBe(2);
  });

  test('comes early after a failed read, later each time, and on the beat again once ready', async () => {
    const node = startNode();
    const gaps: number[] = [];
    for (let failure = 0; failure < 4; failure += 1) {
      await node.fail('refreshMembership', new DependencyError('chain', 'timeout', 'the RPC did not answer'));
      const gap = node.snapshot.context.nextTickAtMs;
      const view = readinessView(node.snapshot, 0);
      expect(view.reason).toEqual(reason(REASONS.peerCacheRefreshFailed, 'the RPC did not answer'));
      await node.advance(gap - (node.snapshot.context.tick.startedMonotonicMs + (node.snapshot.context.tick.last?.durationMs ?? 0)));
      gaps.push(node.snapshot.context.tick.startedMonotonicMs);
    }
    expect(gaps).toEqual([1_000, 3_000, 7_000, 15_000]);
    await tickToReady(node);
    expect(node.snapshot.context.nextTickAtMs - node.snapshot.context.tick.startedMonotonicMs).toBe(BEAT_MS);
  });

  test('whose step hangs ends with that reason, and the next one goes on as ever', async () => {
    const node = startNode();
    const hanging = node.signalOf('refreshMembership');
    await node.advance(STEP_LIMIT_MS.refreshingMembership);
    expect(hanging.aborted).toBe(true);
    expect(node.snapshot.context.reason).toEqual(reason(REASONS.stepTimedOut, 'refreshingMembership'));
    await node.advance(1_000);
    await tickToReady(node);
    expect(readinessState(node.snapshot)).toBe('ready');
  });

  test('does not take an error text of somebody else into its reason', async () => {
    const node = startNode();
    await node.fail('refreshMembership', new Error('key=deadbeef'));
    expect(node.snapshot.context.reason).toEqual(reason(REASONS.peerCacheRefreshFailed, 'unexpected failure'));
  });

  test('that breaks an invariant stops the machine', async () => {
    const node = startNode();
    await node.fail('refreshMembership', new InvariantError('two secrets at once'));
    expect(node.snapshot.status).toBe('error');
    expect(node.errors).toEqual([new InvariantError('two secrets at once')]);
  });
});

describe('sync_tick', () => {
  test('is not heard before ready', async () => {
    const node = startNode();
    node.actor.send({ type: 'sync_tick' });
    await node.advance(0);
    expect(node.started.get('pushDeltas')).toBeUndefined();
  });

  test('comes after each interval once ready, one push at a time', async () => {
    const node = startNode();
    await tickToReady(node);
    await node.advance(SYNC_MS);
    expect(node.started.get('pushDeltas')).toBe(1);
    await node.advance(SYNC_MS);
    expect(node.started.get('pushDeltas')).toBe(1);
    await node.settle('pushDeltas', undefined);
    await node.advance(SYNC_MS);
    expect(node.started.get('pushDeltas')).toBe(2);
    expect(node.snapshot.context.syncTicks).toEqual({ run: 1, failed: 0 });
  });

  test('is aborted when the node leaves ready', async () => {
    const node = startNode();
    await tickToReady(node);
    await node.advance(SYNC_MS);
    const push = node.signalOf('pushDeltas');
    await node.advance(BEAT_MS - SYNC_MS);
    await node.settle('refreshMembership', { block: 20, members: 0 });
    await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.selfNotInNodeList) });
    expect(readinessState(node.snapshot)).toBe('ineligible');
    expect(push.aborted).toBe(true);
  });

  test('goes on through a node_tick that finds all as it was', async () => {
    const node = startNode();
    await tickToReady(node);
    await node.advance(BEAT_MS);
    const push = node.signalOf('pushDeltas');
    await tickToReady(node);
    expect(readinessState(node.snapshot)).toBe('ready');
    expect(push.aborted).toBe(false);
  });
});
