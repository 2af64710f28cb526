/** The position of the reader: live, at a chosen moment, or in a replay. */
import { describe, expect, test } from '@jest/globals';
import { History } from '../../../../src/visualizer/page/core/history.ts';
import { goToPlace, LIVE } from '../../../../src/visualizer/page/core/moment.ts';
import { Playhead } from '../../../../src/visualizer/page/core/playhead.ts';
import { activeIn, chart, numbered, OPENS, state, step } from './scripted.ts';

const history = new History();
for (const event of numbered([chart(), state(1_000, 'a', activeIn('closed')), step(5_000, 'a', 'push', [OPENS], activeIn('open'))])) history.append(event);
const AT = { nowMs: 6_000, pageMs: 0 };

test('a paused view keeps showing the moment at which it was paused', () => {
  const playhead = Playhead.live();
  expect(playhead.shown(history, AT)).toEqual({ place: 3, atMs: 6_000 });
  playhead.pause(history, AT);
  expect(playhead.shown(history, { nowMs: 9_000, pageMs: 3_000 })).toEqual({ place: 3, atMs: 6_000 });
  playhead.go(LIVE);
  expect(playhead.shown(history, { nowMs: 9_000, pageMs: 3_000 })).toEqual({ place: 3, atMs: 9_000 });
});

describe('a replay', () => {
  const opened = () => Playhead.replay(4_000, goToPlace(2, history));

  test.each([[4_000, 1], [90_001, 4], [10 ** 12, 256]])('of %i ms begins at speed %i', (lengthMs, speed) => {
    expect(Playhead.replay(lengthMs, LIVE).speed).toBe(speed);
  });

  test('does not move until it is started, runs at its speed, and stops at the end', () => {
    const playhead = opened();
    expect(playhead.settle(history, AT)).toBe(false);
    playhead.pause(history, AT);
    expect([playhead.shown(history, { nowMs: 0, pageMs: 1_500 }), playhead.settle(history, { nowMs: 0, pageMs: 1_500 })]).toEqual([{ place: 2, atMs: 2_500 }, true]);
    playhead.faster(history, { nowMs: 0, pageMs: 1_500 });
    expect(playhead.shown(history, { nowMs: 0, pageMs: 1_750 })).toEqual({ place: 2, atMs: 3_500 });
    expect(playhead.settle(history, { nowMs: 0, pageMs: 60_000 })).toBe(false);
    expect(playhead.moment).toEqual({ at: 'place', place: 3, atMs: 5_000 });
  });

  test('has a minimum and a maximum speed', () => {
    const playhead = opened();
    for (let times = 0; times < 9; times += 1) playhead.slower(history, AT);
    expect(playhead.speed).toBe(0.25);
    for (let times = 0; times < 9; times += 1) playhead.faster(history, AT);
    expect(playhead.speed).toBe(256);
  });
});
