/**
 * The machine of the chosen source: a tab for each region, and the drawings of the selected regions. A tab shows the state of its region in
 * words, even before the drawing exists. At first, only the headline's region is shown.
 */
import type { Drawing, Layout } from '../../layout-graph.ts';
import type { Chart } from '../../wire.ts';
import { regionOf, type ChartIndex } from '../core/chart-index.ts';
import type { Picked } from './chart-elements.ts';
import { ChartPanel } from './chart-panel.ts';
import { DetailsView } from './details-view.ts';
import { button, h, reconcile, setAttributes, setText } from './dom.ts';
import type { Frame } from './frame.ts';

/** The tab that shows the whole machine in one drawing. */
const WHOLE = 'whole';
/** The tab that shows all regions side by side. */
const ALL = 'all';

export interface StageModules {
  /** @throws Error when there is no layout */
  readonly layoutOf: (chart: Chart) => Promise<Layout>;
  readonly onDrawn: () => void;
  readonly changed: () => void;
}

export class StageView {
  readonly element: HTMLElement;
  readonly #modules: StageModules;
  readonly #tabs = h('div', { class: 'tabs', role: 'toolbar', 'aria-label': 'Regions' });
  readonly #panels = h('div', { class: 'panels' });
  readonly #words = h('p', { class: 'words' });
  readonly #details = new DetailsView();
  readonly #layouts = new Map<string, Layout | 'asked' | Error>();
  #made = new Map<string, ChartPanel>();
  #chart: ChartIndex | null = null;
  /** The shown regions, or WHOLE. */
  #shown: readonly string[] = [];
  #hovered: Picked | null = null;
  #pinned: Picked | null = null;

