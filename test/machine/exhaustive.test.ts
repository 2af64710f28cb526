/**
 * Every state and every edge of the machine, found by xstate/graph from the machine itself, checked against the
 * invariants of protocol.md §1, then replayed on a real actor.
 */
import process from 'node:process';
import { afterAll, describe, expect, test } from '@jest/globals';
import { getNextTransitions } from 'xstate';
import { getAdjacencyMap, type AdjacencyValue } from 'xstate/graph';
import { DependencyError } from '../../src/domain/errors.ts';
import { ZERO_HASH, type Hash32 } from '../../src/domain/ids.ts';
import { REASONS, reason } from '../../src/domain/reasons.ts';
import { PROBE_LIMIT_MS, STEP_LIMIT_MS } from '../../src/machines/limits.ts';
import { createNodeMachine } from '../../src/machines/node-machine.ts';
import type { NodeEvent, NodeMachineOptions } from '../../src/machines/model.ts';
import { readinessState, type NodeSnapshot } from '../../src/machines/status.ts';
import { ControlledNode, type SlotName } from './controlled-node.ts';

/** A beat of 0 lets the clock stand still and still reach "went ready without a first snapshot". */
const OPTIONS: NodeMachineOptions = { nodeTickMs: 0, syncTickMs: 700_000, nudgeMs: 50, probePeers: true };
const STOPPED_CLOCK = { clock: { nowMs: () => 0, monotonicMs: () => 0 }, random: { unit: () => 0 } };
const HASHES = [`0x${'11'.repeat(32)}`, `0x${'22'.repeat(32)}`] as Hash32[];

const AFTER_MS: Readonly<Record<string, number>> = {
  ...STEP_LIMIT_MS,
  nudge: OPTIONS.nudgeMs,
  probeLimit: PROBE_LIMIT_MS,
  nodeBeat: 0,
  untilNextTick: 0,
  syncInterval: OPTIONS.syncTickMs,
};

/** The machine's own events and those that XState makes for actors and delays. */
type AnyEvent = NodeEvent & { output?: unknown; error?: unknown };

/** What each slot may find out. A slot without a row fails the test: a new actor cannot be forgotten here. */
function outputsOf(slot: SlotName, snapshot: NodeSnapshot): unknown[] {
  switch (slot) {
    case 'refreshMembership':
      return [
        { block: 1, members: 2, shownInstead: null },
        // What served is withdrawn only where something did.
        ...(snapshot.context.confirmedHash === null ? [] : [ZERO_HASH, HASHES[1]].map((shownInstead) => ({ block: 1, members: 2, shownInstead }))),
      ];
    case 'checkEligibility':
      return [{ eligible: true }, { eligible: false, reason: reason(REASONS.teePubkeyMismatch) }];
    case 'readHash':
      return [
        { kind: 'zero' },
        { kind: 'shallow' },
        { kind: 'unmatched', hash: HASHES[1] },
        { kind: 'confirmed', hash: HASHES[0], changed: true, claimedHere: true },
        { kind: 'confirmed', hash: HASHES[0], changed: true, claimedHere: false },
        { kind: 'confirmed', hash: HASHES[0], changed: false, claimedHere: false },
      ];
    case 'claimHash':
      return [{ reason: reason(REASONS.awaitingHash), progress: '' }];
    case 'fetchSecret':
      return [
        { kind: 'installed', hash: snapshot.context.chainHash, changed: true },
        { kind: 'failed', reason: reason(REASONS.nobodyHoldsSecret) },
      ];
    case 'fetchSnapshot':
      return [
        { others: 0, asked: 0, answered: 0, complete: false },
        { others: 2, asked: 2, answered: 0, complete: true },
        { others: 2, asked: 2, answered: 2, complete: false },
        { others: 2, asked: 2, answered: 1, complete: false },
        { others: 2, asked: 1, answered: 1, complete: false },
      ];
    case 'installSyncKey':
      return [{ stale: false }, { stale: true }];
    case 'probePeers':
      return [undefined];
    case 'replicate':
      throw new Error('the replication has no output: it ends with ready');
  }
}

