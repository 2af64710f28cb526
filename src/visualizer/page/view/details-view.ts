/**
 * Shows details of a state or an edge, such as its description and its actions. For the state in the headline, it also shows the reason.
 */
import type { ChartEdge, ChartState } from '../../wire.ts';
import type { ChartIndex } from '../core/chart-index.ts';
import { reasonOf } from '../core/model.ts';
import { h } from './dom.ts';
import type { Frame } from './frame.ts';
import type { Picked } from './chart-elements.ts';

export class DetailsView {
  readonly element = h('aside', { class: 'details', hidden: true, 'aria-live': 'polite', 'aria-label': 'Details of the selected state or edge' });
  #shown = '';

  update(frame: Frame, index: ChartIndex | null, picked: Picked | null, pinned: boolean): void {
    const known = picked === null || index === null ? null : picked;
    const { chosen } = frame;
    const key = known === null ? '' : JSON.stringify([known, pinned, chosen?.name, chosen?.last?.place, chosen && reasonOf(chosen)]);
    if (key === this.#shown) return;
    this.#shown = key;
    this.element.hidden = known === null;
    if (known === null || index === null) return;
    const rows: Node[] =
      'state' in known
        ? stateRows(index.states.get(known.state)!, index, frame)
        : known.edges.flatMap((edge) => edgeRows(index.edges.get(edge)!, index, frame));
    this.element.replaceChildren(...rows, ...(pinned ? [h('p', { class: 'hint' }, 'Esc unpins this')] : []));
  }
}

function row(label: string, text: string): readonly Node[] {
  return text === '' ? [] : [h('p', {}, h('span', { class: 'what' }, label), ' ', text)];
}

function metaText(meta: ChartState['meta']): string {
  return Object.entries(meta)
    .map(([label, value]) => (value === true ? label : `${label}: ${String(value)}`))
    .join(', ');
}

function stateRows(state: ChartState, index: ChartIndex, { chosen }: Frame): Node[] {
  const active = chosen?.active.has(state.id) ?? false;
  const explained = active && state.parent === index.headline && chosen !== null ? (reasonOf(chosen) ?? '') : '';
  return [
    h('h3', {}, state.key, h('small', {}, active ? ' active' : ' not active', ` · ${state.type}`)),
    ...row('reason', explained),
    ...row('', state.description ?? ''),
    ...row('tags', state.tags.join(', ')),
    ...row('meta', metaText(state.meta)),
    ...row('on entry', state.entry.join(', ')),
    ...row('on exit', state.exit.join(', ')),
    ...row('runs', state.invokes.join(', ')),
  ];
}

function edgeRows(edge: ChartEdge, index: ChartIndex, { chosen }: Frame): Node[] {
  const times = chosen?.taken.get(edge.id) ?? 0;
  const keyOf = (id: string): string => index.states.get(id)?.key ?? id;
  const way = edge.targets.length === 0 ? `stays in ${keyOf(edge.source)}` : `${keyOf(edge.source)} → ${edge.targets.map(keyOf).join(', ')}`;
  return [
    h('h3', {}, edge.label, h('small', {}, times === 0 ? ' not taken yet' : ` taken ${times} ×`)),
    ...row('', edge.reenter ? `${way}, entered again` : way),
    ...row('if', edge.guard ?? ''),
    ...row('does', edge.actions.join(', ')),
    ...row('meta', metaText(edge.meta)),
  ];
}
