/**
 * Turns a chart into a drawing. This module tells ELK how much space the text of each box and label needs, and turns ELK's layout into
 * plain coordinates for a page. It is pure, so it can run in a worker of the server and in a page.
 *
 * Two rules keep a drawing readable. All edges with the same source and the same target share one arrow, whose label has one or two lines
 * for each edge. An edge without a target has no arrow: its text is inside its state.
 */
import type { Chart, ChartEdge, ChartState } from './wire.ts';

/** Space that the page's monospace text needs: titles of 13 px, labels of 11 px. Pixels. */
export const TEXT = {
  titleCharPx: 7.9,
  titleLinePx: 26,
  labelCharPx: 6.7,
  labelLinePx: 15,
  padPx: 12,
} as const;

/** A label with more characters than this gets a line break before its guard. */
const LABEL_LINE_CHARS = 26;
const DOT_PX = 12;
/** The space for a drawing on a page. ELK draws in two directions; the drawing that appears larger in this space is used. Pixels. */
const ROOM = { width: 900, height: 420 } as const;

/** Options that are set on every level of states, because ELK does not inherit them. */
const IN_A_LEVEL = {
  'elk.spacing.nodeNode': '22',
  'elk.spacing.edgeEdge': '12',
  'elk.spacing.edgeNode': '14',
  'elk.spacing.edgeLabel': '4',
  'elk.layered.spacing.nodeNodeBetweenLayers': '14',
  'elk.layered.spacing.edgeNodeBetweenLayers': '10',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '9',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  // The drawing starts at the initial state. (ELK's model-order strategies throw when they are set on nested levels.)
  'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
} as const;

export type Direction = 'DOWN' | 'RIGHT';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

/** One line of an edge's text. */
export interface EdgeLine {
  readonly edge: string;
  readonly text: string;
}

export interface DrawnState extends Box {
  readonly id: string;
  /** Whether the children of the state are drawn inside it. */
  readonly holds: boolean;
  /** Edges without a target: only their actions run. */
  readonly inside: readonly EdgeLine[];
}

/** One arrow for all edges with the same source and the same target. */
export interface DrawnArrow {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly edges: readonly string[];
  readonly points: readonly Point[];
  readonly label: (Box & { readonly lines: readonly EdgeLine[] }) | null;
}

/** The dot and the arrow that lead to an initial state. */
export interface DrawnStart {
  readonly state: string;
  readonly dot: Box;
  readonly points: readonly Point[];
}

export interface Drawing {
  /** The id of the drawn region of a parallel root; null: the whole machine is drawn. */
  readonly region: string | null;
  readonly width: number;
  readonly height: number;
  /** Parents before children. */
  readonly states: readonly DrawnState[];
  readonly arrows: readonly DrawnArrow[];
  readonly starts: readonly DrawnStart[];
}

/** The drawings of a chart: each region of a parallel root, then the whole machine. */
export interface Layout {
  readonly chart: string;
  readonly drawings: readonly Drawing[];
}

/** The part of ELK's JSON that this module uses. */
export interface ElkGraph {
  id: string;
  x?: number;
  y?: number;
  width?: number;
  height?: number;
  layoutOptions?: Record<string, string>;
  children?: ElkGraph[];
  edges?: ElkArrow[];
}

interface ElkArrow {
  id: string;
  sources: string[];
  targets: string[];
  labels?: { id: string; text: string; width: number; height: number; x?: number; y?: number; layoutOptions?: Record<string, string> }[];
  sections?: { startPoint: Point; endPoint: Point; bendPoints?: Point[] }[];
}

export type Elk = (graph: ElkGraph) => Promise<ElkGraph>;