/** The concrete events that the snapshot's own transitions can take. */
function eventsOf(snapshot: NodeSnapshot): AnyEvent[] {
  const types = new Set(getNextTransitions(snapshot).map((transition) => transition.eventType as string));
  const events: unknown[] = [];
  for (const type of types) {
    if (type === '') continue;
    const done = /^xstate\.done\.actor\.(.+)$/.exec(type);
    if (done !== null) {
      const slot = done[1] as SlotName;
      events.push(...outputsOf(slot, snapshot).map((output) => ({ type, output, actorId: slot })));
    } else if (type === 'xstate.error.actor.replicate') {
      // A replication that ends by itself is broken and stops the machine; jobs-overlap.test.ts shows it.
      continue;
    } else if (type.startsWith('xstate.error.actor.')) {
      events.push({ type, error: new DependencyError('chain', 'timeout', 'no answer'), actorId: type.slice('xstate.error.actor.'.length) });
    } else if (type.startsWith('xstate.after.')) {
      events.push({ type });
    } else if (type === 'node_tick' || type === 'sync_tick' || type === 'record.written') {
      events.push({ type });
    }
  }
  return events as AnyEvent[];
}

/** A state without counters and times, or there would be no end of them. */
function serializeState(snapshot: NodeSnapshot): string {
  const { context, value } = snapshot;
  return JSON.stringify([
    value,
    context.reason === null,
    context.chainHash,
    context.confirmedHash,
    context.syncKeyInstalled,
    context.firstSnapshot.state,
    context.firstSnapshot.state === 'missing' ? context.firstSnapshot.fullRounds : null,
  ]);
}

function serializeEvent(event: AnyEvent): string {
  return JSON.stringify(event, (_, value: unknown) => (value instanceof Error ? value.message : value));
}

const machine = createNodeMachine(OPTIONS, STOPPED_CLOCK);
/** xstate/graph brands its keys, which TypeScript then takes for no keys at all. */
type Adjacency = Readonly<Record<string, AdjacencyValue<NodeSnapshot, NodeEvent>>>;
const adjacency = getAdjacencyMap(machine, {
  events: (snapshot) => eventsOf(snapshot),
  serializeState,
  serializeEvent,
  limit: 200_000,
}) as Adjacency;
const states = Object.entries(adjacency).map(([key, { state, transitions }]) => ({
  key,
  state,
  edges: Object.values(transitions as Record<string, { event: AnyEvent; state: NodeSnapshot }>).map(({ event, state: to }) => ({ event, to: serializeState(to), toState: to })),
}));
const edgeCount = states.reduce((sum, { edges }) => sum + edges.length, 0);

const edgesFrom = new Map(states.map(({ key, edges }) => [key, edges]));

/** The shortest way from `start` to an edge that was not taken yet, that edge included; null when all were. */
function wayToUntaken(start: string, taken: ReadonlySet<object>): (typeof states)[number]['edges'] | null {
  const ways = new Map<string, (typeof states)[number]['edges']>([[start, []]]);
  for (const [key, way] of ways) {
    for (const edge of edgesFrom.get(key) ?? []) {
      if (!taken.has(edge)) return [...way, edge];
      if (!ways.has(edge.to)) ways.set(edge.to, [...way, edge]);
    }
  }
  return null;
}

async function perform(node: ControlledNode, event: AnyEvent): Promise<void> {
  const type: string = event.type;
  const slot = /^xstate\.(?:done|error)\.actor\.(.+)$/.exec(type)?.[1] as SlotName | undefined;
  if (slot !== undefined) {
    if (type.startsWith('xstate.done')) await node.settle(slot, event.output);
    else await node.fail(slot, event.error);
    return;
  }
  const delay = /^xstate\.after\.([^.]+)\./.exec(type)?.[1];
  if (delay !== undefined) await node.fireTimer(AFTER_MS[delay]!);
  else node.actor.send(event);
}

afterAll(() => {
  process.stdout.write(`machine: ${states.length} states, ${edgeCount} edges\n`);
});

