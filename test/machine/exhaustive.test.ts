/**
 * Tests every state and every edge of the machine, combined with the life of the master secret. The machine itself and the production
 * reducer generate the states and edges. The tests check them against the invariants of protocol.md §1 and §10, and replay them on a real
 * actor.
 */
import process from 'node:process';
import { afterAll, describe, expect, test } from '@jest/globals';
import { REASONS } from '../../src/domain/reasons.ts';
import { PROBE_TIMEOUT_MS, STEP_TIMEOUT_MS } from '../../src/machines/limits.ts';
import type { NodeMachineOptions } from '../../src/machines/model.ts';
import { readinessState } from '../../src/machines/status.ts';
import { ControlledNode, type SlotName } from './controlled-node.ts';
import { keyOf, OLD_VIEW_MS, placesOf, serializeEvent, type Edge, type Move, type Node, type Scope } from './places.ts';
import { brokenRules, hashNamed, isServable } from './secret-model.ts';

/**
 * The clock does not advance. A node may become ready without a first snapshot only after `nodeTickMs` has passed. This time is 0 here, so
 * that the states of such a node are tested too.
 */
const OPTIONS: NodeMachineOptions = { nodeTickMs: 0, syncTickMs: 700_000, nudgeMs: 50, freshness: { maxAgeMs: 1, outageMs: OLD_VIEW_MS / 2 }, probePeers: true };

const SCOPES: Readonly<Record<string, Scope>> = {
  'all regions, with one secret and no claims': { options: OPTIONS, secrets: [hashNamed('A')], claims: false },
  'two secrets that are claimed, reset and replaced': {
    options: { ...OPTIONS, nudgeMs: 0, probePeers: false },
    secrets: [hashNamed('A'), hashNamed('B')],
    claims: true,
    without: /^record|sync_tick|syncInterval|nodeBeat/,
  },
};

const AFTER_MS: Readonly<Record<string, number>> = {
  ...STEP_TIMEOUT_MS,
  nudge: OPTIONS.nudgeMs,
  probeLimit: PROBE_TIMEOUT_MS,
  nodeBeat: 0,
  untilNextTick: 0,
  syncInterval: OPTIONS.syncTickMs,
};

const found = Object.entries(SCOPES).map(([name, scope]) => {
  const places = placesOf(scope);
  return { name, scope, places, edges: places.reduce((sum, { edges }) => sum + edges.length, 0) };
});
const states = found.flatMap(({ places }) => places);

/** The shortest path from `start` to an edge that has not been taken yet, including that edge; null if all have been taken. */
function wayToUntaken(start: string, edgesFrom: ReadonlyMap<string, readonly Edge[]>, taken: ReadonlySet<Edge>): readonly Edge[] | null {
  const ways = new Map<string, readonly Edge[]>([[start, []]]);
  for (const [key, way] of ways) {
    for (const edge of edgesFrom.get(key) ?? []) {
      if (!taken.has(edge)) return [...way, edge];
      if (!ways.has(edge.to)) ways.set(edge.to, [...way, edge]);
    }
  }
  return null;
}

async function perform(node: ControlledNode, { event, secret }: Move): Promise<void> {
  const type: string = event.type;
  node.servable = isServable(secret);
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
  for (const { name, places, edges } of found) process.stdout.write(`machine, ${name}: ${places.length} states, ${edges} edges\n`);
});

