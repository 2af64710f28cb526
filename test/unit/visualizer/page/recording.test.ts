/** A recording turns events into a history, lanes and a count of failures. Steps lead from place to place in the history. */
import { describe, expect, test } from '@jest/globals';
import { Recording } from '../../../../src/visualizer/page/core/recording.ts';
import { firstState, nextChange, nextEvent, nextFailure } from '../../../../src/visualizer/page/core/steps.ts';
import type { NewEvent } from '../../../../src/visualizer/wire.ts';
import { activeIn, chart, CLOSES, DROPS, numbered, OPENS, state, step } from './scripted.ts';

const failure = (atMs: number): NewEvent => ({ kind: 'note', atMs, source: 'a', level: 'failure', text: 'it broke' });

function recorded(events: readonly NewEvent[]): Recording {
  const recording = new Recording();
  for (const event of numbered(events)) recording.append(event);
  return recording;
}

const EVENTS = [
  chart(),
  state(1_000, 'a', activeIn('closed')),
  failure(2_000),
  step(3_000, 'a', 'oil', [DROPS]),
  step(4_000, 'b', 'push', [OPENS], activeIn('open')),
  step(5_000, 'a', 'push', [OPENS], activeIn('open')),
  failure(6_000),
  step(7_000, 'a', 'push', [CLOSES], activeIn('closed')),
];

test('each event updates the history, the lanes and the number of failures', () => {
  const { history, lanes, failures } = recorded(EVENTS);
  expect([history.lastPlace, failures, lanes.all.get('a')?.marks.filter(({ kind }) => kind === 'failure').length]).toEqual([8, 2, 2]);
});

describe('a step', () => {
  const { history } = recorded(EVENTS);
  test.each([
    ['leads to the next event', nextEvent(history, 2, 1), 3],
    ['leads to the previous event', nextEvent(history, 2, -1), 1],
    ['leads nowhere after the last event', nextEvent(history, 8, 1), null],
    ['leads to the next failure', nextFailure(history, 3, 1), 7],
    ['leads forward from the last failure to the first', nextFailure(history, 7, 1), 3],
    ['leads back from the first failure to the last', nextFailure(history, 3, -1), 7],
    ['leads to the next change of a headline and skips events without a change', nextChange(history, 2, 1, 'a'), 6],
    ['leads to the previous change of a headline', nextChange(history, 8, -1, 'a'), 6],
    ['leads nowhere if the source does not exist', nextChange(history, 2, 1, 'z'), null],
    ['leads to the first state', firstState(history), 2],
  ])('%s', (_, place, expected) => expect(place).toBe(expected));

  test('to a failure leads nowhere when there was no failure', () => expect(nextFailure(recorded([chart()]).history, 1, 1)).toBeNull());
});

describe('a source clock that was set back', () => {
  const [late, told, early, near] = numbered([state(100_000, 'a', activeIn('closed'), {}, true), state(50_000, 'a', activeIn('closed')), step(50_000, 'a', 'push', [OPENS], activeIn('open')), step(95_000, 'a', 'push', [OPENS], activeIn('open'))]);

  test.each([
    ['is noticed when an event is much older than the latest event', early!, true],
    ['is not assumed when an event is only slightly older than the latest event', near!, false],
    ['is not assumed when an old state is repeated', told!, false],
  ])('%s', (_, event, setBack) => {
    const recording = recorded([chart()]);
    recording.append(late!);
    expect(recording.isSetBackBy(event)).toBe(setBack);
  });

  test('makes the recording start again with the known state', () => {
    const recording = recorded([...EVENTS]);
    recording.setBack(500);
    expect([recording.failures, recording.history.size, recording.history.latest.atMs, recording.history.latest.sources.get('a')?.headline]).toEqual([0, 0, 500, 'closed']);
  });
});
