/** Readiness as operators see it (protocol.md §1, §10): when and why a node stops being ready, and when it is ready again. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError, InvariantError } from '../../../src/domain/errors.ts';
import type { Hash32 } from '../../../src/domain/ids.ts';
import type { ReadinessState } from '../../../src/domain/readiness.ts';
import { REASONS, reason, type Reason } from '../../../src/domain/reasons.ts';
import { PROBE_TIMEOUT_MS, STEP_TIMEOUT_MS } from '../../../src/machines/limits.ts';
import type { HashFacts } from '../../../src/machines/slots.ts';
import { readinessState, readinessView } from '../../../src/machines/status.ts';
import { ControlledNode } from '../../machine/controlled-node.ts';

const HASH = `0x${'ab'.repeat(32)}` as Hash32;
const OTHER = `0x${'cd'.repeat(32)}` as Hash32;
const CLAIMED: HashFacts = { kind: 'confirmed', store: { secret: HASH, claimedHere: true } };
const TAKEN_OVER: HashFacts = { kind: 'confirmed', store: { secret: HASH, claimedHere: false } };
const BEAT_MS = 60_000;
const SYNC_MS = 10_000;
const OUTAGE_MS = 900_000;

class Node extends ControlledNode {
  constructor({ probePeers = false, outageMs = OUTAGE_MS } = {}) {
    super({ nodeTickMs: BEAT_MS, syncTickMs: SYNC_MS, nudgeMs: 50, freshness: { maxAgeMs: 120_000, outageMs }, probePeers });
  }

  get state(): ReadinessState {
    return readinessState(this.snapshot);
  }

  get reason(): Reason | null {
    return this.snapshot.context.reason;
  }

  async reads(hash: HashFacts): Promise<void> {
    await this.settle('readChain', { block: 10, blockMs: this.nowMs, members: 2, hash });
  }

  async eligible(hash: HashFacts): Promise<void> {
    await this.reads(hash);
    await this.settle('checkEligibility', { eligible: true });
  }

  async toReady(): Promise<void> {
    await this.eligible(CLAIMED);
    await this.settle('installSyncKey', { stale: false });
    expect(this.state).toBe('ready');
  }
}

/** A ready node at the beginning of its next node_tick. */
async function readyNode(options?: { readonly outageMs?: number }): Promise<Node> {
  const node = new Node(options);
  await node.toReady();
  await node.advance(BEAT_MS);
  return node;
}

const LOST = new DependencyError('chain', 'unreachable', 'the RPC cannot be read');

