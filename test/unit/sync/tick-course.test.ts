/** How a sync_tick is tracked until all the work that it started has ended. */
import { expect, test } from '@jest/globals';
import { TickCourse } from '../../../src/sync/tick-course.ts';

const [one, two] = [{}, {}];

function course() {
  const outcomes: string[] = [];
  return { outcomes, tick: new TickCourse(new AbortController().signal, (outcome) => void outcomes.push(outcome)) };
}

test('a sync_tick that wakes no lane ends immediately', () => {
  const { outcomes, tick } = course();
  tick.begin();
  expect(outcomes).toEqual(['nothing to do']);
  expect(tick.isOver).toBe(true);
});

test('a sync_tick ends only when the last of its lanes has finished', () => {
  const { outcomes, tick } = course();
  tick.add(one);
  tick.add(two);
  tick.begin();
  tick.rested(one, false);
  expect(outcomes).toEqual([]);
  tick.rested(two, false);
  expect(outcomes).toEqual(['ok']);
});

test('a sync_tick does not end while lanes are still being woken', () => {
  const { outcomes, tick } = course();
  tick.add(one);
  tick.rested(one, false);
  expect(outcomes).toEqual([]);
  tick.begin();
  expect(outcomes).toEqual(['ok']);
});

test('a sync_tick reports how many peers failed', () => {
  const { outcomes, tick } = course();
  tick.add(one);
  tick.add(two);
  tick.begin();
  tick.rested(two, true);
  tick.rested(two, true);
  tick.rested(one, false);
  expect(outcomes).toEqual(['1 of 2 peers failed']);
});

test('a sync_tick ends only once, even when it is aborted', () => {
  const { outcomes, tick } = course();
  tick.add(one);
  tick.begin();
  tick.abort();
  tick.rested(one, false);
  expect(outcomes).toEqual(['aborted']);
});
