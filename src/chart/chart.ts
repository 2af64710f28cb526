/**
 * A machine as plain lists of states and edges, for any program that draws it. The forms know nothing of any product: every XState 5
 * machine fits them.
 */

/** The plain values of a `meta`; anything else it holds is left out. */
export type ChartMeta = Readonly<Record<string, string | number | boolean>>;

/** One state of a machine, nested ones too. */
export interface ChartState {
  /** As XState names it: `node.readiness.ready`. */
  readonly id: string;
  readonly key: string;
  /** null: the root. */
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
  /** Names of the actors that live as long as the state. */
  readonly invokes: readonly string[];
}

/** One transition of a machine. */
export interface ChartEdge {
  /** The same for the same machine, in every process: source, event and place among the source's edges of that event. */
  readonly id: string;
  readonly source: string;
  /** Ids of the states it leads to; none: the state stays, only the actions run. */
  readonly targets: readonly string[];
  /** What brings it, for a reader: `self.eligible`, `after 5 s`, `done: readHash`, `error: readHash`, `always`. */
  readonly label: string;
  readonly kind: 'event' | 'after' | 'done' | 'error' | 'always';
  readonly guard: string | null;
  readonly actions: readonly string[];
  readonly reenter: boolean;
  readonly meta: ChartMeta;
}

export interface Chart {
  /** Digest of the rest: the same machine has the same id. */
  readonly id: string;
  readonly name: string;
  /** The root first, parents before children. */
  readonly states: readonly ChartState[];
  /** In the order of the states they leave; of two for one event the first whose guard holds is taken. */
  readonly edges: readonly ChartEdge[];
}

/** Whether the states are one tree, parents before children, and the edges lead between them. */
export function isWhole({ states, edges }: Pick<Chart, 'states' | 'edges'>): boolean {
  const known = new Set<string>();
  for (const [place, { id, parent }] of states.entries()) {
    const fits = place === 0 ? parent === null : parent !== null && known.has(parent);
    if (!fits || known.has(id)) return false;
    known.add(id);
  }
  return edges.every(({ source, targets }) => [source, ...targets].every((id) => known.has(id)));
}
