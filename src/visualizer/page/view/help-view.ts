/** The help dialogue, which explains the page's keys and signs. */
import { KEY_ROWS } from '../core/keys.ts';
import { button, h } from './dom.ts';

const KEYS = KEY_ROWS.map(({ shown, says }) => [shown, says] as const);

const HALF = 11;

const SIGNS: readonly (readonly [string, string])[] = [
  ['●  in a box', 'the state is active'],
  ['thick arrow', 'taken by the last step'],
  ['dashed, pale', 'not taken yet'],
  ['hatched span', 'did not succeed'],
  ['▸  ✕', 'a source starts, ends'],
  ['▽', 'dropped: the same work was already under way'],
  ['⚠  ✖  i', 'a fault, a failure, a note'],
];

export class HelpView {
  readonly element: HTMLDialogElement;

  constructor() {
    const table = (rows: typeof SIGNS, tag: 'kbd' | 'span'): HTMLTableElement =>
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