describe('every state of the machine', () => {
  test('there are states in all four kinds of readiness, and no others', () => {
    const kinds = new Set(states.map(({ state }) => readinessState(state)));
    expect([...kinds].sort()).toEqual(['bootstrapping', 'ineligible', 'ready', 'syncing-secret']);
    expect(Object.keys(machine.states['readiness']!.states)).toEqual(['ineligible', 'bootstrapping', 'syncing-secret', 'ready']);
  });

  test('serves only with a secret that the chain confirms, its sync key and a settled first snapshot', () => {
    const serving = states.filter(({ state }) => state.hasTag('serving'));
    expect(serving.length).toBeGreaterThan(0);
    for (const { state } of serving) {
      expect(state.context.confirmedHash).not.toBeNull();
      expect(state.context.confirmedHash).toBe(state.context.chainHash);
      expect(state.context.syncKeyInstalled).toBe(true);
      expect(state.context.firstSnapshot.state).not.toBe('missing');
      expect(state.context.reason).toBeNull();
    }
  });

  test('says why where it does not serve', () => {
    for (const { state } of states.filter(({ state: candidate }) => !candidate.hasTag('serving'))) {
      expect(state.context.reason).not.toBeNull();
    }
  });

  test('never trusts a sync key without a confirmed secret', () => {
    for (const { state } of states) {
      if (state.context.syncKeyInstalled) expect(state.context.confirmedHash).not.toBeNull();
    }
  });

  test('is never an error', () => {
    expect(states.filter(({ state }) => state.status !== 'active').map(({ key }) => key)).toEqual([]);
  });

  test('sync_tick changes something in ready alone', () => {
    for (const { state, edges } of states) {
      const handled = edges.some(({ event }) => event.type === 'sync_tick');
      if (handled) expect(readinessState(state)).toBe('ready');
    }
    expect(states.some(({ edges }) => edges.some(({ event }) => event.type === 'sync_tick'))).toBe(true);
  });

  test('replication lives in ready alone, and there always', () => {
    for (const { state } of states) {
      expect([readinessState(state) === 'ready', state.children['replicate'] !== undefined]).toEqual([
        state.children['replicate'] !== undefined,
        readinessState(state) === 'ready',
      ]);
    }
  });

  test('can still reach ready', () => {
    const into = new Map<string, string[]>();
    for (const { key, edges } of states) for (const { to } of edges) into.set(to, [...(into.get(to) ?? []), key]);
    const reaching = new Set(states.filter(({ state }) => readinessState(state) === 'ready').map(({ key }) => key));
    for (const key of reaching) for (const from of into.get(key) ?? []) reaching.add(from);
    expect(states.map(({ key }) => key).filter((key) => !reaching.has(key))).toEqual([]);
  });

  test('a node_tick that meets another changes nothing but its count', () => {
    const during = states.filter(({ state }) => state.value.nodeTick !== 'idle');
    expect(during.length).toBeGreaterThan(0);
    for (const { key, edges } of during) {
      const met = edges.find(({ event }) => event.type === 'node_tick');
      expect(met?.to).toBe(key);
      expect(met?.toState.context.tick.dropped).toBeGreaterThan(0);
    }
  });
});

describe('a first snapshot that hangs or fails', () => {
  const asking = states.filter(
    ({ state }) => state.value.nodeTick === 'fetchingSnapshot' && state.context.firstSnapshot.state === 'missing',
  );

  test.each(['xstate.after.fetchingSnapshot', 'xstate.error.actor.fetchSnapshot'])('counts as a round in vain: %s', (type) => {
    const rounds = new Set(asking.map(({ state }) => state.context.firstSnapshot.fullRounds));
    expect([...rounds].sort()).toEqual([0, 1, 2]);
    for (const { state, edges } of asking) {
      const { context } = edges.find(({ event }) => event.type.startsWith(type))!.toState;
      const before = state.context.firstSnapshot.fullRounds;
      if (before < 2) expect(context.firstSnapshot).toMatchObject({ state: 'missing', fullRounds: before + 1 });
      else expect({ snapshot: context.firstSnapshot.state, reason: context.reason }).toEqual({ snapshot: 'none', reason: null });
    }
  });

  test('no longer has its rounds in a row once a node_tick settles without asking', () => {
    const refreshing = states.filter(({ state }) => state.value.nodeTick === 'refreshingMembership' && state.context.firstSnapshot.fullRounds > 0);
    const missing = refreshing.filter(({ state }) => state.context.firstSnapshot.state === 'missing');
    expect(missing.length).toBeGreaterThan(0);
    for (const { edges } of missing) {
      const failed = edges.find(({ event }) => event.type.startsWith('xstate.error.actor.refreshMembership'))!;
      expect(failed.toState.context.firstSnapshot.fullRounds).toBe(0);
    }
  });
});

