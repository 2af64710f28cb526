/** What all views are given to show: one moment, and what the reader chose. */
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
  /** Times are times of day. */
  readonly ofDay: boolean;
}

/** Shapes and colours of the states of a headline, by their order: no two look alike without colour. */
const SHAPES: readonly string[] = ['▲', '◆', '◐', '●', '★', '▼', '◼', '✚'];
export const ENDED_SHAPE = '✕';

export interface Tone {
  readonly shape: string;
  readonly tone: string;
}

/** How a headline looks. @param state null or unknown: not known */
export function toneOf(model: Model, source: SourceModel, state: string | null): Tone {
  const index = model.charts.get(source.chart);
  const children = index?.children.get(index.headline) ?? [];
  const place = children.findIndex((child) => index?.states.get(child)?.key === state);
  if (place === -1) return { shape: ENDED_SHAPE, tone: 'ended' };
  return { shape: SHAPES[place % SHAPES.length]!, tone: String(place % SHAPES.length) };
}
