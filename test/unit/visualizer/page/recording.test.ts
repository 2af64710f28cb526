/** All forms of the events that arrived, kept together, and where steps through them lead. */
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

test('events, lanes and failures grow together', () => {
  const { history, lanes, failures } = recorded(EVENTS);
  expect([history.lastPlace, failures, lanes.all.get('a')?.marks.filter(({ kind }) => kind === 'failure').length]).toEqual([8, 2, 2]);
});

describe('a step', () => {
  const { history } = recorded(EVENTS);
  test.each([
    ['to the next event', nextEvent(history, 2, 1), 3],
    ['to the event before', nextEvent(history, 2, -1), 1],
    ['past the last event leads nowhere', nextEvent(history, 8, 1), null],
    ['to the next failure', nextFailure(history, 3, 1), 7],
    ['to the failure after the last, which is the first', nextFailure(history, 7, 1), 3],
    ['to the failure before the first, which is the last', nextFailure(history, 3, -1), 7],
    ['to the next change of a headline, past events that change none', nextChange(history, 2, 1, 'a'), 6],
    ['to the change before', nextChange(history, 8, -1, 'a'), 6],
    ['to a change of a source that is not there leads nowhere', nextChange(history, 2, 1, 'z'), null],
    ['to the first state', firstState(history), 2],
  ])('%s', (_, place, expected) => expect(place).toBe(expected));

  test('to a failure leads nowhere when there was none', () => expect(nextFailure(recorded([chart()]).history, 1, 1)).toBeNull());
});

describe('a clock that was set back', () => {
  const [late, told, early, near] = numbered([state(100_000, 'a', activeIn('closed'), {}, true), state(50_000, 'a', activeIn('closed')), step(50_000, 'a', 'push', [OPENS], activeIn('open')), step(95_000, 'a', 'push', [OPENS], activeIn('open'))]);

  test.each([
    ['by an event from long before', early!, true],
    ['not by one that is a little out of step', near!, false],
    ['not by what is told again', told!, false],
  ])('is noticed: %s', (_, event, setBack) => {
    const recording = recorded([chart()]);
    recording.append(late!);
    expect(recording.isSetBackBy(event)).toBe(setBack);
  });

  test('starts the recording again with the known state', () => {
    const recording = recorded([...EVENTS]);
    recording.setBack(500);
    expect([recording.failures, recording.history.size, recording.history.latest.atMs, recording.history.latest.sources.get('a')?.headline]).toEqual([0, 0, 500, 'closed']);
  });
});
