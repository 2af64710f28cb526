/** The list of events up to the shown moment, newest first. The reader can search and filter it, and go to each event. */
import type { VisualizerEvent } from '../../wire.ts';
import { LISTED_LIMIT } from '../core/limits.ts';
import { describe, matches, NO_FILTER, sourceOf, type EventKind, type Filter } from '../core/search.ts';
import { clockText } from '../core/time-text.ts';
import { h, reconcile, setAttributes, setText } from './dom.ts';
import type { Frame } from './frame.ts';

/** Maximum number of event types that the filter offers. */
const TYPES_LIMIT = 200;

const KINDS: readonly { readonly kind: EventKind; readonly label: string; readonly shape: string }[] = [
  { kind: 'step', label: 'steps', shape: '→' },
  { kind: 'shown', label: 'values', shape: '=' },
  { kind: 'span', label: 'spans', shape: '⊢' },
  { kind: 'note', label: 'notes', shape: '⚑' },
  { kind: 'state', label: 'states', shape: '▸' },
  { kind: 'end', label: 'ends', shape: '✕' },
  { kind: 'chart', label: 'machines', shape: '▦' },
];

export interface EventsModules {
  readonly goToPlace: (place: number) => void;
  readonly changed: () => void;
}

export class EventsView {
  readonly element: HTMLElement;
  readonly #modules: EventsModules;
  readonly #search = h('input', { type: 'search', placeholder: 'search  ( / )', 'aria-label': 'Search events', 'aria-keyshortcuts': '/', spellcheck: false, autocomplete: 'off' });
  readonly #sources = h('select', { 'aria-label': 'Source' });
  readonly #types = h('select', { 'aria-label': 'Type of event' });
  readonly #list = h('ol', { class: 'event-list', 'aria-label': 'Events, newest first' });
  readonly #count = h('p', { class: 'count', role: 'status' });
  #filter: Filter = { ...NO_FILTER, without: new Set<EventKind>(['shown']) };
  #known = new Set<string>();
  #looked = 0;
  /** The result of the last search, with its filter and the last place that it covers. */
  #found: { readonly filter: Filter; readonly upTo: number; readonly first: number; readonly places: readonly number[] } | null = null;

