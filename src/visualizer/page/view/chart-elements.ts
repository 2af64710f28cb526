/** Creates the SVG elements of one drawing: boxes for states, arrows, labels. They are created once, regardless of which states are active. */
import { TEXT, type Box, type Drawing, type DrawnArrow, type DrawnState, type EdgeLine, type Point } from '../../layout-graph.ts';
import type { ChartIndex } from '../core/chart-index.ts';
import { s } from './dom.ts';

const CORNER_PX = 6;
/** Height of a compound state's title. A click selects the state only if it is on the title. */
const TITLE_PX = 30;

export type Picked = { readonly state: string } | { readonly edges: readonly string[] };

/** An element that the pointer and the keys can reach. */
export interface Target {
  readonly element: SVGGElement;
  readonly picked: Picked;
  readonly centre: Point;
  readonly box: Box;
}

export interface ArrowElements {
  readonly arrow: DrawnArrow;
  /** The arrow, and its label if it has one. */
  readonly parts: readonly SVGGElement[];
}

export interface ChartElements {
  readonly heads: SVGDefsElement;
  readonly world: SVGGElement;
  readonly states: ReadonlyMap<string, SVGGElement>;
  readonly arrows: readonly ArrowElements[];
  /** Each edge's lines of text, by the edge's id. */
  readonly lines: ReadonlyMap<string, readonly SVGTextElement[]>;
  readonly targets: readonly Target[];
  /** Arrows without their labels. The pointer can reach them, but the keys cannot. */
  readonly paths: readonly { readonly element: SVGGElement; readonly picked: Picked }[];
}

export function drawChart(drawing: Drawing, index: ChartIndex): ChartElements {
  return new Pen(index).draw(drawing);
}

class Pen {
  readonly #index: ChartIndex;
  readonly #states = new Map<string, SVGGElement>();
  readonly #lines = new Map<string, SVGTextElement[]>();
  readonly #targets: Target[] = [];

  constructor(index: ChartIndex) {
    this.#index = index;
  }

