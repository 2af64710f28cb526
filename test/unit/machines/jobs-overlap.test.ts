/** The timing of the two jobs (protocol.md §1): regular, early and overlapping ticks, timeouts, and when the replication ends. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DependencyError, InvariantError } from '../../../src/domain/errors.ts';
import type { Hash32 } from '../../../src/domain/ids.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { STEP_TIMEOUT_MS } from '../../../src/machines/limits.ts';
import { readinessState, readinessView } from '../../../src/machines/status.ts';
import { ControlledNode } from '../../machine/controlled-node.ts';

const HASH = `0x${'ab'.repeat(32)}` as Hash32;
const BEAT_MS = 60_000;
const SYNC_MS = 10_000;
const NUDGE_MS = 50;

function startNode(): ControlledNode {
  return new ControlledNode({ nodeTickMs: BEAT_MS, syncTickMs: SYNC_MS, nudgeMs: NUDGE_MS, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: false });
}

async function tickToReady(node: ControlledNode): Promise<void> {
  await node.settle('readChain', { block: 10, blockMs: node.nowMs, members: 1, hash: { kind: 'confirmed', store: { secret: HASH, claimedHere: true } } });
  await node.settle('checkEligibility', { eligible: true });
  await node.settle('installSyncKey', { stale: false });
}

describe('node_tick', () => {
  test('runs once immediately at the start', () => {
    const node = startNode();
    expect(node.started.get('readChain')).toBe(1);
  });

  test('is counted and dropped, not queued, if it is due while another one is running', async () => {
    const node = startNode();
    node.actor.send({ type: 'node_tick' });
    node.actor.send({ type: 'node_tick' });
    expect(node.snapshot.context.tick.dropped).toBe(2);
    await tickToReady(node);
    expect(node.snapshot.value.nodeTick).toBe('idle');
    expect(node.started.get('readChain')).toBe(1);
  });

  test('runs again one interval after the start of a node_tick that made the node ready', async () => {
    const node = startNode();
    await node.advance(5_000);
    await tickToReady(node);
    expect(readinessView(node.snapshot, HASH, 5_000).nextTickInMs).toBe(BEAT_MS - 5_000);
    await node.advance(BEAT_MS - 5_001);
    expect(node.started.get('readChain')).toBe(1);
    await node.advance(1);
    expect(node.started.get('readChain')).toBe(2);
  });

  test('runs early, with growing pauses, after failed reads, and once per interval again when the node is ready', async () => {
    const node = startNode();
    const gaps: number[] = [];
    for (let failure = 0; failure < 4; failure += 1) {
      await node.fail('readChain', new DependencyError('chain', 'timeout', 'the RPC did not answer'));
      const gap = node.snapshot.context.nextTickAtMs;
      const view = readinessView(node.snapshot, HASH, 0);
      expect(view.reason).toEqual(reason(REASONS.peerCacheRefreshFailed, 'the RPC did not answer'));
      await node.advance(gap - (node.snapshot.context.tick.startedMonotonicMs + (node.snapshot.context.tick.last?.durationMs ?? 0)));
      gaps.push(node.snapshot.context.tick.startedMonotonicMs);
    }
    expect(gaps).toEqual([1_000, 3_000, 7_000, 15_000]);
    await tickToReady(node);
    expect(node.snapshot.context.nextTickAtMs - node.snapshot.context.tick.startedMonotonicMs).toBe(BEAT_MS);
  });

  test('ends with a reason that names the step if a step hangs, and the next node_tick runs normally', async () => {
    const node = startNode();
    const hanging = node.signalOf('readChain');
    await node.advance(STEP_TIMEOUT_MS.readingChain);
    expect(hanging.aborted).toBe(true);
    expect(node.snapshot.context.reason).toEqual(reason(REASONS.stepTimedOut, 'readingChain'));
    await node.advance(1_000);
    await tickToReady(node);
    expect(readinessState(node.snapshot)).toBe('ready');
  });

  test('does not copy the message of an unexpected error into its reason', async () => {
    const node = startNode();
    await node.fail('readChain', new Error('key=deadbeef'));
    expect(node.snapshot.context.reason).toEqual(reason(REASONS.peerCacheRefreshFailed, 'unexpected failure (Error)'));
  });

  test('stops the machine if it breaks an invariant', async () => {
    const node = startNode();
    await node.fail('readChain', new InvariantError('two secrets at once'));
    expect(node.snapshot.status).toBe('error');
    expect(node.errors).toEqual([new InvariantError('two secrets at once')]);
  });
});

describe('sync_tick', () => {
  test('is ignored before the node is ready', async () => {
    const node = startNode();
    node.actor.send({ type: 'sync_tick' });
    await node.advance(0);
    expect(node.started.get('replicate')).toBeUndefined();
    await tickToReady(node);
    expect(node.syncTicks).toEqual([]);
  });

  test('reaches the replication after each interval while the node is ready', async () => {
    const node = startNode();
    await tickToReady(node);
    expect([node.replicating, node.syncTicks]).toEqual([true, []]);
    await node.advance(2 * SYNC_MS);
    expect(node.syncTicks).toEqual([{ type: 'sync_tick' }, { type: 'sync_tick' }]);
    expect(node.started.get('replicate')).toBe(1);
    expect(node.snapshot.context.syncTicks).toEqual({ run: 2 });
  });

  test('follows a write immediately or at the end of the current nudge interval, and does not shift the regular interval', async () => {
    const nudged = { type: 'sync_tick', nudged: true };
    const node = startNode();
    await tickToReady(node);
    for (let write = 0; write < 3; write += 1) node.actor.send({ type: 'record.written' });
    await node.advance(0);
    expect(node.syncTicks).toEqual([nudged]);
    await node.advance(NUDGE_MS - 1);
    expect(node.syncTicks).toEqual([nudged]);
    await node.advance(1);
    expect(node.syncTicks).toEqual([nudged, nudged]);
    await node.advance(NUDGE_MS);
    node.actor.send({ type: 'record.written' });
    await node.advance(0);
    expect(node.syncTicks).toEqual([nudged, nudged, nudged]);
    await node.advance(SYNC_MS - 2 * NUDGE_MS);
    expect(node.syncTicks).toEqual([nudged, nudged, nudged, { type: 'sync_tick' }]);
  });

  test('follows every write within one nudge interval, and runs at most once per nudge interval, regardless of when the writes happen', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2 * NUDGE_MS), { minLength: 1, maxLength: 40 }), async (pauses) => {
        const node = startNode();
        await tickToReady(node);
        const written: number[] = [];
        const nudgedAt: number[] = [];
        let nowMs = 0;
        const note = (before: number): void => {
          for (const { nudged } of node.syncTicks.slice(before)) if (nudged === true) nudgedAt.push(nowMs);
        };
        const pass = async (ms: number): Promise<void> => {
          for (const endMs = nowMs + ms; nowMs < endMs; ) {
            const before = node.syncTicks.length;
            nowMs += 1;
            await node.advance(1);
            note(before);
          }
        };
        for (const pauseMs of pauses) {
          const before = node.syncTicks.length;
          written.push(nowMs);
          node.actor.send({ type: 'record.written' });
          note(before);
          await pass(pauseMs);
        }
        await pass(NUDGE_MS);
        for (const atMs of written) expect(nudgedAt.some((tickMs) => tickMs >= atMs && tickMs <= atMs + NUDGE_MS)).toBe(true);
        for (const [index, atMs] of nudgedAt.slice(1).entries()) expect(atMs - nudgedAt[index]!).toBeGreaterThanOrEqual(NUDGE_MS);
      }),
      { numRuns: 15 },
    );
  });

  test('is not triggered by a write when the nudge is turned off', async () => {
    const node = new ControlledNode({ nodeTickMs: BEAT_MS, syncTickMs: SYNC_MS, nudgeMs: 0, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: false });
    await tickToReady(node);
    node.actor.send({ type: 'record.written' });
    await node.advance(SYNC_MS);
    expect(node.syncTicks).toEqual([{ type: 'sync_tick' }]);
  });

  test('is ignored after the node has stopped being ready, which also ends the running replication', async () => {
    const node = startNode();
    await tickToReady(node);
    await node.advance(BEAT_MS);
    const heard = node.syncTicks.length;
    await node.settle('readChain', { block: 20, blockMs: node.nowMs, members: 0, hash: { kind: 'confirmed', store: { secret: HASH, claimedHere: true } } });
    await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.selfNotInNodeList) });
    expect([readinessState(node.snapshot), node.replicating]).toEqual(['ineligible', false]);
    node.actor.send({ type: 'sync_tick' });
    expect(node.syncTicks).toHaveLength(heard);
  });

  test('reaches the same running replication after a node_tick that changed nothing', async () => {
    const node = startNode();
    await tickToReady(node);
    await node.advance(BEAT_MS);
    await tickToReady(node);
    expect([readinessState(node.snapshot), node.replicating, node.started.get('replicate')]).toEqual(['ready', true, 1]);
  });

  test('stops the machine if it breaks an invariant', async () => {
    const node = startNode();
    await tickToReady(node);
    node.failSyncTick = new InvariantError('an acknowledged sequence number has decreased');
    node.actor.send({ type: 'sync_tick' });
    expect([node.snapshot.status, node.errors]).toEqual(['error', [node.failSyncTick]]);
  });
});

describe('a missing first snapshot', () => {
  const others = { block: 10, blockMs: 0, members: 3, hash: { kind: 'confirmed', store: { secret: HASH, claimedHere: false } } };
  const inVain = { others: 2, asked: 2, answered: 1, complete: false };

  async function tickToSnapshot(node: ControlledNode): Promise<void> {
    await node.settle('readChain', others);
    await node.settle('checkEligibility', { eligible: true });
    await node.settle('installSyncKey', { stale: false });
    expect(node.snapshot.value.nodeTick).toBe('fetchingSnapshot');
  }

  /** Advances the time until the next node_tick begins. */
  const rest = (node: ControlledNode, sinceMs: number) => node.advance(node.snapshot.context.nextTickAtMs - sinceMs);

  test('does not prevent the node from becoming ready when the snapshot step always hangs', async () => {
    const node = startNode();
    let nowMs = 0;
    for (let round = 1; round <= 3; round += 1) {
      expect(readinessState(node.snapshot)).not.toBe('ready');
      await tickToSnapshot(node);
      await node.advance(STEP_TIMEOUT_MS.fetchingSnapshot);
      nowMs += STEP_TIMEOUT_MS.fetchingSnapshot;
      if (round === 3) break;
      expect(node.snapshot.context.reason).toEqual(reason(REASONS.stepTimedOut, 'fetchingSnapshot'));
      const next = node.snapshot.context.nextTickAtMs;
      await rest(node, nowMs);
      nowMs = next;
    }
    expect(readinessView(node.snapshot, HASH, nowMs)).toMatchObject({ state: 'ready', firstSnapshot: 'none' });
  });

  test('makes the node measure its wait from its first request for a snapshot, not from the start of the node_tick', async () => {
    const node = startNode();
    await node.advance(9_000);
    await tickToSnapshot(node);
    await node.advance(500);
    await node.settle('fetchSnapshot', inVain);
    expect(node.snapshot.context.firstSnapshot).toEqual({ state: 'missing', firstAskedAtMs: 9_000, fullRounds: 1 });
  });

  test('makes the node count its rounds from zero again after a node_tick that asks no member', async () => {
    const node = startNode();
    await tickToSnapshot(node);
    await node.settle('fetchSnapshot', inVain);
    expect(node.snapshot.context.firstSnapshot.fullRounds).toBe(1);
    await rest(node, 0);
    await node.fail('readChain', new DependencyError('chain', 'timeout', 'the RPC did not answer'));
    expect(node.snapshot.context.firstSnapshot).toEqual({ state: 'missing', firstAskedAtMs: 0, fullRounds: 0 });
  });
});
