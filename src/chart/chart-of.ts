/**
 * Builds a chart from any XState 5 machine, without starting an actor or running a guard or an action. Names come from the machine.
 * Things without a name are named after their kind (`assign`, `raise self.eligible`).
 */
import { createHash } from 'node:crypto';
import type { AnyStateMachine } from 'xstate';
import type { Chart, ChartEdge, ChartMeta, ChartState } from './chart.ts';

/** Maximum length of a description; a longer one is cut. Characters. */
const MAX_DESCRIPTION_CHARS = 1_000;

/** The parts of XState's state nodes and transitions that are read here. For a machine of any kind, XState types them as `any`. */
interface StateNode {
  readonly id: string;
  readonly key: string;
  readonly parent?: StateNode;
  readonly type: ChartState['type'];
  readonly initial?: { readonly target?: readonly StateNode[] };
  readonly states: Readonly<Record<string, StateNode>>;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly meta?: unknown;
  readonly invoke: readonly Invoke[];
  /** The transitions from `on`, `onDone`, `after` and the actors, by event. */
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
  readonly always?: readonly Transition[];
  /** The actions as the machine's author wrote them. XState's resolved lists also contain its own actions for `after`. */
  readonly config: { readonly entry?: unknown; readonly exit?: unknown };
}

interface Invoke {
  readonly id: string;
  readonly src: string;
}

interface Transition {
  readonly target?: readonly StateNode[];
  readonly guard?: unknown;
  readonly actions: readonly unknown[];
  readonly reenter: boolean;
  readonly meta?: unknown;
  readonly delay?: string | number;
}

interface Wording {
  readonly label: string;
  readonly kind: ChartEdge['kind'];
}

type Delays = Readonly<Record<string, unknown>>;

export function chartOf(machine: AnyStateMachine): Chart {
  const nodes = [...withDescendants(machine.root as unknown as StateNode)];
  const delays = machine.implementations.delays as Delays;
  return withId({ name: machine.id, states: nodes.map(stateOf), edges: nodes.flatMap((node) => edgesOf(node, delays)) });
}

export function withId(drawn: Omit<Chart, 'id'>): Chart {
  return { id: createHash('sha256').update(JSON.stringify(drawn)).digest('hex').slice(0, ID_DIGITS), ...drawn };
}

const ID_DIGITS = 32;

function* withDescendants(node: StateNode): Generator<StateNode> {
  yield node;
  for (const child of Object.values(node.states)) yield* withDescendants(child);
}

function stateOf(node: StateNode): ChartState {
  return {
    id: node.id,
    key: node.key,
    parent: node.parent?.id ?? null,
    type: node.type,
    initial: node.type === 'compound' ? (node.initial?.target?.[0]?.id ?? null) : null,
    description: node.description?.slice(0, MAX_DESCRIPTION_CHARS) ?? null,
    tags: node.tags,
    meta: plainValues(node.meta),
    entry: listed(node.config.entry).map(nameOf),
    exit: listed(node.config.exit).map(nameOf),
    invokes: node.invoke.map((invoke) => actorName(node, invoke.id)),
  };
}

function edgesOf(node: StateNode, delays: Delays): ChartEdge[] {
  const byEvent: readonly (readonly [string, readonly Transition[]])[] = [...node.transitions, ['', node.always ?? []]];
  return byEvent.flatMap(([event, transitions]) =>
    transitions.map((transition, index): ChartEdge => ({
      id: `${node.id}|${event}|${index}`,
      source: node.id,
      targets: (transition.target ?? []).map(({ id }) => id),
      ...wordingOf(node, event, transition, delays),
      guard: transition.guard === undefined ? null : nameOf(transition.guard),
      actions: transition.actions.map(nameOf),
      reenter: transition.reenter,
      meta: plainValues(transition.meta),
    })),
  );
}

/** Prefixes of the events that XState itself raises. */
const DONE_ACTOR = 'xstate.done.actor.';
const ERROR_ACTOR = 'xstate.error.actor.';
const DONE_STATE = 'xstate.done.state.';
const SNAPSHOT = 'xstate.snapshot.';

function wordingOf(node: StateNode, event: string, { delay }: Transition, delays: Delays): Wording {
  if (event === '') return { label: 'always', kind: 'always' };
  if (delay !== undefined) return { label: `after ${delayText(delay, delays)}`, kind: 'after' };
  if (event.startsWith(DONE_ACTOR)) return { label: `done: ${actorName(node, event.slice(DONE_ACTOR.length))}`, kind: 'done' };
  if (event.startsWith(ERROR_ACTOR)) return { label: `error: ${actorName(node, event.slice(ERROR_ACTOR.length))}`, kind: 'error' };
  if (event.startsWith(DONE_STATE)) return { label: `done: ${node.key}`, kind: 'done' };
  if (event.startsWith(SNAPSHOT)) return { label: `snapshot: ${actorName(node, event.slice(SNAPSHOT.length))}`, kind: 'event' };
  return { label: event, kind: 'event' };
}

/** For a delay that is computed at run time, only the name is shown. */
function delayText(delay: string | number, delays: Delays): string {
  if (typeof delay === 'number') return duration(delay);
  const named = delays[delay];
  return typeof named === 'number' ? `${delay} (${duration(named)})` : delay;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
}

/** An actor without an id is named after its source, or by its position if the source has no name. */
function actorName(node: StateNode, id: string): string {
  const index = node.invoke.findIndex((invoke) => invoke.id === id);
  const invoke = node.invoke[index];
  if (invoke === undefined || id !== `${index}.${node.id}`) return id;
  return invoke.src.startsWith('xstate.invoke.') ? `actor ${index + 1}` : invoke.src;
}

/** Names that mean nothing: JavaScript names an anonymous function after the property to which it is assigned. */
const PLACES = ['', 'guard', 'actions', 'entry', 'exit'];

/** Names an action or a guard: a string, an object with a type, a function made by XState (it has a type), or any other function. */
function nameOf(item: unknown): string {
  if (typeof item === 'string') return item;
  if (typeof item !== 'function' && (typeof item !== 'object' || item === null)) return 'inline';
  const { type, name, event, guards } = item as { type?: unknown; name?: unknown; event?: unknown; guards?: readonly unknown[] };
  const own = typeof type === 'string' ? type.replace(/^xstate\./, '') : typeof name === 'string' && !PLACES.includes(name) ? name : 'inline';
  if (Array.isArray(guards)) return `${own}(${guards.map(nameOf).join(', ')})`;
  // A raised event may be computed at run time. Then its type is unknown.
  const raised = typeof event === 'object' && event !== null ? (event as { type?: unknown }).type : undefined;
  return typeof raised === 'string' ? `${own} ${raised}` : own;
}

function listed(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly unknown[]) : [value];
}

function plainValues(meta: unknown): ChartMeta {
  if (typeof meta !== 'object' || meta === null) return {};
  const isPlain = (value: unknown): value is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof value);
  return Object.fromEntries(Object.entries(meta).filter((entry): entry is [string, string | number | boolean] => isPlain(entry[1])));
}