describe('ready is left at the tick that sees', () => {
  const readyIdle = states.find(({ state }) => readinessState(state) === 'ready' && state.value.nodeTick === 'readingHash')!;
  const refreshing = states.find(({ state }) => readinessState(state) === 'ready' && state.value.nodeTick === 'refreshingMembership')!;
  const checking = states.find(({ state }) => readinessState(state) === 'ready' && state.value.nodeTick === 'checkingEligibility')!;

  test.each([
    ['membership unreadable', refreshing, 'xstate.error.actor.refreshMembership', undefined, 'ineligible', REASONS.peerCacheRefreshFailed],
    ['a refresh that hangs', refreshing, 'xstate.after.refreshingMembership', undefined, 'ineligible', REASONS.stepTimedOut],
    ['the membership or teePubkey lost', checking, 'xstate.done.actor.checkEligibility', false, 'ineligible', REASONS.teePubkeyMismatch],
    ['a teePubkey that cannot be read', checking, 'xstate.error.actor.checkEligibility', undefined, 'ineligible', REASONS.cannotReadLocalTeePubkey],
    ['the hash zero', readyIdle, 'xstate.done.actor.readHash', 'zero', 'bootstrapping', REASONS.awaitingHash],
    ['the hash no longer deep', readyIdle, 'xstate.done.actor.readHash', 'shallow', 'bootstrapping', REASONS.hashNotDeepEnough],
    ['another hash', readyIdle, 'xstate.done.actor.readHash', 'unmatched', 'syncing-secret', REASONS.secretHashMismatch],
    ['the hash unreadable', readyIdle, 'xstate.error.actor.readHash', undefined, 'bootstrapping', REASONS.cannotReadHash],
    ['a hash read that hangs', readyIdle, 'xstate.after.readingHash', undefined, 'bootstrapping', REASONS.stepTimedOut],
  ])('%s', (_, from, type, found, state, why) => {
    const edge = from.edges.find(({ event }) => {
      if (!event.type.startsWith(type)) return false;
      const output = event.output as { kind?: string; eligible?: boolean } | undefined;
      return found === undefined || output?.kind === found || output?.eligible === found;
    })!;
    expect(readinessState(edge.toState)).toBe(state);
    expect(edge.toState.context.reason?.text).toBe(why);
  });

  test('another chain hash than that of its secret, before the next step', () => {
    const edges = refreshing.edges.filter(({ event }) => (((event.output ?? {}) as { shownInstead?: string | null }).shownInstead ?? null) !== null);
    expect(edges.map(({ toState }) => readinessState(toState)).sort()).toEqual(['bootstrapping', 'syncing-secret']);
    for (const { toState } of edges) expect(toState.context).toMatchObject({ confirmedHash: null, syncKeyInstalled: false });
  });
});

describe('every edge of the machine', () => {
  test('is taken by a real actor as the graph says', async () => {
    const taken = new Set<object>();
    let steps = 0;
    let node = new ControlledNode(OPTIONS);
    let at = states[0]!.key;
    for (;;) {
      let way = wayToUntaken(at, taken);
      if (way === null) {
        // What is left lies behind the start: some states are never come back to.
        at = states[0]!.key;
        way = wayToUntaken(at, taken);
        if (way === null) break;
        node.actor.stop();
        node = new ControlledNode(OPTIONS);
      }
      for (const edge of way) {
        await perform(node, edge.event);
        expect({ after: serializeEvent(edge.event), state: serializeState(node.snapshot) }).toEqual({
          after: serializeEvent(edge.event),
          state: edge.to,
        });
        taken.add(edge);
        at = edge.to;
        steps += 1;
      }
    }
    expect(node.errors).toEqual([]);
    node.actor.stop();
    expect(taken.size).toBe(edgeCount);
    expect(steps).toBeGreaterThanOrEqual(edgeCount);
  });
});
