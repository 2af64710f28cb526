/** Handwritten events of a small machine. */
import { chartOf } from '../../../../src/chart/chart-of.ts';
import { createMachine } from 'xstate';
import type { NewEvent, Shown, VisualizerEvent } from '../../../../src/visualizer/wire.ts';

/** Doors that open and close, and a job that is shown as a span. */
const doors = createMachine({
  id: 'doors',
  type: 'parallel',
  states: {
    leaf: { meta: { headline: true }, initial: 'closed', states: { closed: { on: { push: 'open' } }, open: { on: { push: 'closed' } } } },
    oiling: {
      meta: { span: 'oil', outcome: 'last oil' },
      initial: 'idle',
      on: { oil: { meta: { dropped: 'oil' } } },
      states: { idle: { on: { oil: 'hinges' } }, hinges: { on: { next: 'lock' } }, lock: { on: { next: 'idle' } } },
    },
  },
});

const CHART = chartOf(doors);
const BASE = ['doors', 'doors.leaf', 'doors.oiling'];

export const activeIn = (leaf: 'closed' | 'open', oiling: 'idle' | 'hinges' | 'lock' = 'idle'): readonly string[] => [...BASE, `doors.leaf.${leaf}`, `doors.oiling.${oiling}`];

export const chart = (): NewEvent => ({ kind: 'chart', atMs: 0, chart: CHART });

export const state = (atMs: number, source: string, active: readonly string[], shown: Shown = {}, fresh = false): NewEvent => ({
  kind: 'state',
  atMs,
  source,
  chart: CHART.id,
  active,
  shown,
  fresh,
});

export const step = (atMs: number, source: string, event: string, edges: readonly string[], active?: readonly string[], shown?: Shown): NewEvent => ({
  kind: 'step',
  atMs,
  source,
  event,
  edges,
  ...(active === undefined ? {} : { active }),
  ...(shown === undefined ? {} : { shown }),
});

export const OPENS = 'doors.leaf.closed|push|0';
export const CLOSES = 'doors.leaf.open|push|0';
export const DROPS = 'doors.oiling|oil|0';

export const numbered = (events: readonly NewEvent[]): readonly VisualizerEvent[] => events.map((event, index) => ({ n: index + 1, ...event }));