describe('a ready node stops being ready in the tick in which it sees', () => {
  test.each<[string, (node: Node) => Promise<void>, ReadinessState, Reason]>([
    [
      'that it is not a member',
      async (node) => {
        await node.reads(CLAIMED);
        await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.selfNotInNodeList, 'not active') });
      },
      'ineligible',
      reason(REASONS.selfNotInNodeList, 'not active'),
    ],
    [
      'a different teePubkey',
      async (node) => {
        await node.reads(CLAIMED);
        await node.settle('checkEligibility', { eligible: false, reason: reason(REASONS.teePubkeyMismatch) });
      },
      'ineligible',
      reason(REASONS.teePubkeyMismatch),
    ],
    [
      'that the enclave does not answer',
      async (node) => {
        await node.reads(CLAIMED);
        await node.advance(STEP_TIMEOUT_MS.checkingEligibility);
      },
      'ineligible',
      reason(REASONS.stepTimedOut, 'checkingEligibility'),
    ],
    [
      'a zero hash, even if the claim hangs',
      async (node) => {
        await node.eligible({ kind: 'unset' });
      },
      'bootstrapping',
      reason(REASONS.awaitingHash),
    ],
    [
      'a hash that is not deep enough',
      async (node) => {
        await node.eligible({ kind: 'shallow' });
      },
      'bootstrapping',
      reason(REASONS.hashNotDeepEnough),
    ],
    [
      'a different hash, even if the members do not answer',
      async (node) => {
        await node.eligible({ kind: 'wanted' });
      },
      'syncing-secret',
      reason(REASONS.secretHashMismatch, 'asking the members'),
    ],
    [
      'the hash of a different secret that it holds, because that secret needs a first snapshot',
      async (node) => {
        await node.eligible({ kind: 'confirmed', store: { secret: OTHER, claimedHere: false } });
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

describe('a secret that the chain no longer shows', () => {
  test.each<[string, HashFacts, ReadinessState, Reason]>([
    ['the hash is zero', { kind: 'unset' }, 'bootstrapping', reason(REASONS.awaitingHash)],
    ['the hash belongs to a secret that this node lacks', { kind: 'wanted' }, 'syncing-secret', reason(REASONS.secretHashMismatch, 'asking the members')],
    [
      'the hash belongs to a different secret that this node holds',
      { kind: 'confirmed', store: { secret: OTHER, claimedHere: false } },
      'syncing-secret',
      reason(REASONS.firstSnapshotMissing),
    ],
  ])('makes the node unready directly after the read of the chain, before any other step: %s', async (_, hash, state, why) => {
    const node = await readyNode();
    await node.reads(hash);
    expect([node.state, node.reason, node.snapshot.value.nodeTick]).toEqual([state, why, 'checkingEligibility']);
  });
});

describe('a read of the chain that fails', () => {
  /** Makes every tick fail, including the early ticks, for this long. */
  async function failFor(node: Node, ms: number): Promise<void> {
    const endMs = node.nowMs + ms;
    while (node.nowMs < endMs) {
      if (node.snapshot.value.nodeTick === 'readingChain') await node.fail('readChain', LOST);
      await node.advance(Math.min(1_000, endMs - node.nowMs));
    }
  }

  test('leaves a ready node ready, and makes the next node_tick begin earlier', async () => {
    const node = await readyNode();
    await node.fail('readChain', LOST);
    expect([node.state, node.reason, node.snapshot.context.tick.last?.outcome]).toEqual(['ready', null, `${REASONS.peerCacheRefreshFailed}: ${LOST.message}`]);
    expect(node.snapshot.context.nextTickAtMs - node.nowMs).toBe(1_000);
    await node.advance(1_000);
    await node.advance(STEP_TIMEOUT_MS.readingChain);
    expect([node.state, node.snapshot.context.tick.last?.outcome]).toEqual(['ready', 'node_tick step timed out: readingChain']);
    await node.settle('readChain', { failed: reason(REASONS.cannotReadHash, 'the hash is malformed') }).catch(() => undefined);
    expect(node.state).toBe('ready');
  });

  test('makes the node unready within a second after the last good view has become too old', async () => {
    const node = await readyNode();
    // The view is already one node_tick interval old, because `readyNode` waits for one such interval.
    await failFor(node, OUTAGE_MS - BEAT_MS);
    expect(node.state).toBe('ready');
    await node.advance(1_000);
    expect([node.state, node.reason?.text]).toEqual(['ineligible', REASONS.chainViewStale]);
  });

  test('makes the node unready immediately when no outage is allowed', async () => {
    const node = await readyNode({ outageMs: 0 });
    await node.fail('readChain', LOST);
    expect([node.state, node.reason]).toEqual(['ineligible', reason(REASONS.peerCacheRefreshFailed, LOST.message)]);
  });

  test('sets the reason of a node that never had a good view, but does not change its state', async () => {
    const node = new Node();
    await node.fail('readChain', LOST);
    expect([node.state, node.reason]).toEqual(['ineligible', reason(REASONS.peerCacheRefreshFailed, LOST.message)]);
  });

  test('has no effect after the next good read', async () => {
    const node = await readyNode();
    await failFor(node, OUTAGE_MS - 2 * BEAT_MS);
    while (node.snapshot.value.nodeTick !== 'readingChain') await node.advance(1_000);
    await node.eligible(CLAIMED);
    await node.settle('installSyncKey', { stale: false });
    expect(node.state).toBe('ready');
    await node.advance(BEAT_MS);
    await failFor(node, OUTAGE_MS - 2 * BEAT_MS);
    expect(node.state).toBe('ready');
  });
});

test('a node stops being ready when the chain no longer grows, although the chain can be read', async () => {
  const node = await readyNode();
  await node.settle('readChain', { block: 10, blockMs: node.nowMs - OUTAGE_MS - 1, members: 2, hash: CLAIMED });
  expect([node.state, node.reason]).toEqual(['ineligible', reason(REASONS.chainViewStale)]);
});

describe('a view that becomes too old during a node_tick', () => {
  /** Makes the node read a view that becomes too old after `leftMs`. */
  async function readsOldView(node: Node, leftMs: number, hash = CLAIMED): Promise<void> {
    await node.settle('readChain', { block: 10, blockMs: node.nowMs - OUTAGE_MS + leftMs, members: 2, hash });
    await node.settle('checkEligibility', { eligible: true });
  }

  /** Checks that the node stops being ready after `leftMs`, while this step runs. */
  async function expectReadyFor(node: Node, leftMs: number, step: string): Promise<void> {
    await node.advance(leftMs);
    expect([node.state, node.snapshot.value.nodeTick]).toEqual(['ready', step]);
    await node.advance(1);
    expect([node.state, node.reason, node.replicating, node.snapshot.value.nodeTick]).toEqual(['ineligible', reason(REASONS.chainViewStale), false, step]);
  }

  test('makes the node unready at that moment, even while it reads the chain; a new view then makes it ready again in the same tick', async () => {
    const node = await readyNode();
    await readsOldView(node, BEAT_MS + 10_000);
    await node.settle('installSyncKey', { stale: false });
    await node.advance(BEAT_MS);
    await expectReadyFor(node, 10_000, 'readingChain');
    await node.toReady();
  });

  test('makes the node unready at that moment, even while it fetches a snapshot; a complete snapshot then does not make it ready again', async () => {
    const node = await readyNode();
    await readsOldView(node, 70_000);
    await node.settle('installSyncKey', { stale: true });
    await expectReadyFor(node, 70_000, 'fetchingSnapshot');
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true });
    expect([node.state, node.snapshot.context.tick.last?.outcome]).toEqual(['ineligible', REASONS.chainViewStale]);
    await node.advance(1_000);
    await node.toReady();
  });

  test('keeps a node that is installing the sync key from becoming ready', async () => {
    const node = new Node();
    await readsOldView(node, 500);
    await node.advance(501);
    await node.settle('installSyncKey', { stale: false });
    expect([node.state, node.reason, node.snapshot.value.nodeTick]).toEqual(['ineligible', reason(REASONS.chainViewStale), 'idle']);
  });

  test('keeps a node that is fetching its first snapshot from becoming ready', async () => {
    const node = new Node();
    await readsOldView(node, 70_000, TAKEN_OVER);
    await node.settle('installSyncKey', { stale: false });
    await node.advance(70_001);
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true });
    expect([node.state, node.reason, node.snapshot.value.nodeTick]).toEqual(['ineligible', reason(REASONS.chainViewStale), 'idle']);
  });
});

