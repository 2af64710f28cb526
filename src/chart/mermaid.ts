/**
 * A chart as a Mermaid state diagram: nested states as boxes, the regions of a parallel one side by side, one arrow from state
 * to state with everything that brings it. Events that leave the state where it is are not drawn.
 */
import type { Chart, ChartEdge, ChartState } from './chart.ts';

const INDENT = '    ';
/** Words of the diagram's own language. */
const RESERVED = new Set(['state', 'note', 'end', 'direction', 'class', 'classDef', 'style', 'default', 'as', 'fork', 'join', 'choice']);

export function mermaidOf(chart: Chart): string {
  const [root] = chart.states;
  if (root === undefined) return 'stateDiagram-v2\n';
  const names = namesOf(chart);
  const inside = root.type === 'parallel' ? [`state ${names.get(root.id)!} {`, ...indented(content(root, chart, names)), '}'] : content(root, chart, names);
  return `${['stateDiagram-v2', ...indented(['direction LR', ...inside])].join('\n')}\n`;
}

/** What stands in a state's box: its children, its first arrow, and the arrows that have their place here. */
function content(state: ChartState, chart: Chart, names: ReadonlyMap<string, string>): string[] {
  const children = chart.states.filter(({ parent }) => parent === state.id);
  const boxes = children.map((child) => boxOf(child, chart, names));
  const separated = state.type === 'parallel' ? boxes.flatMap((box, index) => (index === 0 ? box : ['--', ...box])) : boxes.flat();
  const first = state.initial === null ? [] : [`[*] --> ${names.get(state.initial)!}`];
  const ends = children.filter(({ type }) => type === 'final').map(({ id }) => `${names.get(id)!} --> [*]`);
  const arrows = arrowsOf(chart.edges.filter((edge) => edge.targets.some((target) => placeOf(edge.source, target, chart) === state.id)), names);
  return [...separated, ...first, ...arrows, ...ends];
}

function boxOf(state: ChartState, chart: Chart, names: ReadonlyMap<string, string>): string[] {
  const name = names.get(state.id)!;
  const title = name === state.key ? [] : [`state "${labelText(state.key)}" as ${name}`];
  const inside = content(state, chart, names);
  return inside.length === 0 ? (title.length === 0 ? [name] : title) : [...title, `state ${name} {`, ...indented(inside), '}'];
}

/** Id of the innermost state that holds both ends of an arrow. */
function placeOf(source: string, target: string, chart: Chart): string {
  const parents = new Map(chart.states.map(({ id, parent }) => [id, parent]));
  const around = (id: string): string[] => {
    const parent = parents.get(id) ?? null;
    return parent === null ? [] : [parent, ...around(parent)];
  };
  const holders = new Set(around(target));
  return around(source).find((id) => holders.has(id)) ?? chart.states[0]!.id;
}

function arrowsOf(edges: readonly ChartEdge[], names: ReadonlyMap<string, string>): string[] {
  const labels = new Map<string, Set<string>>();
  for (const edge of edges) {
    for (const target of edge.targets) {
      const arrow = `${names.get(edge.source)!} --> ${names.get(target)!}`;
      labels.set(arrow, (labels.get(arrow) ?? new Set()).add(edgeText(edge)));
    }
  }
  return [...labels].map(([arrow, texts]) => `${arrow}: ${[...texts].join('<br/>')}`);
}

function edgeText({ label, guard }: ChartEdge): string {
  return labelText(guard === null ? label : `${label} [${guard}]`);
}

/** A colon or a semicolon would end a label, a quote a title. */
function labelText(text: string): string {
  return text.replaceAll(': ', ' ').replace(/[:;"\n#]/g, ' ');
}

/** A name for each state that the language takes, as near to its key as can be. */
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