  constructor(modules: StageModules) {
    this.#modules = modules;
    const tools = h(
      'div',
      { class: 'tools' },
      button('−', { key: '-', title: 'Smaller' }, () => this.zoomBy(0.8)),
      button('+', { key: '+', title: 'Larger' }, () => this.zoomBy(1.25)),
      button('fit', { key: 'f', title: 'Readable, and follows the active states' }, () => this.fit()),
      button('all', { key: 'Shift+F', title: 'The whole drawing, even if it becomes too small to read' }, () => this.fitAll()),
    );
    this.element = h(
      'section',
      { class: 'stage', 'aria-label': 'Machine' },
      h('header', { class: 'stage-head' }, this.#tabs, tools),
      this.#words,
      this.#panels,
      this.#details.element,
    );
    this.#tabs.addEventListener('keydown', (event) => roveTabs(this.#tabs, event));
  }

  update(frame: Frame): void {
    const index = frame.chosen === null ? null : (frame.model.charts.get(frame.chosen.chart) ?? null);
    if (index?.chart.id !== this.#chart?.chart.id) this.#changeChart(index);
    this.#updateTabs(frame);
    const animate = frame.moment.at !== 'place';
    for (const panel of this.#made.values()) panel.update(frame.chosen, animate);
    const picked = this.#hovered ?? this.#pinned;
    this.#details.update(frame, index, picked, picked !== null && picked === this.#pinned);
  }

  /** Call this before another recording is shown. A layout that failed, perhaps because the process was ending, is then requested again. */
  reset(): void {
    for (const [chart, layout] of this.#layouts) if (layout instanceof Error) this.#layouts.delete(chart);
    this.#changeChart(null);
  }

  /** Shows only this region. With `add`, adds the region to the shown ones, or removes it if it is already shown. */
  show(region: string, add: boolean): void {
    if (region === ALL) this.#shown = this.#chart?.regions ?? [WHOLE];
    else if (!add || region === WHOLE || this.#shown.includes(WHOLE)) this.#shown = [region];
    else if (!this.#shown.includes(region)) this.#shown = [...this.#shown, region];
    else if (this.#shown.length > 1) this.#shown = this.#shown.filter((shown) => shown !== region);
    this.#rebuild();
    this.#modules.changed();
  }

  /** Shows the next tab: each region, then all regions, then the whole machine, then the first region again. */
  cycle(by: 1 | -1): void {
    const choices = this.#choices();
    const at = this.#showsAll() ? choices.indexOf(ALL) : choices.indexOf(this.#shown[0] ?? WHOLE);
    this.show(choices[(at + by + choices.length) % choices.length]!, false);
  }

  toggleAll(): void {
    this.show(this.#showsAll() ? WHOLE : this.#shown.includes(WHOLE) ? this.#first() : ALL, false);
  }

  #showsAll(): boolean {
    return this.#shown.length > 1 && this.#shown.length === this.#chart?.regions.length;
  }

  zoomBy(factor: number): void {
    for (const panel of this.#focused()) panel.zoomBy(factor);
  }

  fit(): void {
    for (const panel of this.#focused()) panel.fit();
  }

  fitAll(): void {
    for (const panel of this.#focused()) panel.fitAll();
  }

  focus(): void {
    this.#made.values().next().value?.focusFirst();
  }

  unpin(): boolean {
    const pinned = this.#pinned !== null;
    this.#pinned = null;
    this.#modules.changed();
    return pinned;
  }

  #focused(): readonly ChartPanel[] {
    const panels = [...this.#made.values()];
    const inside = panels.filter(({ element }) => element.contains(document.activeElement));
    return inside.length > 0 ? inside : panels;
  }

  #choices(): readonly string[] {
    return this.#chart === null || this.#chart.regions.length === 0 ? [WHOLE] : [...this.#chart.regions, ALL, WHOLE];
  }

  /** The headline's region; the whole machine when there are no regions. */
  #first(): string {
    return this.#chart === null ? WHOLE : (regionOf(this.#chart, this.#chart.headline) ?? this.#chart.regions[0] ?? WHOLE);
  }

  #changeChart(index: ChartIndex | null): void {
    this.#chart = index;
    this.#hovered = null;
    this.#pinned = null;
    this.#shown = [this.#first()];
    this.#rebuild();
    if (index === null || this.#layouts.has(index.chart.id)) return;
    const { chart } = index;
    this.#layouts.set(chart.id, 'asked');
    this.#modules.layoutOf(chart).then(
      (layout) => this.#arrived(chart.id, layout),
      (error: unknown) => this.#arrived(chart.id, error instanceof Error ? error : new Error('no layout')),
    );
  }

  #arrived(chart: string, layout: Layout | Error): void {
    this.#layouts.set(chart, layout);
    if (this.#chart?.chart.id !== chart) return;
    this.#rebuild();
    this.#modules.changed();
    if (!(layout instanceof Error)) this.#modules.onDrawn();
  }

  #rebuild(): void {
    const index = this.#chart;
    const layout = index === null ? undefined : this.#layouts.get(index.chart.id);
    const drawn = layout === undefined || layout === 'asked' || layout instanceof Error ? [] : layout.drawings;
    const before = this.#made;
    this.#made = new Map();
    for (const region of this.#shown) {
      const drawing = drawn.find((one: Drawing) => (one.region ?? WHOLE) === region);
      if (drawing === undefined || index === null) continue;
      const key = `${index.chart.id} ${region}`;
      const panel =
        before.get(key) ??
        new ChartPanel(drawing, index, {
          onHover: (picked) => {
            this.#hovered = picked;
            this.#modules.changed();
          },
          onPick: (picked) => {
            this.#pinned = picked;
            this.#modules.changed();
          },
        });
      this.#made.set(key, panel);
    }
    setAttributes(this.#panels, { 'data-count': this.#made.size });
    this.#panels.replaceChildren(...[...this.#made.values()].map(({ element }) => element));
  }

  #updateTabs(frame: Frame): void {
    const index = this.#chart;
    const { chosen } = frame;
    const layout = index === null ? undefined : this.#layouts.get(index.chart.id);
    const waiting = layout instanceof Error ? `The machine cannot be drawn: ${layout.message}. ` : 'The drawing is being prepared. ';
    const words = chosen === null ? 'Nothing is known about any machine yet.' : `${waiting}${wordsOf(index, chosen.active)}`;
    setText(this.#words, words);
    this.#words.hidden = this.#made.size > 0;
    const choices = index === null ? [] : this.#choices();
    reconcile(
      this.#tabs,
      choices,
      (choice) => choice,
      (choice) => {
        const tab = h('button', { type: 'button', class: 'tab' }, h('span', { class: 'tab-name' }), h('span', { class: 'tab-state' }));
        tab.addEventListener('click', (event) => this.show(choice, event.shiftKey || event.ctrlKey || event.metaKey));
        return tab;
      },
      (tab, choice) => {
        const all = this.#showsAll();
        const shown = choice === ALL ? all : !all && this.#shown.includes(choice);
        setAttributes(tab, {
          'aria-pressed': shown ? 'true' : 'false',
          tabindex: shown || (this.#shown.length === 0 && choice === choices[0]) ? 0 : -1,
          title: choice === ALL ? 'All regions side by side (a)' : choice === WHOLE ? 'The whole machine in one drawing (a, a)' : 'Shift: show beside the other regions (r: next region)',
        });
        const special = choice === ALL || choice === WHOLE;
        setText(tab.children[0]!, choice === ALL ? 'all regions' : choice === WHOLE ? (choices.length === 1 ? index!.chart.name : 'whole') : (index!.states.get(choice)?.key ?? choice));
        setText(tab.children[1]!, special || chosen === null ? '' : leavesOf(index!, choice, chosen.active));
      },
    );
  }
}

/** The active leaf states below a state, as text. */
function leavesOf(index: ChartIndex, state: string, active: ReadonlySet<string>): string {
  const children = (index.children.get(state) ?? []).filter((child) => active.has(child));
  if (children.length === 0) return '';
  return children
    .map((child) => {
      const below = leavesOf(index, child, active);
      const key = index.states.get(child)?.key ?? child;
      return below === '' ? key : index.states.get(state)?.type === 'parallel' ? below : `${key}.${below}`;
    })
    .join(' · ');
}

function wordsOf(index: ChartIndex | null, active: ReadonlySet<string>): string {
  if (index === null) return `Active: ${[...active].join(', ')}`;
  const root = index.chart.states[0]!;
  return `Active: ${leavesOf(index, root.id, active)}`;
}

function roveTabs(tabs: HTMLElement, event: KeyboardEvent): void {
  if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
  const all = [...tabs.querySelectorAll<HTMLElement>('button')];
  const at = all.indexOf(document.activeElement as HTMLElement);
  const next = all[(at + (event.key === 'ArrowRight' ? 1 : -1) + all.length) % all.length];
  for (const tab of all) tab.tabIndex = tab === next ? 0 : -1;
  next?.focus();
  event.preventDefault();
  event.stopPropagation();
}