describe('a node whose wall clock jumps ahead and back within a node_tick', () => {
  test.each<[string, boolean, (node: Node) => Promise<void>]>([
    ['installs the sync key', false, (node) => node.settle('installSyncKey', { stale: false })],
    ['fetches a snapshot', true, (node) => node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true })],
  ])('becomes unready, but begins its next node_tick after only a second (the clock jumps while the node %s)', async (_, asksForSnapshot, finish) => {
    const node = await readyNode();
    await node.eligible(CLAIMED);
    if (asksForSnapshot) await node.settle('installSyncKey', { stale: true });
    node.wallAheadMs = 2 * OUTAGE_MS;
    node.actor.send({ type: 'node_tick' });
    expect([node.state, node.reason]).toEqual(['ineligible', reason(REASONS.chainViewStale)]);
    node.wallAheadMs = 0;
    await finish(node);
    const { tick, nextTickAtMs } = node.snapshot.context;
    expect([node.state, node.snapshot.value.nodeTick, tick.last?.outcome, nextTickAtMs - node.nowMs]).toEqual(['ineligible', 'idle', REASONS.chainViewStale, 1_000]);
    await node.advance(1_000);
    await node.toReady();
  });
});

describe('a node becomes ready', () => {
  test('again when the chain can be read again, without requesting the secret or a snapshot', async () => {
    const node = await readyNode({ outageMs: 0 });
    await node.fail('readChain', LOST);
    expect(node.state).toBe('ineligible');
    await node.advance(2_000);
    await node.reads(CLAIMED);
    expect(node.state).toBe('ineligible');
    await node.settle('checkEligibility', { eligible: true });
    expect(node.state).toBe('bootstrapping');
    await node.settle('installSyncKey', { stale: false });
    expect([node.state, node.reason]).toEqual(['ready', null]);
    expect([node.started.get('fetchSecret'), node.started.get('fetchSnapshot')]).toEqual([undefined, undefined]);
  });

  test('with a different secret only after a new snapshot', async () => {
    const node = await readyNode();
    await node.eligible({ kind: 'wanted' });
    await node.settle('fetchSecret', { kind: 'installed', store: { secret: OTHER, claimedHere: false } });
    await node.settle('installSyncKey', { stale: false });
    expect([node.state, node.reason]).toEqual(['syncing-secret', reason(REASONS.firstSnapshotMissing)]);
    expect(readinessView(node.snapshot, OTHER, 0)).toMatchObject({ secretConfirmed: true, confirmedHash: OTHER, firstSnapshot: 'missing' });
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true });
    expect(node.state).toBe('ready');
  });

  test('in an early tick after a failed fetch, and shows the reason of the failure until then', async () => {
    const node = new Node();
    await node.eligible({ kind: 'wanted' });
    await node.settle('fetchSecret', { kind: 'failed', reason: reason(REASONS.nobodyHoldsSecret) });
    expect([node.state, node.reason]).toEqual(['syncing-secret', reason(REASONS.nobodyHoldsSecret)]);
    await node.advance(1_000);
    await node.eligible({ kind: 'wanted' });
    expect(node.reason).toEqual(reason(REASONS.nobodyHoldsSecret));
    await node.settle('fetchSecret', { kind: 'installed', store: { secret: HASH, claimedHere: false } });
    await node.settle('installSyncKey', { stale: false });
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: false });
    expect(node.state).toBe('ready');
  });
});

