/**
 * A place is a state of the machine together with a state of the master secret. This file finds all places that the machine itself and the
 * production reducer can reach.
 */
import { getNextTransitions, initialTransition, transition } from 'xstate';
import { DependencyError } from '../../src/domain/errors.ts';
import { ZERO_HASH, type Hash32, type Wallet } from '../../src/domain/ids.ts';
import { REASONS, reason } from '../../src/domain/reasons.ts';
import { createNodeMachine } from '../../src/machines/node-machine.ts';
import type { NodeEvent, NodeMachineOptions } from '../../src/machines/model.ts';
import type { NodeSnapshot } from '../../src/machines/status.ts';
import type { SlotName } from './controlled-node.ts';
import { NO_MODEL, observed, standingOf, withSyncKey, type SecretModel } from './secret-model.ts';

export const MEMBER = `0x${'0b'.repeat(20)}` as Wallet;
/**
 * The age of a view that is too old. It is twice the outage limit, which is so long that the other views do not become too old during a
 * replay. Milliseconds.
 */
export const OLD_VIEW_MS = 2e15;
const STOPPED_CLOCK = { clock: { nowMs: () => 0, monotonicMs: () => 0 }, random: { unit: () => 0 }, secret: { isServable: () => false } };

/** The part of the machine and of its inputs that a search explores. Exploring everything together would give hundreds of thousands of places. */
export interface Scope {
  readonly options: NodeMachineOptions;
  /**
   * The secrets that the chain may show and that nodes may make. With two secrets, the second can replace the first, and the first can come
   * back.
   */
  readonly secrets: readonly Hash32[];
  /** Whether nodes make and claim candidates. If false, each attempt to claim fails. */
  readonly claims: boolean;
  /** Events whose type matches are left out. */
  readonly without?: RegExp;
}

/** The events of the machine, and the events that XState makes for actors and delays. */
export type AnyEvent = NodeEvent & { output?: unknown; error?: unknown };

/** The output of a slot, and the secret after that output. */
interface Outcome {
  readonly output: unknown;
  readonly secret: SecretModel;
}

/** The possible outputs of each slot. A slot without a case here fails the test, so that a new actor cannot be forgotten. */
function outcomesOf(slot: SlotName, secret: SecretModel, { secrets, claims }: Scope): Outcome[] {
  const as = (outputs: readonly unknown[]): Outcome[] => outputs.map((output) => ({ output, secret }));
  switch (slot) {
    case 'readChain':
      return [
        ...as([{ failed: reason(REASONS.cannotReadHash, 'no answer') }, { block: 1, blockMs: 0, members: 2, hash: { kind: 'shallow' } }]),
        ...[ZERO_HASH, ...secrets].map((hash) => viewOf(secret, hash, 0)),
        // The chain has stopped: its last block is old.
        viewOf(secret, secrets[0]!, -OLD_VIEW_MS),
      ];
    case 'checkEligibility':
      return as([{ eligible: true }, { eligible: false, reason: reason(REASONS.teePubkeyMismatch) }]);
    case 'claimHash':
      return claims ? claimsOf(secret, secrets) : as([NOT_CLAIMED]);
    case 'fetchSecret': {
      const { shown } = secret.life;
      const { model } = observed(secret, { type: 'secret.received', hash: shown!, from: MEMBER });
      const standing = standingOf(model);
      return [
        ...as([{ kind: 'failed', reason: reason(REASONS.nobodyHoldsSecret) }]),
        ...(standing.kind === 'confirmed' ? [{ output: { kind: 'installed', store: standing.store }, secret: model }] : []),
      ];
    }
    case 'fetchSnapshot':
      return as([
        { others: 0, asked: 0, answered: 0, complete: false },
        { others: 2, asked: 2, answered: 0, complete: true },
        { others: 2, asked: 2, answered: 2, complete: false },
        { others: 2, asked: 2, answered: 1, complete: false },
        { others: 2, asked: 1, answered: 1, complete: false },
      ]);
    case 'installSyncKey':
      return [{ stale: false }, { stale: true }].map((output) => ({ output, secret: withSyncKey(secret) }));
    case 'probePeers':
      return as([undefined]);
    case 'replicate':
      throw new Error('replication has no output: it ends when the node stops being ready');
  }
}

const NOT_CLAIMED = { reason: reason(REASONS.awaitingHash), progress: '' };

function viewOf(secret: SecretModel, hash: Hash32, blockMs: number): Outcome {
  const { model } = observed(secret, { type: 'chain.shows', hash, setHere: false });
  return { output: { block: 1, blockMs, members: 2, hash: standingOf(model) }, secret: model };
}