/** Draws each region and the whole machine. Each drawing uses the direction in which it appears larger. */
export async function drawChart(chart: Chart, elk: Elk): Promise<Layout> {
  const regions = regionsOf(chart);
  const drawings: Drawing[] = [];
  for (const region of regions) drawings.push(await drawPlan(planOf(chart, region), elk));
  const whole = planOf(chart, null);
  // If no arrows connect the regions, their drawings are put side by side, and ELK does not need to lay out the whole machine.
  const apart = regions.length > 0 && whole.arrows.every(({ source, target }) => regions.some((region) => isWithin(chart, source, region) && isWithin(chart, target, region)));
  drawings.push(apart ? putTogether(whole, drawings) : await drawPlan(whole, elk));
  return { chart: chart.id, drawings };
}

async function drawPlan(plan: Plan, elk: Elk): Promise<Drawing> {
  const right = drawingOf(plan, await elk(graphOf(plan, 'RIGHT')));
  const down = drawingOf(plan, await elk(graphOf(plan, 'DOWN')));
  return scaleOf(down) > scaleOf(right) ? down : right;
}

function isWithin(chart: Chart, state: string, region: string): boolean {
  let at: string | null = state;
  while (at !== null && at !== region) at = chart.states.find(({ id }) => id === at)?.parent ?? null;
  return at === region;
}

/** Gap between regions that are put side by side. Pixels. */
const REGION_GAP_PX = 14;
/** Column heights to try, as multiples of the height of the tallest region. */
const COLUMN_HEIGHTS: readonly number[] = [1, 1.2, 1.5, 2, 3, 6];

/** Puts the regions in columns, inside a frame with the root's name. */
function putTogether(plan: Plan, drawings: readonly Drawing[]): Drawing {
  const head = headOf(plan.top, plan);
  const highest = Math.max(...drawings.map(({ height }) => height));
  let best: { readonly width: number; readonly height: number; readonly places: ReadonlyMap<Drawing, Point> } | null = null;
  for (const factor of COLUMN_HEIGHTS) {
    const columns = inColumns(drawings, highest * factor);
    if (best === null || scaleOf(columns) > scaleOf(best)) best = columns;
  }
  const top = head.height + REGION_GAP_PX;
  const width = Math.max(head.width, best!.width + 2 * REGION_GAP_PX);
  const height = best!.height + top + REGION_GAP_PX;
  const moved = drawings.map((drawing) => {
    const { x, y } = best!.places.get(drawing)!;
    return moveBy(drawing, { x: x + REGION_GAP_PX, y: y + top });
  });
  const root: DrawnState = { id: plan.top.id, x: 0, y: 0, width: round(width), height: round(height), holds: true, inside: plan.inside.get(plan.top.id) ?? [] };
  return {
    region: null,
    width: root.width,
    height: root.height,
    states: [root, ...moved.flatMap(({ states }) => states)],
    arrows: moved.flatMap(({ arrows }) => arrows),
    starts: moved.flatMap(({ starts }) => starts),
  };
}

/** Places the drawings from tallest to shortest, each in the first column that has room. */
function inColumns(drawings: readonly Drawing[], limit: number): { readonly width: number; readonly height: number; readonly places: ReadonlyMap<Drawing, Point> } {
  const columns: { readonly members: Drawing[]; height: number }[] = [];
  for (const drawing of [...drawings].sort((a, b) => b.height - a.height)) {
    const column = columns.find(({ height }) => height + REGION_GAP_PX + drawing.height <= limit);
    if (column === undefined) columns.push({ members: [drawing], height: drawing.height });
    else {
      column.members.push(drawing);
      column.height += REGION_GAP_PX + drawing.height;
    }
  }
  const places = new Map<Drawing, Point>();
  let x = 0;
  for (const { members } of columns) {
    let y = 0;
    for (const drawing of members) {
      places.set(drawing, { x, y });
      y += drawing.height + REGION_GAP_PX;
    }
    x += Math.max(...members.map(({ width }) => width)) + REGION_GAP_PX;
  }
  return { width: x - REGION_GAP_PX, height: Math.max(...columns.map(({ height }) => height)), places };
}

