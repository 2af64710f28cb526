import { describe, expect, test } from '@jest/globals';
import { Arrivals } from '../../../../src/visualizer/page/core/arrivals.ts';
import { History } from '../../../../src/visualizer/page/core/history.ts';
import { goToPlace, goToTime, LIVE, play, shownAt } from '../../../../src/visualizer/page/core/moment.ts';
import { clockText, durationText, momentText, tickStepMs } from '../../../../src/visualizer/page/core/time-text.ts';
import { parseTrace } from '../../../../src/visualizer/page/core/trace.ts';
import { activeIn, chart, numbered, OPENS, state, step } from './scripted.ts';

const history = new History();
for (const event of numbered([chart(), state(1_000, 'a', activeIn('closed')), step(5_000, 'a', 'push', [OPENS], activeIn('open'))])) history.append(event);

describe('the moment that is shown', () => {
  test('is the latest event while the view is live, and its time keeps up with the clock', () => {
    expect(shownAt(LIVE, history, { nowMs: 9_000, pageMs: 0 })).toEqual({ place: 3, atMs: 9_000 });
    expect(shownAt(LIVE, history, { nowMs: 4_000, pageMs: 0 })).toEqual({ place: 3, atMs: 5_000 });
  });

  test('stays at a chosen time, within the kept history', () => {
    const clocks = { nowMs: 99_000, pageMs: 99_000 };
    expect(shownAt(goToTime(3_000, history), history, clocks)).toEqual({ place: 2, atMs: 3_000 });
    expect(shownAt(goToTime(-5, history), history, clocks)).toEqual({ place: 1, atMs: 0 });
    expect(shownAt(goToPlace(99, history), history, clocks)).toEqual({ place: 3, atMs: 5_000 });
  });

  test('moves at the speed of the replay until the end, and the next replay starts at the beginning', () => {
    const playing = play({ place: 2, atMs: 1_000 }, 4, history, 100);
    expect(shownAt(playing, history, { nowMs: 0, pageMs: 600 })).toEqual({ place: 2, atMs: 3_000 });
    expect(shownAt(playing, history, { nowMs: 0, pageMs: 60_000 })).toEqual({ place: 3, atMs: 5_000 });
    expect(play({ place: 3, atMs: 5_000 }, 4, history, 0)).toMatchObject({ fromMs: 0 });
  });
});

describe('among the events that arrive,', () => {
  test('an event that is repeated after a lost connection is ignored, but an event with the same number and different content is new', () => {
    const arrivals = new Arrivals();
    const [first, second] = numbered([state(1, 'a', activeIn('open')), state(2, 'a', activeIn('closed'))]);
    expect([first!, second!, first!, second!].map((event) => arrivals.isNew(event))).toEqual([true, true, false, false]);
    expect(arrivals.isNew({ ...first!, atMs: 77 })).toBe(true);
  });
});

describe('a trace that the page opens', () => {
  test('is read line by line, and lines that are not events are counted', () => {
    const lines = [...numbered([chart(), state(1, 'a', [])]).map((event) => JSON.stringify(event)), '', 'no json', '{"kind":"state","n":1,"atMs":1}', '{"kind":"made up","n":1,"atMs":2}', 'null'];
    expect(parseTrace(lines.join('\n'))).toMatchObject({ events: [{ kind: 'chart' }, { kind: 'state' }], unreadable: 4 });
  });
});

describe('times as text:', () => {
  test.each([[0, '0 ms'], [999, '999 ms'], [1_500, '1.5 s'], [59_000, '59 s'], [61_000, '1 min 01 s'], [3_700_000, '1 h 01 min'], [400_000_000, '4 d 15 h']])('a duration of %i ms is shown as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
  test.each([[0, 'now'], [-5_400, '5 s ago'], [12_900, 'in 12 s'], [-90_000, '1 min 30 s ago']])('a time that differs from the present by %i ms is shown as %s', (ms, text) => {
    expect(momentText(1e6 + ms, 1e6)).toBe(text);
  });
  test('a clock shows the time of day or the time since the beginning', () => {
    expect(clockText(Date.UTC(2026, 0, 2, 3, 4, 5, 6), true)).toBe('03:04:05.006');
    expect(clockText(86_400_000 + 1_500, false)).toBe('1 d 00:00:01.500');
  });
  test('a clock can show any time: a time that is out of range is replaced by the nearest valid time', () => {
    expect(clockText(8.64e15 + 1, true)).toBe('00:00:00.000');
    expect(clockText(Date.UTC(12_026, 0, 2, 3, 4, 5, 6), true)).toBe('03:04:05.006');
    expect(clockText(-5, false)).toBe('00:00:00.000');
  });
  test('a time scale has round steps', () => expect(tickStepMs(60_000, 7)).toBe(10_000));
  test('a time scale of many years has few steps', () => {
    for (const spanMs of [8 * 86_400_000, Date.UTC(2026, 0, 1), 8.64e15]) expect(spanMs / tickStepMs(spanMs, 7)).toBeLessThanOrEqual(7);
  });
});