/** The possible outcomes of one attempt to claim, each with the secret after that outcome. */
function claimsOf(secret: SecretModel, secrets: readonly Hash32[]): Outcome[] {
  const output = NOT_CLAIMED;
  const due = observed(secret, { type: 'claim.due' });
  if (due.left === null) throw new Error('a claim is due, but the reducer returned no effect for it');
  switch (due.left.kind) {
    case 'make_candidate': {
      const fresh = secrets.find((hash) => !due.model.held.includes(hash));
      const made = fresh === undefined ? [] : claimsOf(observed(due.model, { type: 'candidate.held', hash: fresh, origin: 'made' }).model, secrets);
      return [{ output, secret: due.model }, ...made];
    }
    case 'look_at_head':
      return [due.left.hash, ZERO_HASH].map((hash) => ({ output, secret: observed(due.model, { type: 'head.shows', hash }).model }));
    case 'send_claim':
      return [
        { output, secret: due.model },
        { output, secret: observed(due.model, { type: 'head.shows', hash: due.left.hash }).model },
        { output, secret: observed(due.model, { type: 'claim.reset' }).model },
      ];
  }
}

/** An event of the machine, and the secret at the moment when the event arrives. */
export interface Move {
  readonly event: AnyEvent;
  readonly secret: SecretModel;
}

/** The concrete events for which this snapshot has transitions. */
function movesOf({ snapshot, secret }: Place, scope: Scope): Move[] {
  const types = new Set(getNextTransitions(snapshot).map((candidate) => candidate.eventType as string));
  const moves: { event: unknown; secret: SecretModel }[] = [];
  for (const type of types) {
    if (scope.without?.test(type) === true) continue;
    const done = /^xstate\.done\.actor\.(.+)$/.exec(type);
    if (done !== null) {
      const slot = done[1] as SlotName;
      moves.push(...outcomesOf(slot, secret, scope).map(({ output, secret: after }) => ({ event: { type, output, actorId: slot }, secret: after })));
    } else if (type === 'xstate.error.actor.replicate') {
      // If the replication fails, something is broken and the machine stops. `jobs-overlap.test.ts` tests that.
      continue;
    } else if (type.startsWith('xstate.error.actor.')) {
      const error = new DependencyError('chain', 'timeout', 'no answer');
      moves.push({ event: { type, error, actorId: type.slice('xstate.error.actor.'.length) }, secret });
    } else if (type.startsWith('xstate.after.') || type === 'node_tick' || type === 'sync_tick' || type === 'record.written') {
      moves.push({ event: { type }, secret });
    }
  }
  return moves as Move[];
}

/** The machine and the secret at one moment. */
export interface Place {
  readonly snapshot: NodeSnapshot;
  readonly secret: SecretModel;
}

/** The key of a place, without counters and times, which would make the number of places infinite. */
export function keyOf({ snapshot, secret }: Place): string {
  const { context, value } = snapshot;
  return JSON.stringify([
    value,
    context.reason === null,
    context.tick.hash?.kind ?? null,
    context.snapshotUnder,
    context.view?.blockMs ?? null,
    context.firstSnapshot.state,
    context.firstSnapshot.state === 'missing' ? context.firstSnapshot.fullRounds : null,
    secret,
  ]);
}

export function serializeEvent(event: AnyEvent): string {
  return JSON.stringify(event, (_, value: unknown) => (value instanceof Error ? value.message : value));
}

export interface Edge extends Move {
  readonly to: string;
  readonly toState: NodeSnapshot;
}

export interface Node {
  readonly key: string;
  readonly state: NodeSnapshot;
  readonly secret: SecretModel;
  readonly edges: readonly Edge[];
}

/** Finds all places, breadth first from the start. */
export function placesOf(scope: Scope): Node[] {
  const machine = createNodeMachine(scope.options, STOPPED_CLOCK);
  const start: Place = { snapshot: initialTransition(machine)[0], secret: NO_MODEL };
  const places = new Map([[keyOf(start), start]]);
  const nodes: Node[] = [];
  for (const [key, place] of places) {
    const edges = movesOf(place, scope).map((move): Edge => {
      const next: Place = { snapshot: transition(machine, place.snapshot, move.event)[0], secret: move.secret };
      const to = keyOf(next);
      if (!places.has(to)) places.set(to, next);
      return { ...move, to, toState: next.snapshot };
    });
    nodes.push({ key, state: place.snapshot, secret: place.secret, edges });
  }
  return nodes;
}

