/** The time that has passed, measured with two clocks. Either clock may be wrong. */
import { expect, test } from '@jest/globals';
import { elapsedMs } from '../../../src/domain/elapsed.ts';

function startClocks() {
  const clocks = { monotonic: 5_000, unix: 1_790_000_000_000 };
  const elapsed = elapsedMs({ monotonicMs: () => clocks.monotonic, nowMs: () => clocks.unix });
  const pass = (monotonicMs: number, unixMs: number): number => {
    clocks.monotonic += monotonicMs;
    clocks.unix += unixMs;
    return elapsed();
  };
  return { elapsed, pass };
}

test('if both clocks agree, the elapsed time is what they show', () => {
  const { elapsed, pass } = startClocks();
  expect([elapsed(), pass(1_000, 1_000), pass(500, 500)]).toEqual([0, 1_000, 1_500]);
});

test('if the clocks advance alternately, their steps are not added together', () => {
  const { elapsed, pass } = startClocks();
  for (let ms = 0; ms < 2_000; ms += 1) {
    pass(1, 0);
    pass(0, 1);
  }
  expect(elapsed()).toBe(2_000);
});

test('if the machine slept and the monotonic clock did not advance, the elapsed time includes the sleep', () => {
  const { pass } = startClocks();
  expect(pass(10, 28_800_000)).toBe(28_800_000);
});

test('if the wall clock jumps forward, the elapsed time grows by the jump; if it jumps back, the elapsed time does not shrink', () => {
  const { pass } = startClocks();
  expect([pass(1_000, 3_600_000), pass(1_000, -3_600_000), pass(1_000, 1_000), pass(0, -5)]).toEqual([3_600_000, 3_601_000, 3_602_000, 3_602_000]);
});
