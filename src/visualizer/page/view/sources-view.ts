/** The sources side by side: for each source its state in one word, the reason, how long the state has lasted, and the shown values. */
import type { ShownMoment, ShownScalar, ShownValue } from '../../wire.ts';
import { reasonOf, type SourceModel } from '../core/model.ts';
import { scalarText } from '../core/search.ts';
import { momentText } from '../core/time-text.ts';
import { button, h, reconcile, setAttributes, setText } from './dom.ts';
import { toneOf, type Frame } from './frame.ts';

/** A value with more characters than this gets its own line. */
const LONG_CHARS = 34;
/** Label of the value that is shown above all others. */
const REASON = 'reason';

export interface SourcesModules {
  readonly choose: (source: string) => void;
  readonly changed: () => void;
}

export class SourcesView {
  readonly element: HTMLElement;
  readonly #modules: SourcesModules;
  readonly #cards = h('div', { class: 'cards' });
  readonly #toggle: HTMLButtonElement;
  #whole = false;

  constructor(modules: SourcesModules) {
    this.#modules = modules;
    this.#toggle = button('all values', { key: 'v', title: 'All values and tables', class: 'toggle' }, () => this.toggle());
    this.element = h('section', { class: 'sources', 'aria-label': 'Sources' }, this.#cards, this.#toggle);
  }

  toggle(): void {
    this.#whole = !this.#whole;
    this.element.classList.toggle('whole', this.#whole);
    setAttributes(this.#toggle, { 'aria-pressed': this.#whole ? 'true' : 'false' });
    this.#modules.changed();
  }

  update(frame: Frame): void {
    const sources = sortedSources(frame);
    this.element.classList.toggle('many', sources.length > 3);
    reconcile(
      this.#cards,
      sources,
      ({ name }) => name,
      ({ name }) => this.#makeCard(name),
      (card, source) => changeCard(card, source, frame, sources.indexOf(source)),
    );
  }

  #makeCard(name: string): HTMLElement {
    const choose = h('button', { type: 'button', class: 'name' });
    choose.addEventListener('click', () => this.#modules.choose(name));
    const card = h(
      'article',
      { class: 'card', 'data-source': name },
      h('header', {}, choose, h('span', { class: 'badge' }, h('span', { class: 'shape', 'aria-hidden': 'true' }), h('span', { class: 'headline' })), h('span', { class: 'since' })),
      h('p', { class: 'reason' }),
      h('div', { class: 'values' }, h('dl'), h('div', { class: 'shown-tables' })),
    );
    card.addEventListener('click', (event) => {
      if (!(event.target instanceof HTMLButtonElement)) this.#modules.choose(name);
    });
    return card;
  }
}

/** Sorts by name. Numbers in names are compared by their value. */
export function sortedSources({ model }: Pick<Frame, 'model'>): readonly SourceModel[] {
  return [...model.sources.values()].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function changeCard(card: HTMLElement, source: SourceModel, frame: Frame, place: number): void {
  const ended = source.ended !== null;
  const headline = ended ? 'ended' : (source.headline ?? 'unknown');
  const { shape, tone } = toneOf(frame.model, source, ended ? null : source.headline);
  const chosen = frame.chosen?.name === source.name;
  card.classList.toggle('chosen', chosen);
  card.classList.toggle('ended', ended);
  setAttributes(card, { 'data-state': headline, 'data-tone': tone });
  const name = card.querySelector('.name')!;
  setText(name, source.name);
  setAttributes(name, { 'aria-pressed': chosen ? 'true' : 'false', title: place < 9 ? `Choose ${source.name} (${place + 1})` : `Choose ${source.name}` });
  setText(card.querySelector('.shape')!, shape);
  setText(card.querySelector('.headline')!, headline);
  const reason = source.ended?.how ?? reasonOf(source) ?? '';
  setText(card.querySelector('.reason')!, reason);
  setAttributes(card.querySelector('.reason')!, { hidden: reason === '' });
  const sinceMs = source.ended?.atMs ?? source.sinceMs;
  const since = momentText(sinceMs, frame.atMs).replace(/ ago$/, '');
  setText(card.querySelector('.since')!, source.sinceExact || ended ? (since === 'now' ? 'since now' : `for ${since}`) : `for ${since === 'now' ? '0 s' : since} or longer`);
  // After the source has ended, ages no longer change.
  changeValues(card.querySelector('.values')!, source, source.ended?.atMs ?? frame.atMs);
}

function changeValues(element: Element, source: SourceModel, nowMs: number): void {
  const entries = Object.entries(source.shown).filter(([label]) => label !== REASON);
  const plain = entries.filter((entry): entry is [string, ShownScalar] => !isTable(entry[1]));
  const tables = entries.filter((entry): entry is [string, Table] => isTable(entry[1]));
  reconcile(
    element.children[0]!,
    plain,
    ([label]) => label,
    ([label]) => h('div', {}, h('dt', { title: label }, label), h('dd')),
    (pair, [, value]) => {
      const text = valueText(value, nowMs);
      setText(pair.children[1]!, text);
      pair.classList.toggle('long', text.length > LONG_CHARS);
      pair.classList.toggle('none', value === null);
      setAttributes(pair.children[1]!, { title: text });
    },
  );
  reconcile(
    element.children[1]!,
    tables,
    ([label]) => label,
    ([label]) => h('div', { class: 'table', role: 'region', 'aria-label': label, tabindex: 0 }, h('table', {}, h('caption', {}, label), h('thead', {}, h('tr')), h('tbody'))),
    (wrap, [, table]) => changeTable(wrap.querySelector('table')!, table, nowMs),
  );
}

type Table = Extract<ShownValue, { readonly rows: unknown }>;

const isTable = (value: ShownValue): value is Table => value !== null && typeof value === 'object' && 'rows' in value;
const isMoment = (value: ShownScalar): value is ShownMoment => value !== null && typeof value === 'object';

/** Maximum number of rows that are shown from one table. */
const ROWS_LIMIT = 100;

function changeTable(table: HTMLTableElement, { rows }: Table, nowMs: number): void {
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  reconcile(table.tHead!.rows[0]!, labels, (label) => label, (label) => h('th', { scope: 'col' }, label));
  const numbered = rows.slice(0, ROWS_LIMIT).map((row, place) => ({ row, place }));
  reconcile(
    table.tBodies[0]!,
    numbered,
    ({ place }) => String(place),
    () => h('tr'),
    (line, { row }) =>
      reconcile(
        line,
        labels,
        (label) => label,
        () => h('td'),
        (cell, label) => {
          const text = valueText(row[label] ?? null, nowMs);
          setText(cell, text);
          setAttributes(cell, { title: text });
        },
      ),
  );
}

function valueText(value: ShownScalar, nowMs: number): string {
  return isMoment(value) ? momentText(value.atMs, nowMs) : scalarText(value);
}
