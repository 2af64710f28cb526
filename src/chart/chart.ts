/**
 * The form of a chart: a machine as plain lists of states and edges, for any program that draws it. It is independent of this
 * product and fits every XState 5 machine.
 */

/** The plain values of a `meta`; other values are left out. */
export type ChartMeta = Readonly<Record<string, string | number | boolean>>;

/** One state of a machine, at any depth. */
export interface ChartState {
  /** As XState names it: `node.readiness.ready`. */
  readonly id: string;
  readonly key: string;
  /** Id of the enclosing state; null for the root. */
  readonly parent: string | null;
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  /** Id of the child that is entered first; null for all but compound states. */
  readonly initial: string | null;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** The plain values of the state's `meta`. */
  readonly meta: ChartMeta;
  readonly entry: readonly string[];
  readonly exit: readonly string[];
  /** Names of the actors that run while the state is active. */
  readonly invokes: readonly string[];
}

/** One transition of a machine. */
export interface ChartEdge {
  /** Source, event, and position among the source's edges for that event. Equal for equal machines in all processes. */
  readonly id: string;
  readonly source: string;
  /** Ids of the target states. If there are none, the state does not change, and only the actions run. */
  readonly targets: readonly string[];
  /** What triggers the edge, in words: `self.eligible`, `after 5 s`, `done: readHash`, `error: readHash`, `always`. */
  readonly label: string;
  readonly kind: 'event' | 'after' | 'done' | 'error' | 'always';
  readonly guard: string | null;
  readonly actions: readonly string[];
  readonly reenter: boolean;
  readonly meta: ChartMeta;
}

export interface Chart {
  /** Digest of the other fields: equal machines have equal ids. */
  readonly id: string;
  readonly name: string;
  /** The root first, parents before children. */
  readonly states: readonly ChartState[];
  /** In the order of their source states. Of several edges for one event, XState takes the first whose guard is true. */
  readonly edges: readonly ChartEdge[];
}

/** Whether the states form one tree, parents before children, and all edges connect known states. */
export function isWhole({ states, edges }: Pick<Chart, 'states' | 'edges'>): boolean {
  const known = new Set<string>();
  for (const [place, { id, parent }] of states.entries()) {
    const fits = place === 0 ? parent === null : parent !== null && known.has(parent);
    if (!fits || known.has(id)) return false;
    known.add(id);
  }
  return edges.every(({ source, targets }) => [source, ...targets].every((id) => known.has(id)));
}
