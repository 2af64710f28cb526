/**
 * Draws a chart as a Mermaid state diagram. Nested states are boxes, and the regions of a parallel state are side by side. All edges from
 * one state to another share one arrow, which lists all their triggers. Edges without a target are not drawn. Mermaid cannot draw an arrow
 * from a box to a state inside it, so such an edge is drawn from each of the box's other children. In a box with regions, these are the
 * children of the target's region.
 */
import type { Chart, ChartEdge, ChartState } from './chart.ts';

const INDENT = '    ';
/** Reserved words of Mermaid. */
const RESERVED = new Set(['state', 'note', 'end', 'direction', 'class', 'classDef', 'style', 'default', 'as', 'fork', 'join', 'choice']);

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

/** The parts of a chart that are drawn. */
interface Drawing {
  readonly states: readonly ChartState[];
  readonly arrows: readonly Arrow[];
  readonly names: ReadonlyMap<string, string>;
  /** Ids of the states that enclose a state, innermost first. */
  readonly around: (id: string) => readonly string[];
}

export function mermaidOf(chart: Chart): string {
  const [root] = chart.states;
  if (root === undefined) return 'stateDiagram-v2\n';
  const drawing = drawingOf(chart);
  const inside = content(root, drawing);
  const boxed = root.type === 'parallel' ? [`state ${drawing.names.get(root.id)!} {`, ...indented(inside), '}'] : inside;
  return `${['stateDiagram-v2', ...indented(['direction LR', ...boxed])].join('\n')}\n`;
}

function drawingOf(chart: Chart): Drawing {
  const parents = new Map(chart.states.map(({ id, parent }) => [id, parent]));
  const around = (id: string): readonly string[] => {
    const parent = parents.get(id) ?? null;
    return parent === null ? [] : [parent, ...around(parent)];
  };
  const types = new Map(chart.states.map(({ id, type }) => [id, type]));
  /** For an edge from the box `at` to a state inside it: the box from whose children the edge is drawn, which is `at` or one of its regions. */
  const leftIn = (at: string, target: string): string => {
    const inner = types.get(at) === 'parallel' ? [target, ...around(target)].find((id) => parents.get(id) === at) : undefined;
    return inner === undefined || inner === target ? at : leftIn(inner, target);
  };
  const outward = ({ id, type }: ChartState, target: string, { reenter }: ChartEdge): boolean =>
    (id === target ? reenter && type === 'atomic' : !around(target).includes(id)) && type !== 'final' && type !== 'history';
  const arrows = chart.edges.flatMap((edge) =>
    edge.targets.flatMap((to): readonly Arrow[] => {
      const text = edgeText(edge);
      if (!around(to).includes(edge.source)) return [{ from: edge.source, to, text }];
      const box = leftIn(edge.source, to);
      const children = chart.states.filter(({ parent }) => parent === box);
      return children.filter((child) => outward(child, to, edge)).map(({ id: from }) => ({ from, to, text }));
    }),
  );
  return { states: chart.states, arrows, names: namesOf(chart), around };
}

/** The content of a state's box: its children, the arrow to its initial state, and the arrows between its descendants. */
function content(state: ChartState, drawing: Drawing): string[] {
  const { states, names } = drawing;
  const children = states.filter(({ parent }) => parent === state.id);
  const boxes = children.map((child) => boxOf(child, drawing));
  const separated = state.type === 'parallel' ? boxes.flatMap((box, index) => (index === 0 ? box : ['--', ...box])) : boxes.flat();
  const first = state.initial === null ? [] : [`[*] --> ${names.get(state.initial)!}`];
  const ends = children.filter(({ type }) => type === 'final').map(({ id }) => `${names.get(id)!} --> [*]`);
  return [...separated, ...first, ...arrowsIn(state.id, drawing), ...ends];
}

function boxOf(state: ChartState, drawing: Drawing): string[] {
  const name = drawing.names.get(state.id)!;
  const title = name === state.key ? [] : [`state "${labelText(state.key)}" as ${name}`];
  const inside = content(state, drawing);
  return inside.length === 0 ? (title.length === 0 ? [name] : title) : [...title, `state ${name} {`, ...indented(inside), '}'];
}

/** The arrows that belong in this box, because it is the innermost box that encloses both ends. */
function arrowsIn(id: string, { arrows, names, around }: Drawing): string[] {
  const labels = new Map<string, Set<string>>();
  for (const { from, to, text } of arrows) {
    if (around(from).find((each) => around(to).includes(each)) !== id) continue;
    const arrow = `${names.get(from)!} --> ${names.get(to)!}`;
    labels.set(arrow, (labels.get(arrow) ?? new Set()).add(text));
  }
  return [...labels].map(([arrow, texts]) => `${arrow}: ${[...texts].join('<br/>')}`);
}

function edgeText({ label, guard }: ChartEdge): string {
  return labelText(guard === null ? label : `${label} [${guard}]`);
}

/** In Mermaid a colon or a semicolon ends a label, and a quote ends a title. */
function labelText(text: string): string {
  return text.replaceAll(': ', ' ').replace(/[:;"\n#]/g, ' ').trim();
}

/** Gives each state a name that is valid in Mermaid and as close to its key as possible. */
function namesOf(chart: Chart): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set(RESERVED);
  for (const { id, key } of chart.states) {
    const plain = (text: string): string => text.replace(/\W/g, '_');
    let name = taken.has(plain(key)) ? plain(id) : plain(key);
    while (taken.has(name)) name += '_';
    names.set(id, name);
    taken.add(name);
  }
  return names;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `${INDENT}${line}`);
}
