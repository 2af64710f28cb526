/** Readiness as operators see it (protocol.md §1, §10): what leaves ready and with which reason, and how a node comes back. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError, InvariantError } from '../../../src/domain/errors.ts';
import { ZERO_HASH, type Hash32 } from '../../../src/domain/ids.ts';
import type { ReadinessState } from '../../../src/domain/readiness.ts';
import { REASONS, reason, type Reason } from '../../../src/domain/reasons.ts';
import { PROBE_LIMIT_MS, STEP_LIMIT_MS } from '../../../src/machines/limits.ts';
import { readinessState, readinessView } from '../../../src/machines/status.ts';
import { ControlledNode } from '../../machine/controlled-node.ts';

const HASH = `0x${'ab'.repeat(32)}` as Hash32;
const OTHER = `0x${'cd'.repeat(32)}` as Hash32;
const BEAT_MS = 60_000;
const SYNC_MS = 10_000;

class Node extends ControlledNode {
  constructor(probePeers = false) {
    super({ nodeTickMs: BEAT_MS, syncTickMs: SYNC_MS, nudgeMs: 50, probePeers });
  }

  get state(): ReadinessState {
    return readinessState(this.snapshot);
  }

  get reason(): Reason | null {
    return this.snapshot.context.reason;
  }

  async eligible(): Promise<void> {
    await this.settle('refreshMembership', { block: 10, members: 2, shownInstead: null });
    await this.settle('checkEligibility', { eligible: true });
  }

  async toReady(): Promise<void> {
    await this.eligible();
    await this.settle('readHash', { kind: 'confirmed', hash: HASH, changed: true, claimedHere: true });
    await this.settle('installSyncKey', { stale: false });
    expect(this.state).toBe('ready');
  }
}

/** Ready, and in its next node_tick. */
async function readyNode(): Promise<Node> {
  const node = new Node();
  await node.toReady();
  await node.advance(BEAT_MS);
  return node;
}

const LOST = new DependencyError('chain', 'unreachable', 'the RPC cannot be read');

describe('a ready node leaves ready at the tick that sees', () => {
  test.each<[string, (node: Node) => Promise<void>, ReadinessState, Reason]>([
    [
      'that it is no member',
      async (node) => {
        await node.settle('refreshMembership', { block: 20, members: 1, shownInstead: null });
        await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.selfNotInNodeList, 'not active') });
      },
      'ineligible',
      reason(REASONS.selfNotInNodeList, 'not active'),
    ],
    [
      'another teePubkey',
      async (node) => {
        await node.settle('refreshMembership', { block: 20, members: 2, shownInstead: null });
        await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.teePubkeyMismatch) });
      },
      'ineligible',
      reason(REASONS.teePubkeyMismatch),
    ],
    ['no membership', (node) => node.fail('refreshMembership', LOST), 'ineligible', reason(REASONS.peerCacheRefreshFailed, LOST.message)],
    [
      'a silent enclave',
      async (node) => {
        await node.settle('refreshMembership', { block: 20, members: 2, shownInstead: null });
        await node.advance(STEP_LIMIT_MS.checkingEligibility);
      },
      'ineligible',
      reason(REASONS.stepTimedOut, 'checkingEligibility'),
    ],
    [
      'the hash zero, though the claim hangs',
      async (node) => {
        await node.eligible();
        await node.settle('readHash', { kind: 'zero' });
      },
      'bootstrapping',
      reason(REASONS.awaitingHash),
    ],
    [
      'no hash',
      async (node) => {
        await node.eligible();
        await node.fail('readHash', LOST);
      },
      'bootstrapping',
      reason(REASONS.cannotReadHash, LOST.message),
    ],
    [
      'a hash that is not deep enough',
      async (node) => {
        await node.eligible();
        await node.settle('readHash', { kind: 'shallow' });
      },
      'bootstrapping',
      reason(REASONS.hashNotDeepEnough),
    ],
    [
      'another hash, though the members are silent',
      async (node) => {
        await node.eligible();
        await node.settle('readHash', { kind: 'unmatched', hash: OTHER });
      },
      'syncing-secret',
      reason(REASONS.secretHashMismatch, 'asking the members'),
    ],
    [
      'another secret of its own, before its snapshot is there',
      async (node) => {
        await node.eligible();
        await node.settle('readHash', { kind: 'confirmed', hash: OTHER, changed: true, claimedHere: false });
      },
      'syncing-secret',
      reason(REASONS.firstSnapshotMissing),
    ],
  ])('%s', async (_, happen, state, why) => {
    const node = await readyNode();
    await happen(node);
    expect([node.state, node.reason]).toEqual([state, why]);
    expect(node.snapshot.hasTag('serving')).toBe(false);
    expect(node.snapshot.status).toBe('active');
  });
});