  constructor(modules: EventsModules) {
    this.#modules = modules;
    const kinds = h('div', { class: 'kinds', role: 'group', 'aria-label': 'Kinds of events' });
    for (const { kind, label, shape } of KINDS) {
      const toggle = h('button', { type: 'button', class: 'kind', 'data-kind': kind, 'aria-pressed': this.#filter.without.has(kind) ? 'false' : 'true' }, `${shape} ${label}`);
      toggle.addEventListener('click', () => {
        const without = new Set(this.#filter.without);
        if (!without.delete(kind)) without.add(kind);
        setAttributes(toggle, { 'aria-pressed': without.has(kind) ? 'false' : 'true' });
        this.#change({ without });
      });
      kinds.append(toggle);
    }
    this.#search.addEventListener('input', () => this.#change({ text: this.#search.value }));
    this.#search.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#search.value !== '') {
        this.#search.value = '';
        this.#change({ text: '' });
        event.stopPropagation();
      } else if (event.key === 'ArrowDown') {
        this.#focusRow(0);
        event.preventDefault();
        event.stopPropagation();
      }
    });
    this.#sources.append(h('option', { value: '' }, 'all sources'));
    this.#types.append(h('option', { value: '' }, 'all types'));
    this.#sources.addEventListener('change', () => this.#change({ source: this.#sources.value === '' ? null : this.#sources.value }));
    this.#types.addEventListener('change', () => this.#change({ type: this.#types.value === '' ? null : this.#types.value }));
    this.#list.addEventListener('keydown', (event) => this.#onKey(event));
    this.element = h(
      'section',
      { class: 'events', 'aria-label': 'Events' },
      h('div', { class: 'filters' }, this.#search, this.#sources, this.#types, kinds),
      this.#count,
      this.#list,
    );
  }

  /** Empties the list before another recording is shown. */
  reset(): void {
    this.#list.replaceChildren();
    this.#known = new Set();
    this.#looked = 0;
    this.#found = null;
    this.#types.value = '';
    this.#sources.value = '';
    this.#filter = { ...this.#filter, type: null, source: null };
    for (const select of [this.#types, this.#sources]) reconcileOptions(select, []);
  }

  focusSearch(): void {
    this.#search.focus();
    this.#search.select();
  }

  update(frame: Frame): void {
    const { history, place } = frame;
    this.#offerTypes(frame);
    const places = this.#find(frame);
    const focused = this.#list.contains(document.activeElement);
    reconcile(
      this.#list,
      places,
      (listed) => String(listed),
      (listed) => this.#makeRow(history.eventAt(listed)!, listed, frame),
      (row, listed) => setAttributes(row.firstElementChild!, { 'aria-current': listed === place && frame.moment.at !== 'live' ? 'step' : null }),
    );
    if (!focused) for (const [index, row] of [...this.#list.children].entries()) setAttributes(row.firstElementChild!, { tabindex: index === 0 ? 0 : -1 });
    const more = places.length >= LISTED_LIMIT ? `the newest ${LISTED_LIMIT}` : `${places.length}`;
    setText(this.#count, `${more} of ${history.size} kept events`);
  }

  #change(change: Partial<Filter>): void {
    this.#filter = { ...this.#filter, ...change };
    this.#modules.changed();
  }

  #find(frame: Frame): readonly number[] {
    const { history, place } = frame;
    const filter = this.#filter;
    const { latest } = history;
    const test = (event: VisualizerEvent): boolean => matches(filter, event, latest);
    const before = this.#found;
    let places: readonly number[];
    if (before !== null && before.filter === filter && place >= before.upTo && place - before.upTo < LISTED_LIMIT) {
      const added: number[] = [];
      for (let at = place; at > before.upTo; at--) {
        const event = history.eventAt(at);
        if (event !== undefined && test(event)) added.push(at);
      }
      places = [...added, ...before.places].slice(0, LISTED_LIMIT).filter((at) => at > history.firstPlace);
    } else places = history.latestPlaces(place, LISTED_LIMIT, test);
    this.#found = { filter, upTo: place, first: history.firstPlace, places };
    return places;
  }

  #makeRow(event: VisualizerEvent, place: number, { history, ofDay }: Frame): HTMLLIElement {
    const { title, detail } = describe(event, history.latest);
    const kind = KINDS.find((one) => one.kind === event.kind)!;
    const level = event.kind === 'note' ? ` ${event.level}` : '';
    const dropped = event.kind === 'step' && event.edges.length === 0 ? ' dropped' : '';
    const press = h(
      'button',
      { type: 'button', class: `event ${event.kind}${level}${dropped}`, tabindex: -1, title: detail },
      h('span', { class: 'when' }, clockText(history.timeAt(place), ofDay)),
      h('span', { class: 'who' }, sourceOf(event) ?? '–'),
      h('span', { class: 'kind-shape', 'aria-label': kind.label }, kind.shape),
      h('span', { class: 'what' }, title),
      h('span', { class: 'detail' }, detail),
    );
    press.addEventListener('click', () => this.#modules.goToPlace(place));
    return h('li', {}, press);
  }

  #offerTypes({ history, model }: Frame): void {
    for (let place = Math.max(this.#looked, history.firstPlace) + 1; place <= history.lastPlace; place++) {
      const event = history.eventAt(place);
      if (event?.kind !== 'step' || this.#known.has(event.event) || this.#known.size >= TYPES_LIMIT) continue;
      this.#known.add(event.event);
      reconcileOptions(this.#types, [...this.#known].sort());
    }
    this.#looked = history.lastPlace;
    reconcileOptions(this.#sources, [...model.sources.keys()].sort());
  }

  #focusRow(index: number): void {
    const rows = this.#list.children;
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))]?.firstElementChild;
    if (!(row instanceof HTMLElement)) return;
    for (const other of rows) setAttributes(other.firstElementChild!, { tabindex: -1 });
    row.tabIndex = 0;
    row.focus();
  }

  #onKey(event: KeyboardEvent): void {
    const rows = [...this.#list.children];
    const at = rows.findIndex(({ firstElementChild }) => firstElementChild === document.activeElement);
    const to: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: rows.length - 1 };
    const next = to[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    if (next < 0 && event.key === 'ArrowUp') this.#search.focus();
    else this.#focusRow(next);
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Sets all options after the first. The first option means "all". */
function reconcileOptions(select: HTMLSelectElement, values: readonly string[]): void {
  if (select.options.length === values.length + 1 && values.every((one, place) => select.options[place + 1]!.value === one)) return;
  const { value } = select;
  const [all] = select.options;
  select.replaceChildren(all!, ...values.map((one) => h('option', { value: one }, one)));
  select.value = value;
}