  draw({ states, arrows, starts }: Drawing): ChartElements {
    const boxes = s('g', {}, ...states.map((state) => this.#state(state)));
    const begins = starts.map(({ dot, points }) =>
      s('g', { class: 'start' }, s('circle', { cx: dot.x + dot.width / 2, cy: dot.y + dot.height / 2, r: 4.5 }), s('path', { d: pathOf(points), 'marker-end': 'url(#head)' })),
    );
    const drawn = arrows.map((arrow) => {
      const d = pathOf(arrow.points);
      const element = s('g', { class: 'arrow never', 'data-arrow': arrow.id }, s('path', { class: 'hit', d }), s('path', { class: 'line', d, 'marker-end': 'url(#head)' }));
      return { arrow, element, label: arrow.label === null ? null : this.#label(arrow, arrow.label) };
    });
    const paths = s('g', {}, ...begins, ...drawn.map(({ element }) => element));
    const labels = s('g', {}, ...drawn.flatMap(({ label }) => (label === null ? [] : [label])));
    const [first] = this.#targets;
    if (first !== undefined) first.element.tabIndex = 0;
    return {
      heads: arrowHeads(),
      world: s('g', {}, boxes, paths, labels),
      states: this.#states,
      arrows: drawn.map(({ arrow, element, label }) => ({ arrow, parts: label === null ? [element] : [element, label] })),
      lines: this.#lines,
      targets: this.#targets,
      paths: drawn.map(({ arrow, element }) => ({ element, picked: { edges: arrow.edges } })),
    };
  }

  #state(drawn: DrawnState): SVGGElement {
    const state = this.#index.states.get(drawn.id)!;
    const group = s('g', {
      class: `state ${state.type}${drawn.holds ? ' holds' : ''}${this.#isRegion(drawn.id) ? ' region' : ''}`,
      'data-state': drawn.id,
      role: 'button',
      'aria-label': `state ${state.key}`,
    });
    group.append(
      s('rect', { x: drawn.x, y: drawn.y, width: drawn.width, height: drawn.height, rx: drawn.holds ? 10 : 7, class: `box depth-${this.#depthOf(drawn.id) % 2}` }),
    );
    if (state.type === 'final') {
      group.append(s('rect', { x: drawn.x + 3, y: drawn.y + 3, width: drawn.width - 6, height: drawn.height - 6, rx: 5, class: 'inner' }));
    }
    const middle = drawn.y + (drawn.holds || drawn.inside.length > 0 ? 18 : drawn.height / 2 + 4.5);
    const title = s('text', { x: drawn.x + TEXT.padPx + 14, y: middle, class: 'title' }, state.type === 'history' ? `H ${state.key}` : state.key);
    // Marks an active state with a dot, not only with a colour.
    group.append(s('circle', { cx: drawn.x + TEXT.padPx + 3, cy: middle - 4.5, r: 4.5, class: 'lamp' }), title);
    for (const [row, line] of drawn.inside.entries()) {
      group.append(this.#line(line, drawn.x + TEXT.padPx, drawn.y + TEXT.titleLinePx + 9 + row * TEXT.labelLinePx));
    }
    this.#states.set(drawn.id, group);
    this.#target(group, { state: drawn.id }, drawn.holds ? { ...drawn, height: TITLE_PX } : drawn);
    return group;
  }

  #label(arrow: DrawnArrow, label: NonNullable<DrawnArrow['label']>): SVGGElement {
    const names = arrow.edges.map((id) => this.#index.edges.get(id)?.label ?? id);
    const keyOf = (id: string): string => this.#index.states.get(id)?.key ?? id;
    const group = s('g', {
      class: 'label never',
      'data-arrow': arrow.id,
      role: 'button',
      'aria-label': `${names.join(', ')}: from ${keyOf(arrow.source)} to ${keyOf(arrow.target)}`,
    });
    group.append(s('rect', { x: label.x, y: label.y, width: label.width, height: label.height, rx: 4, class: 'plate' }));
    for (const [row, line] of label.lines.entries()) group.append(this.#line(line, label.x + 4, label.y + 12.5 + row * TEXT.labelLinePx));
    this.#target(group, { edges: arrow.edges }, label);
    return group;
  }

  #line({ edge, text }: EdgeLine, x: number, y: number): SVGTextElement {
    const kind = this.#index.edges.get(edge)?.kind ?? 'event';
    const indent = text.length - text.trimStart().length;
    const element = s('text', { x: x + indent * TEXT.labelCharPx, y, class: `edge-text kind-${kind} never`, 'data-edge': edge }, text.trimStart());
    this.#lines.set(edge, [...(this.#lines.get(edge) ?? []), element]);
    return element;
  }

  #target(element: SVGGElement, picked: Picked, { x, y, width, height }: Box): void {
    element.tabIndex = -1;
    this.#targets.push({ element, picked, box: { x, y, width, height }, centre: { x: x + width / 2, y: y + height / 2 } });
  }

  #isRegion(id: string): boolean {
    const parent = this.#index.states.get(id)?.parent ?? null;
    return parent !== null && this.#index.states.get(parent)?.type === 'parallel';
  }

  #depthOf(id: string): number {
    let depth = 0;
    for (let at = this.#index.states.get(id)?.parent ?? null; at !== null; at = this.#index.states.get(at)?.parent ?? null) depth += 1;
    return depth;
  }
}

function arrowHeads(): SVGDefsElement {
  const head = s('marker', { id: 'head', viewBox: '0 0 10 10', refX: 9, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: 'userSpaceOnUse', orient: 'auto-start-reverse' });
  head.append(s('path', { d: 'M 0 1 L 10 5 L 0 9 z', class: 'head' }));
  return s('defs', {}, head);
}

/** The path of a line with rounded corners. */
function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M ${first.x} ${first.y}`;
  let from = first;
  for (const [place, point] of rest.entries()) {
    const next = rest[place + 1];
    if (next === undefined) path += ` L ${point.x} ${point.y}`;
    else {
      const [before, behind] = [towards(point, from), towards(point, next)];
      path += ` L ${before.x} ${before.y} Q ${point.x} ${point.y} ${behind.x} ${behind.y}`;
    }
    from = point;
  }
  return path;
}

function towards(from: Point, to: Point): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  if (length === 0) return from;
  const share = Math.min(CORNER_PX, length / 2) / length;
  return { x: Number((from.x + (to.x - from.x) * share).toFixed(1)), y: Number((from.y + (to.y - from.y) * share).toFixed(1)) };
}