describe('every state of the machine', () => {
  test('has one of the four readiness states, and each of the four occurs', () => {
    const kinds = new Set(states.map(({ state }) => readinessState(state)));
    expect([...kinds].sort()).toEqual(['bootstrapping', 'ineligible', 'ready', 'syncing-secret']);
  });

  test('allows serving only with a confirmed secret and its sync key, and never while the first snapshot is missing', () => {
    const serving = states.filter(({ state }) => state.hasTag('serving'));
    expect(serving.length).toBeGreaterThan(0);
    for (const { state, secret } of serving) {
      expect(isServable(secret)).toBe(true);
      expect(state.context.snapshotUnder).toBe(secret.serving);
      expect(state.context.firstSnapshot.state).not.toBe('missing');
      expect(state.context.reason).toBeNull();
      expect(state.context.view?.blockMs).toBe(0);
    }
  });

  test('obeys the rules of the protocol about secrets', () => {
    for (const { secret } of states) expect(brokenRules(secret)).toEqual([]);
    const stages = new Set(states.map(({ secret }) => secret.life.stage));
    // The stage `candidate` does not occur, because the step that makes a candidate also claims it.
    expect([...stages].sort()).toEqual(['at_head', 'claimed', 'confirmed', 'none']);
    expect(states.some(({ secret }) => secret.life.aside.length === 2)).toBe(true);
  });

  test('has a reason if it does not allow serving', () => {
    for (const { state } of states.filter(({ state: candidate }) => !candidate.hasTag('serving'))) {
      expect(state.context.reason).not.toBeNull();
    }
  });

  test('has the status `active`, not `error`', () => {
    expect(states.filter(({ state }) => state.status !== 'active').map(({ key }) => key)).toEqual([]);
  });

  test('handles sync_tick only if its readiness is ready', () => {
    for (const { state, edges } of states) {
      const handled = edges.some(({ event }) => event.type === 'sync_tick');
      if (handled) expect(readinessState(state)).toBe('ready');
    }
    expect(states.some(({ edges }) => edges.some(({ event }) => event.type === 'sync_tick'))).toBe(true);
  });

  test('runs replication if and only if its readiness is ready', () => {
    for (const { state } of states) {
      expect([readinessState(state) === 'ready', state.children['replicate'] !== undefined]).toEqual([
        state.children['replicate'] !== undefined,
        readinessState(state) === 'ready',
      ]);
    }
  });

  test.each(found)('has a path to ready: $name', ({ places }) => {
    const into = new Map<string, string[]>();
    for (const { key, edges } of places) for (const { to } of edges) into.set(to, [...(into.get(to) ?? []), key]);
    const reaching = new Set(places.filter(({ state }) => readinessState(state) === 'ready').map(({ key }) => key));
    for (const key of reaching) for (const from of into.get(key) ?? []) reaching.add(from);
    expect(places.map(({ key }) => key).filter((key) => !reaching.has(key))).toEqual([]);
  });

  test('changes only the count of dropped ticks when a node_tick arrives during a node_tick', () => {
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

  test.each(['xstate.after.fetchingSnapshot', 'xstate.error.actor.fetchSnapshot'])('counts as a failed round: %s', (type) => {
    const rounds = new Set(asking.map(({ state }) => state.context.firstSnapshot.fullRounds));
    expect([...rounds].sort()).toEqual([0, 1, 2]);
    for (const { state, edges } of asking) {
      const { context } = edges.find(({ event }) => event.type.startsWith(type))!.toState;
      const before = state.context.firstSnapshot.fullRounds;
      if (before < 2) expect(context.firstSnapshot).toMatchObject({ state: 'missing', fullRounds: before + 1 });
      else expect({ snapshot: context.firstSnapshot.state, reason: context.reason }).toEqual({ snapshot: 'none', reason: null });
    }
  });

  test('no longer counts as a failed round after a later node_tick has failed to read the chain', () => {
    const reading = states.filter(({ state }) => state.value.nodeTick === 'readingChain' && state.context.firstSnapshot.fullRounds > 0);
    const missing = reading.filter(({ state }) => state.context.firstSnapshot.state === 'missing');
    expect(missing.length).toBeGreaterThan(0);
    for (const { edges } of missing) {
      const failed = edges.find(({ event }) => event.type.startsWith('xstate.error.actor.readChain'))!;
      expect(failed.toState.context.firstSnapshot.fullRounds).toBe(0);
    }
  });
});

describe('a ready node stops being ready in the tick in which it sees', () => {
  const ready = states.filter(({ state }) => readinessState(state) === 'ready');
  const reading = ready.filter(({ state }) => state.value.nodeTick === 'readingChain');
  const checking = ready.filter(({ state }) => state.value.nodeTick === 'checkingEligibility');
  const edgesOf = (from: readonly Node[], type: string, output: object | undefined): Edge[] =>
    from.flatMap(({ edges }) => edges.filter(({ event }) => event.type.startsWith(type) && (output === undefined || matches(event.output, output))));

  test.each<[string, readonly Node[], string, object | undefined, string, string]>([
    ['that the chain has stopped', reading, 'xstate.done.actor.readChain', { blockMs: -OLD_VIEW_MS }, 'ineligible', REASONS.chainViewStale],
    ['that the chain hash is zero', reading, 'xstate.done.actor.readChain', { blockMs: 0, hash: { kind: 'unset' } }, 'bootstrapping', REASONS.awaitingHash],
    ['the hash of a secret that the node lacks', reading, 'xstate.done.actor.readChain', { blockMs: 0, hash: { kind: 'wanted' } }, 'syncing-secret', REASONS.secretHashMismatch],
    ['that the node is no longer eligible', checking, 'xstate.done.actor.checkEligibility', { eligible: false }, 'ineligible', REASONS.teePubkeyMismatch],
    ['that its teePubkey cannot be read', checking, 'xstate.error.actor.checkEligibility', undefined, 'ineligible', REASONS.cannotReadLocalTeePubkey],
  ])('%s', (_, from, type, output, state, why) => {
    const edges = edgesOf(from, type, output);
    expect(edges.length).toBeGreaterThan(0);
    for (const { toState } of edges) expect([readinessState(toState), toState.context.reason?.text]).toEqual([state, why]);
  });

  test('that the hash is no longer deep enough, after the check of eligibility', () => {
    const edges = edgesOf(checking.filter(({ state }) => state.context.tick.hash?.kind === 'shallow'), 'xstate.done.actor.checkEligibility', { eligible: true });
    expect(edges.length).toBeGreaterThan(0);
    for (const { toState } of edges) expect([readinessState(toState), toState.context.reason?.text]).toEqual(['bootstrapping', REASONS.hashNotDeepEnough]);
  });
});

describe('a failed read of the chain', () => {
  const reading = states.filter(({ state }) => state.value.nodeTick === 'readingChain');
  const failures = (from: readonly Node[]): Edge[] =>
    from.flatMap(({ edges }) =>
      edges.filter(({ event }) => /^xstate\.(?:error\.actor\.readChain|after\.readingChain)/.test(event.type) || matches(event.output, { failed: { text: REASONS.cannotReadHash } })),
    );

  test('leaves a ready node ready with its last view and its secret', () => {
    const ready = reading.filter(({ state }) => readinessState(state) === 'ready');
    const edges = failures(ready);
    expect(edges.length).toBe(3 * ready.length);
    for (const { toState } of edges) expect([readinessState(toState), toState.context.reason, toState.context.view?.blockMs]).toEqual(['ready', null, 0]);
  });

  test('makes a node ineligible if it was not ready', () => {
    for (const { toState } of failures(reading.filter(({ state }) => readinessState(state) !== 'ready'))) {
      expect(readinessState(toState)).toBe('ineligible');
    }
  });
});

/** Whether `value` has all fields of `part`, with equal values. */
function matches(value: unknown, part: object): boolean {
  return Object.entries(part).every(([key, wanted]) => {
    const found = (value as Record<string, unknown> | undefined)?.[key];
    return typeof wanted === 'object' ? matches(found, wanted as object) : found === wanted;
  });
}

describe('every edge of the machine', () => {
  test.each(found)('leads a real actor to the state that the graph predicts: $name', async ({ scope, places, edges }) => {
    const edgesFrom = new Map(places.map((place) => [place.key, place.edges]));
    const taken = new Set<Edge>();
    const start = places[0]!.key;
    let node = new ControlledNode(scope.options);
    let at = start;
    for (;;) {
      let way = wayToUntaken(at, edgesFrom, taken);
      if (way === null) {
        // The remaining edges can be reached only from the start, because some states cannot be entered again after they are left.
        way = wayToUntaken(start, edgesFrom, taken);
        if (way === null) break;
        node.actor.stop();
        node = new ControlledNode(scope.options);
      }
      for (const edge of way) {
        await perform(node, edge);
        const reached = keyOf({ snapshot: node.snapshot, secret: edge.secret });
        if (reached !== edge.to) expect({ after: serializeEvent(edge.event), state: reached }).toEqual({ after: serializeEvent(edge.event), state: edge.to });
        taken.add(edge);
        at = edge.to;
      }
    }
    expect(node.errors).toEqual([]);
    node.actor.stop();
    expect(taken.size).toBe(edges);
  });
});