describe('a secret that the chain does not show any more', () => {
  test.each<[string, Hash32, ReadinessState, Reason]>([
    ['the hash is zero', ZERO_HASH, 'bootstrapping', reason(REASONS.awaitingHash)],
    ['the hash is another', OTHER, 'syncing-secret', reason(REASONS.secretHashMismatch, 'asking the members')],
  ])('is not confirmed from the read on that says so, before anything else is asked: %s', async (_, shownInstead, state, why) => {
    const node = await readyNode();
    await node.settle('refreshMembership', { block: 20, members: 2, shownInstead });
    expect(readinessView(node.snapshot, 0)).toMatchObject({ state, reason: why, secretConfirmed: false });
  });

  test('is not confirmed either while the node is no member, tick after tick', async () => {
    const node = await readyNode();
    await node.settle('refreshMembership', { block: 20, members: 2, shownInstead: ZERO_HASH });
    await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.selfNotInNodeList) });
    expect(readinessView(node.snapshot, 0)).toMatchObject({ state: 'ineligible', reason: reason(REASONS.selfNotInNodeList), secretConfirmed: false });
  });
});

describe('a node comes back', () => {
  test('when the cause goes, without asking for the secret or a snapshot again', async () => {
    const node = await readyNode();
    await node.fail('refreshMembership', LOST);
    expect(node.state).toBe('ineligible');
    await node.advance(2_000);
    await node.eligible();
    expect(node.state).toBe('bootstrapping');
    await node.settle('readHash', { kind: 'confirmed', hash: HASH, changed: false, claimedHere: false });
    await node.settle('installSyncKey', { stale: false });
    expect([node.state, node.reason]).toEqual(['ready', null]);
    expect([node.started.get('fetchSecret'), node.started.get('fetchSnapshot')]).toEqual([undefined, undefined]);
  });

  test('with another secret only after it was given a snapshot anew', async () => {
    const node = await readyNode();
    await node.eligible();
    await node.settle('readHash', { kind: 'unmatched', hash: OTHER });
    expect(readinessView(node.snapshot, 0).secretConfirmed).toBe(false);
    await node.settle('fetchSecret', { kind: 'installed', hash: OTHER, changed: true });
    await node.settle('installSyncKey', { stale: false });
    expect([node.state, node.reason]).toEqual(['syncing-secret', reason(REASONS.firstSnapshotMissing)]);
    expect(readinessView(node.snapshot, 0)).toMatchObject({ secretConfirmed: true, confirmedHash: node.snapshot.context.chainHash, firstSnapshot: 'missing' });
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true });
    expect(node.state).toBe('ready');
  });

  test('from a failed fetch with an early tick, keeping the reason meanwhile', async () => {
    const node = new Node();
    await node.eligible();
    await node.settle('readHash', { kind: 'unmatched', hash: HASH });
    await node.settle('fetchSecret', { kind: 'failed', reason: reason(REASONS.nobodyHoldsSecret) });
    expect([node.state, node.reason]).toEqual(['syncing-secret', reason(REASONS.nobodyHoldsSecret)]);
    await node.advance(1_000);
    await node.eligible();
    await node.settle('readHash', { kind: 'unmatched', hash: HASH });
    expect(node.reason).toEqual(reason(REASONS.nobodyHoldsSecret));
    await node.settle('fetchSecret', { kind: 'installed', hash: HASH, changed: true });
    await node.settle('installSyncKey', { stale: false });
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: false });
    expect(node.state).toBe('ready');
  });
});

