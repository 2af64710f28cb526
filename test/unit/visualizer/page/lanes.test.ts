import { describe, expect, test } from '@jest/globals';
import { History } from '../../../../src/visualizer/page/core/history.ts';
import { Lanes, wentWell, type Lane } from '../../../../src/visualizer/page/core/lanes.ts';
import type { NewEvent } from '../../../../src/visualizer/wire.ts';
import { activeIn, chart, DROPS, numbered, OPENS, state, step } from './scripted.ts';

function lanesOf(...events: NewEvent[]): Lanes {
  const history = new History();
  const lanes = new Lanes();
  for (const event of numbered(events)) {
    const before = history.latest;
    lanes.take(before, history.append(event), event);
  }
  return lanes;
}

const laneOf = (...events: NewEvent[]): Lane => lanesOf(...events).all.get('a')!;
const start = [chart(), state(0, 'a', activeIn('closed'), {}, true)];
const oil = (atMs: number, child: 'hinges' | 'lock' | 'idle', shown = {}): NewEvent => step(atMs, 'a', child === 'hinges' ? 'oil' : 'next', ['e'], activeIn('closed', child), shown);

describe('the lane of a source', () => {
  test('has one stay for each state that the headline has shown, with the reason', () => {
    expect(laneOf(...start, step(5, 'a', 'push', [OPENS], activeIn('open'), { reason: 'warm' })).stays).toEqual([
      { state: 'closed', reason: null, fromMs: 0, toMs: 5 },
      { state: 'open', reason: 'warm', fromMs: 5, toMs: null },
    ]);
  });

  test('has a span that begins when the machine leaves the initial child and ends when it returns, with its steps and its outcome', () => {
    expect(laneOf(...start, oil(10, 'hinges'), oil(14, 'lock'), oil(20, 'idle', { 'last oil': 'no oil left' })).spans).toEqual([
      {
        name: 'oil',
        row: 'oil',
        fromMs: 10,
        toMs: 20,
        outcome: 'no oil left',
        steps: [
          { name: 'hinges', fromMs: 10, toMs: 14 },
          { name: 'lock', fromMs: 14, toMs: 20 },
        ],
      },
    ]);
  });

  test('begins a span at the first known state for a reader who arrives while the span is running', () => {
    expect(laneOf(chart(), state(3, 'a', activeIn('closed', 'lock')), oil(9, 'idle')).spans).toMatchObject([{ fromMs: 3, toMs: 9, steps: [{ name: 'lock' }] }]);
  });

  test('marks dropped ticks, but not events that no edge handles', () => {
    expect(laneOf(...start, oil(10, 'hinges'), step(11, 'a', 'oil', [DROPS]), step(12, 'a', 'other', [])).marks.map(({ kind, text }) => [kind, text])).toEqual([
      ['start', 'starts'],
      ['dropped', 'oil dropped'],
    ]);
  });

  test('cuts off open spans when its source ends', () => {
    const lane = laneOf(...start, oil(10, 'hinges'), { kind: 'end', atMs: 12, source: 'a', how: 'killed' });
    expect(lane.spans).toMatchObject([{ toMs: 12, outcome: 'cut off' }]);
    expect(lane.stays.at(-1)).toEqual({ state: 'ended', reason: 'killed', fromMs: 12, toMs: null });
    expect(lane.open.size).toBe(0);
  });

  test('pairs the beginning and the end of a span by the number of the span if no state represents the work', () => {
    const span = (atMs: number, number: number, outcome: string | null): NewEvent => ({ kind: 'span', atMs, source: 'a', name: 'sync', span: number, outcome });
    expect(laneOf(...start, span(1, 1, null), span(2, 2, null), span(3, 1, 'ok'), span(9, 2, 'late')).spans).toMatchObject([
      { name: 'sync', fromMs: 1, toMs: 3, outcome: 'ok' },
      { name: 'sync', fromMs: 2, toMs: 9, outcome: 'late' },
    ]);
  });

  test('cuts off open spans at a gap, and does not pair span numbers from before the gap with equal numbers after it', () => {
    const span = (atMs: number, number: number, outcome: string | null): NewEvent => ({ kind: 'span', atMs, source: 'a', name: 'sync', span: number, outcome });
    const before = [...start, oil(1, 'hinges'), span(2, 1, null), span(3, 2, null)];
    const lane = laneOf(...before, state(50, 'a', activeIn('closed', 'lock')), span(51, 1, null), span(53, 1, 'ok'), oil(55, 'idle'));
    expect(lane.spans).toMatchObject([
      { name: 'oil', fromMs: 1, toMs: 50, outcome: 'cut off' },
      { name: 'sync', fromMs: 2, toMs: 50, outcome: 'cut off' },
      { name: 'sync', fromMs: 3, toMs: 50, outcome: 'cut off' },
      { name: 'oil', fromMs: 50, toMs: 55, outcome: 'done', steps: [{ name: 'lock' }] },
      { name: 'sync', fromMs: 51, toMs: 53, outcome: 'ok' },
    ]);
    expect(lane.open.size).toBe(0);
    expect(lane.marks.map(({ kind }) => kind)).toEqual(['start']);
  });

  test('shows only one end for a source that ended in a gap, even if the end is repeated', () => {
    const again: readonly NewEvent[] = [state(20, 'a', activeIn('open')), { kind: 'end', atMs: 30, source: 'a', how: 'killed' }];
    const lane = laneOf(...start, oil(10, 'hinges'), ...again, ...again);
    expect(lane.stays).toEqual([
      { state: 'closed', reason: null, fromMs: 0, toMs: 20 },
      { state: 'open', reason: null, fromMs: 20, toMs: 30 },
      { state: 'ended', reason: 'killed', fromMs: 30, toMs: null },
    ]);
    expect(lane.spans).toMatchObject([{ outcome: 'cut off' }]);
    expect(lane.marks.map(({ kind }) => kind)).toEqual(['start', 'end']);
  });

  test('never has a span that ends before it begins, even when a clock was set back', () => {
    expect(laneOf(...start, oil(10, 'hinges'), state(5, 'a', activeIn('closed'), {}, true)).spans).toMatchObject([{ fromMs: 10, toMs: 10, steps: [{ fromMs: 10, toMs: 10 }] }]);
  });

  test('has the notes of its source, and notes without a source are kept for all lanes', () => {
    const lanes = lanesOf(...start, { kind: 'note', atMs: 4, source: 'a', level: 'fault', text: 'cut' }, { kind: 'note', atMs: 5, source: null, level: 'failure', text: 'rule' });
    expect(lanes.all.get('a')!.marks.at(-1)).toMatchObject({ kind: 'fault', text: 'cut' });
    expect(lanes.common).toMatchObject([{ kind: 'failure', text: 'rule' }]);
  });

  test('can forget everything that ended before a given time, but keeps open stays and spans', () => {
    const lanes = lanesOf(...start, step(5, 'a', 'push', [OPENS], activeIn('open')), oil(6, 'hinges'));
    lanes.forget(100);
    expect(lanes.all.get('a')).toMatchObject({ stays: [{ state: 'closed' }], spans: [{ name: 'oil' }], marks: [] });
  });
});

test.each([['ok', true], ['done', true], ['cut off', false], ['self not in node list', false], ['broken', false]])('for the outcome %j, wentWell returns %j', (outcome, well) => {
  expect(wentWell(outcome)).toBe(well);
});
