/** Every key, in one table. */
import { button, h } from './dom.ts';

const KEYS: readonly (readonly [string, string])[] = [
  ['l', 'live again'],
  ['p, space', 'pause, or play a replay'],
  [', .', 'one event back, on'],
  ['Shift+, Shift+.', 'one change of state back, on'],
  ['x, Shift+X', 'to the next failure, the one before'],
  ['Home, End', 'to the first event, the last'],
  ['← →', 'in the timeline: back and on; with Shift further'],
  ['z, Shift+Z, w', 'shorter time, longer time, all of it'],
  ['s, Shift+S', 'replay faster, slower'],
  ['1 … 9, [ ]', 'choose a source'],
  ['m, ↑ ↓ ← →', 'into the machine, from state to state; Enter holds its details, Esc lets go'],
  ['r, Shift+R, a', 'next region, the one before; all regions, the whole'],
  ['+ − f Shift+F', 'larger, smaller, readable, all of it; Shift and arrows move'],
  ['v', 'all values and tables'],
  ['i', 'lanes of all sources, or of the chosen one'],
  ['/, ↓', 'search events, into the list; Enter goes there'],
  ['e', 'events beside the machine, or not'],
  ['c', 'commands (development)'],
  ['o', 'open a trace file'],
  ['t', 'light, dark'],
  ['?', 'this'],
];

const HALF = 11;

const SIGNS: readonly (readonly [string, string])[] = [
  ['●  in a box', 'the state is active'],
  ['thick arrow', 'taken by the last step'],
  ['dashed, pale', 'never taken yet'],
  ['hatched span', 'did not end well'],
  ['▸  ✕', 'a source starts, ends'],
  ['▽', 'dropped: the work was under way already'],
  ['⚠  ✖  i', 'a fault, a failure, a note'],
];

export class HelpView {
  readonly element: HTMLDialogElement;

  constructor() {
    const table = (rows: typeof KEYS, tag: 'kbd' | 'span'): HTMLTableElement =>
      h('table', {}, h('tbody', {}, ...rows.map(([key, text]) => h('tr', {}, h('th', { scope: 'row' }, h(tag, {}, key)), h('td', {}, text)))));
    this.element = h(
      'dialog',
      { class: 'help', 'aria-label': 'Keys and signs' },
      h('h2', {}, 'Keys'),
      h('div', { class: 'keys' }, table(KEYS.slice(0, HALF), 'kbd'), table(KEYS.slice(HALF), 'kbd')),
      h('h2', {}, 'Signs'),
      h('div', { class: 'keys' }, table(SIGNS.slice(0, 4), 'span'), table(SIGNS.slice(4), 'span')),
      h('footer', {}, button('Close', { key: 'Escape' }, () => this.element.close())),
    );
  }

  toggle(): void {
    if (this.element.open) this.element.close();
    else this.element.showModal();
  }
}
