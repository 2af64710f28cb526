/** The input of all views: one moment, and the reader's choices. */
import type { History } from '../core/history.ts';
import type { Lanes } from '../core/lanes.ts';
import type { Model, SourceModel } from '../core/model.ts';
import type { Moment } from '../core/moment.ts';

export interface Frame {
  readonly model: Model;
  readonly place: number;
  readonly atMs: number;
  readonly moment: Moment;
  readonly history: History;
  readonly lanes: Lanes;
  readonly chosen: SourceModel | null;
  readonly replay: boolean;
  /** true: times are shown as times of day. */
  readonly ofDay: boolean;
}

/** Shapes for the states that a headline can show, assigned in order, so that the states differ even without colour. */
const SHAPES: readonly string[] = ['▲', '◆', '◐', '●', '★', '▼', '◼', '✚'];
export const ENDED_SHAPE = '✕';

export interface Tone {
  readonly shape: string;
  readonly tone: string;
}

/** Shape and tone of a headline. @param state the name of the state; null, or a name that the chart does not contain, is shown as ended */
export function toneOf(model: Model, source: SourceModel, state: string | null): Tone {
  const index = model.charts.get(source.chart);
  const children = index?.children.get(index.headline) ?? [];
  const place = children.findIndex((child) => index?.states.get(child)?.key === state);
  if (place === -1) return { shape: ENDED_SHAPE, tone: 'ended' };
  return { shape: SHAPES[place % SHAPES.length]!, tone: String(place % SHAPES.length) };
}