function moveBy({ states, arrows, starts, ...drawing }: Drawing, by: Point): Drawing {
  const move = <At extends Point>(at: At): At => ({ ...at, x: round(at.x + by.x), y: round(at.y + by.y) });
  return {
    ...drawing,
    states: states.map(move),
    arrows: arrows.map((arrow) => ({ ...arrow, points: arrow.points.map(move), label: arrow.label === null ? null : move(arrow.label) })),
    starts: starts.map((start) => ({ ...start, dot: move(start.dot), points: start.points.map(move) })),
  };
}

/** The regions of a parallel root; empty for any other root. */
function regionsOf(chart: Chart): readonly string[] {
  const root = chart.states[0];
  return root?.type === 'parallel' ? chart.states.filter(({ parent }) => parent === root.id).map(({ id }) => id) : [];
}

/** The scale at which a drawing fits the space on the page. */
function scaleOf({ width, height }: Pick<Drawing, 'width' | 'height'>): number {
  return Math.min(ROOM.width / width, ROOM.height / height);
}

interface Plan {
  readonly region: string | null;
  readonly top: ChartState;
  readonly states: readonly ChartState[];
  readonly children: ReadonlyMap<string, readonly ChartState[]>;
  readonly inside: ReadonlyMap<string, readonly EdgeLine[]>;
  readonly arrows: readonly Pick<DrawnArrow, 'id' | 'source' | 'target' | 'edges'>[];
  readonly lines: ReadonlyMap<string, readonly EdgeLine[]>;
}

/** The text of an edge, in one or two lines. */
export function linesOf(edge: ChartEdge): readonly EdgeLine[] {
  const guard = edge.guard === null ? '' : `[${edge.guard}]`;
  const whole = guard === '' ? edge.label : `${edge.label} ${guard}`;
  if (guard === '' || whole.length <= LABEL_LINE_CHARS) return [{ edge: edge.id, text: whole }];
  return [
    { edge: edge.id, text: edge.label },
    { edge: edge.id, text: `  ${guard}` },
  ];
}

function planOf(chart: Chart, region: string | null): Plan {
  const top = chart.states.find(({ id }) => id === (region ?? chart.states[0]!.id))!;
  const drawn = new Set([top.id]);
  for (const { id, parent } of chart.states) if (parent !== null && drawn.has(parent)) drawn.add(id);
  const states = chart.states.filter(({ id }) => drawn.has(id));
  const children = new Map<string, ChartState[]>();
  for (const state of states) {
    if (state.parent !== null) children.set(state.parent, [...(children.get(state.parent) ?? []), state]);
  }
  const inside = new Map<string, EdgeLine[]>();
  const arrows = new Map<string, { id: string; source: string; target: string; edges: string[] }>();
  const lines = new Map<string, EdgeLine[]>();
  for (const edge of chart.edges.filter(({ source }) => drawn.has(source))) {
    const targets = edge.targets.filter((target) => drawn.has(target));
    if (targets.length === 0 || (edge.source === top.id && targets.includes(top.id))) {
      inside.set(edge.source, [...(inside.get(edge.source) ?? []), ...linesOf(edge)]);
      continue;
    }
    for (const [index, target] of targets.entries()) {
      const id = `${edge.source} -> ${target}`;
      const arrow = arrows.get(id) ?? { id, source: edge.source, target, edges: [] };
      arrow.edges.push(edge.id);
      arrows.set(id, arrow);
      // An edge to several regions gets only one label.
      if (index === 0) lines.set(id, [...(lines.get(id) ?? []), ...linesOf(edge)]);
    }
  }
  return { region, top, states, children, inside, arrows: [...arrows.values()], lines };
}

const widthOf = (texts: readonly EdgeLine[]): number => Math.max(0, ...texts.map(({ text }) => text.length * TEXT.labelCharPx));

/** The size of a state's title and the lines inside it, without its children. */
function headOf(state: ChartState, plan: Plan): { readonly width: number; readonly height: number } {
  const lines = plan.inside.get(state.id) ?? [];
  const title = state.key.length * TEXT.titleCharPx + (state.type === 'history' ? 0 : 14);
  return {
    width: Math.ceil(Math.max(title, widthOf(lines)) + 2 * TEXT.padPx),
    height: TEXT.titleLinePx + lines.length * TEXT.labelLinePx + (lines.length > 0 ? 6 : 0),
  };
}