describe('a step', () => {
  test.each<[string, (node: Node) => Promise<void>, keyof typeof STEP_TIMEOUT_MS]>([
    ['reading the chain', async () => undefined, 'readingChain'],
    ['reading the identity', (node) => node.reads(CLAIMED), 'checkingEligibility'],
    ['sending the claim', (node) => node.eligible({ kind: 'unset' }), 'claimingHash'],
    ['fetching the secret', (node) => node.eligible({ kind: 'wanted' }), 'fetchingSecret'],
    ['installing the sync key', (node) => node.eligible(CLAIMED), 'installingSyncKey'],
    [
      'fetching the snapshot',
      async (node) => {
        await node.eligible(TAKEN_OVER);
        await node.settle('installSyncKey', { stale: false });
      },
      'fetchingSnapshot',
    ],
  ])('that hangs ends at its timeout: %s', async (_, reach, step) => {
    const node = new Node();
    await reach(node);
    expect(node.snapshot.value.nodeTick).toBe(step);
    await node.advance(STEP_TIMEOUT_MS[step]);
    expect(node.snapshot.value.nodeTick).toBe('idle');
    expect(node.reason).toEqual(reason(REASONS.stepTimedOut, step));
    expect(node.snapshot.context.tick.last?.outcome).toBe(`node_tick step timed out: ${step}`);
  });

  test('that takes longer than the node_tick interval causes the next node_tick to be dropped', async () => {
    const node = new Node();
    await node.eligible(TAKEN_OVER);
    await node.settle('installSyncKey', { stale: false });
    await node.advance(BEAT_MS);
    expect(readinessView(node.snapshot, HASH, 0).ticks).toEqual({ run: 1, dropped: 1 });
    expect(readinessView(node.snapshot, HASH, 0).nextTickInMs).toBeNull();
  });
});

describe('a claim', () => {
  test('is checked every second while it gets deeper, and at growing intervals while it makes no progress', async () => {
    const node = new Node();
    const delays: number[] = [];
    for (const progress of ['head 1', 'head 2', 'head 3', 'head 3', 'head 3', 'head 4']) {
      await node.eligible({ kind: 'unset' });
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
  test('keeps serving, and requests a snapshot until it has one', async () => {
    const node = await readyNode();
    await node.eligible(CLAIMED);
    await node.settle('installSyncKey', { stale: true });
    expect([node.state, node.snapshot.value.nodeTick]).toEqual(['ready', 'fetchingSnapshot']);
    expect(readinessView(node.snapshot, HASH, 0).firstSnapshot).toBe('none');
    await node.settle('fetchSnapshot', { others: 1, asked: 1, answered: 1, complete: true });
    expect([node.state, readinessView(node.snapshot, HASH, 0).firstSnapshot]).toEqual(['ready', 'complete']);
  });
});

describe('probes', () => {
  test('start only if they are turned on, and the node becomes ready without waiting for them', async () => {
    const [strict, loose] = [new Node({ probePeers: true }), new Node()];
    for (const node of [strict, loose]) await node.toReady();
    expect([strict.started.get('probePeers'), loose.started.get('probePeers')]).toEqual([1, undefined]);
  });

  test('that fail or hang do not affect the node', async () => {
    const node = new Node({ probePeers: true });
    await node.eligible(CLAIMED);
    await node.fail('probePeers', new Error('no peer'));
    expect(node.snapshot.value.probing).toBe('idle');
    const other = new Node({ probePeers: true });
    await other.reads(CLAIMED);
    const signal = other.signalOf('probePeers');
    await other.advance(PROBE_TIMEOUT_MS);
    expect([signal.aborted, other.snapshot.value.probing, other.snapshot.status]).toEqual([true, 'idle', 'active']);
  });
});

test('the machine stops instead of becoming ready when the vault cannot serve', async () => {
  const node = new Node();
  node.servable = false;
  await node.eligible(CLAIMED);
  await node.settle('installSyncKey', { stale: false });
  expect(node.snapshot.status).toBe('error');
  expect(node.errors[0]).toBeInstanceOf(InvariantError);
});
