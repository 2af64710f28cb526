/** The exponential backoff that the whole project uses. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs, withJitter } from '../../../src/domain/backoff.ts';

const LIMITS = { firstMs: 500, lastMs: 60_000 };

describe('the wait after a failure', () => {
  test.each([
    [0, 500],
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [6, 32_000],
    [7, 60_000],
    [8, 60_000],
    [1_000, 60_000],
  ])('doubles up to its limit: after %i earlier failures it is %i ms', (failures, waitMs) => {
    expect(backoffMs(LIMITS, failures, 0)).toBe(waitMs);
  });

  test('is up to a quarter longer because of jitter, even at its limit', () => {
    expect([backoffMs(LIMITS, 0, 0.5), backoffMs(LIMITS, 8, 1), withJitter(100, 0.5)]).toEqual([562.5, 75_000, 112.5]);
  });

  test('never shrinks, and stays between the first wait and the limit plus jitter', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(100_000), fc.nat(2_000), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (firstMs, more, failures, unit) => {
        const limits = { firstMs, lastMs: firstMs + more };
        const waitMs = backoffMs(limits, failures, unit);
        expect(waitMs).toBeGreaterThanOrEqual(firstMs);
        expect(waitMs).toBeLessThanOrEqual(limits.lastMs * 1.25);
        expect(backoffMs(limits, failures + 1, unit)).toBeGreaterThanOrEqual(waitMs);
      }),
    );
  });
});
