import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { earlyTickDelayMs, nextBackoff, NO_BACKOFF } from '../../../src/machines/early-tick.ts';

const BEAT_MS = 60_000;

describe('an early tick', () => {
  test.each([
    [0, 1_000],
    [1, 2_000],
    [2, 4_000],
    [5, 32_000],
    [6, 60_000],
    [1_000, 60_000],
  ])('after %i attempts without progress comes in %i ms', (attempt, delayMs) => {
    expect(earlyTickDelayMs({ attempt, progress: '' }, BEAT_MS, 0)).toBe(delayMs);
  });

  test('never comes sooner than a second nor later than the beat', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, unit) => {
        const delayMs = earlyTickDelayMs({ attempt, progress: '' }, BEAT_MS, unit);
        expect(delayMs).toBeGreaterThanOrEqual(1_000);
        expect(delayMs).toBeLessThanOrEqual(BEAT_MS);
      }),
    );
  });

  test('comes a second later again once there was progress', () => {
    const stuck = nextBackoff(nextBackoff(nextBackoff(NO_BACKOFF, 'head 7'), 'head 7'), 'head 7');
    expect(stuck.attempt).toBe(2);
    expect(nextBackoff(stuck, 'head 8').attempt).toBe(0);
  });
});