function nodeOf(state: ChartState, plan: Plan): ElkGraph {
  const head = headOf(state, plan);
  const children = plan.children.get(state.id) ?? [];
  if (children.length === 0) return { id: state.id, width: Math.max(56, head.width), height: head.height + 6 };
  const dot = state.initial === null ? [] : [{ id: `${state.id}#start`, width: DOT_PX, height: DOT_PX }];
  return {
    id: state.id,
    layoutOptions: {
      ...IN_A_LEVEL,
      'elk.padding': `[top=${head.height + 12},left=12,bottom=14,right=12]`,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${head.width}, ${head.height + 18})`,
    },
    children: [...dot, ...children.map((child) => nodeOf(child, plan))],
  };
}

function graphOf(plan: Plan, direction: Direction): ElkGraph {
  const arrows = plan.arrows.map(({ id, source, target }): ElkArrow => {
    const lines = plan.lines.get(id) ?? [];
    const label = {
      id: `${id}#label`,
      text: lines.map(({ text }) => text).join('\n'),
      width: Math.ceil(widthOf(lines)) + 8,
      height: lines.length * TEXT.labelLinePx + 4,
      layoutOptions: { 'elk.edgeLabels.inline': 'true', 'elk.edgeLabels.placement': 'CENTER' },
    };
    return { id, sources: [source], targets: [target], ...(lines.length === 0 ? {} : { labels: [label] }) };
  });
  const starts = plan.states
    .filter(({ initial, id }) => initial !== null && plan.children.has(id))
    .map(({ id, initial }): ElkArrow => ({ id: `${id}#begin`, sources: [`${id}#start`], targets: [initial!] }));
  return {
    id: '#',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': direction,
      'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
      'elk.json.edgeCoords': 'ROOT',
      'elk.json.shapeCoords': 'ROOT',
      'elk.edgeRouting': 'ORTHOGONAL',
      'elk.randomSeed': '1',
      'elk.padding': '[top=3,left=3,bottom=3,right=3]',
      ...IN_A_LEVEL,
    },
    children: [nodeOf(plan.top, plan)],
    edges: [...arrows, ...starts],
  };
}

function drawingOf(plan: Plan, graph: ElkGraph): Drawing {
  const boxes = new Map<string, Box>();
  const collect = (node: ElkGraph): void => {
    boxes.set(node.id, { x: round(node.x), y: round(node.y), width: round(node.width), height: round(node.height) });
    for (const child of node.children ?? []) collect(child);
  };
  for (const node of graph.children ?? []) collect(node);
  const drawn = new Map((graph.edges ?? []).map((edge) => [edge.id, edge]));
  const pointsOf = (id: string): readonly Point[] => {
    const sections = drawn.get(id)?.sections ?? [];
    const points = sections.flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint]);
    return points.map(({ x, y }) => ({ x: round(x), y: round(y) }));
  };
  return {
    region: plan.region,
    width: round(graph.width),
    height: round(graph.height),
    states: plan.states.map(({ id }) => ({
      id,
      ...boxes.get(id)!,
      holds: plan.children.has(id),
      inside: plan.inside.get(id) ?? [],
    })),
    arrows: plan.arrows.map((arrow) => {
      const label = drawn.get(arrow.id)?.labels?.[0];
      const box = label && { x: round(label.x), y: round(label.y), width: label.width, height: label.height };
      return { ...arrow, points: pointsOf(arrow.id), label: box ? { ...box, lines: plan.lines.get(arrow.id)! } : null };
    }),
    starts: plan.states
      .filter(({ id, initial }) => initial !== null && plan.children.has(id))
      .map(({ id, initial }) => ({ state: initial!, dot: boxes.get(`${id}#start`)!, points: pointsOf(`${id}#begin`) })),
  };
}

function round(value = 0): number {
  return Math.round(value * 10) / 10;
}