describe('a step', () => {
  test.each<[string, (node: Node) => Promise<void>, keyof typeof STEP_LIMIT_MS]>([
    ['the claim', (node) => node.settle('readHash', { kind: 'zero' }), 'claimingHash'],
    ['the hash', async () => undefined, 'readingHash'],
    ['the secret', (node) => node.settle('readHash', { kind: 'unmatched', hash: HASH }), 'fetchingSecret'],
    ['the sync key', (node) => node.settle('readHash', { kind: 'confirmed', hash: HASH, changed: true, claimedHere: true }), 'installingSyncKey'],
    [
      'the snapshot',
      async (node) => {
        await node.settle('readHash', { kind: 'confirmed', hash: HASH, changed: true, claimedHere: false });
        await node.settle('installSyncKey', { stale: false });
      },
      'fetchingSnapshot',
    ],
  ])('that hangs ends at its limit: %s', async (_, reach, step) => {
    const node = new Node();
    await node.eligible();
    await reach(node);
    expect(node.snapshot.value.nodeTick).toBe(step);
    await node.advance(STEP_LIMIT_MS[step]);
    expect(node.snapshot.value.nodeTick).toBe('idle');
    expect(node.reason).toEqual(reason(REASONS.stepTimedOut, step));
    expect(node.snapshot.context.tick.last?.outcome).toBe(`node_tick step timed out: ${step}`);
  });

  test('that outlasts a beat meets the next node_tick, which is dropped', async () => {
    const node = new Node();
    await node.eligible();
    await node.settle('readHash', { kind: 'confirmed', hash: HASH, changed: true, claimedHere: false });
    await node.settle('installSyncKey', { stale: false });
    await node.advance(BEAT_MS);
    expect(readinessView(node.snapshot, 0).ticks).toEqual({ run: 1, dropped: 1 });
    expect(readinessView(node.snapshot, 0).nextTickInMs).toBeNull();
  });
});

describe('a claim', () => {
  test('that gets deeper is looked at every second; one that stands still, ever later', async () => {
    const node = new Node();
    const delays: number[] = [];
    for (const progress of ['head 1', 'head 2', 'head 3', 'head 3', 'head 3', 'head 4']) {
      await node.eligible();
      await node.settle('readHash', { kind: 'zero' });
      await node.settle('claimHash', { reason: reason(REASONS.hashNotDeepEnough, 'claimed here'), progress });
      const { nextTickAtMs, tick } = node.snapshot.context;
      const delay = nextTickAtMs - tick.startedMonotonicMs;
      delays.push(delay);
      await node.advance(delay);
    }
    expect(delays).toEqual([1_000, 1_000, 1_000, 2_000, 4_000, 1_000]);
  });
});

describe('a node that was cut off for too long', () => {
  test('goes on serving, and asks for a snapshot until it has one', async () => {
    const node = await readyNode();
    await node.eligible();
    await node.settle('readHash', { kind: 'confirmed', hash: HASH, changed: false, claimedHere: false });
    await node.settle('installSyncKey', { stale: true });
    expect([node.state, node.snapshot.value.nodeTick]).toEqual(['ready', 'fetchingSnapshot']);
    expect(readinessView(node.snapshot, 0).firstSnapshot).toBe('none');
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true });
    expect([node.state, readinessView(node.snapshot, 0).firstSnapshot]).toEqual(['ready', 'complete']);
  });
});

describe('probes', () => {
  test('run beside the tick in an enclave alone, and nothing waits for them', async () => {
    const [strict, loose] = [new Node(true), new Node(false)];
    for (const node of [strict, loose]) await node.toReady();
    expect([strict.started.get('probePeers'), loose.started.get('probePeers')]).toEqual([1, undefined]);
  });

  test('that fail or hang leave the node as it is', async () => {
    const node = new Node(true);
    await node.eligible();
    await node.fail('probePeers', new Error('no peer'));
    expect(node.snapshot.value.probing).toBe('idle');
    const other = new Node(true);
    await other.settle('refreshMembership', { block: 10, members: 2, shownInstead: null });
    const signal = other.signalOf('probePeers');
    await other.advance(PROBE_LIMIT_MS);
    expect([signal.aborted, other.snapshot.value.probing, other.snapshot.status]).toEqual([true, 'idle', 'active']);
  });
});

test('a secret that serves without its sync key, or that the chain does not show, stops the machine before it serves', async () => {
  const node = new Node();
  await node.eligible();
  await node.settle('readHash', { kind: 'unmatched', hash: HASH });
  await node.settle('fetchSecret', { kind: 'installed', hash: OTHER, changed: true });
  expect(node.snapshot.status).toBe('error');
  expect(node.errors[0]).toBeInstanceOf(InvariantError);
});
