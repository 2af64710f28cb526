/** How old a view of the chain may be (protocol.md §6, Freshness; §8). */
import { describe, expect, test } from '@jest/globals';
import { endsReady, isFreshEnough, isOutdated, untilOutdatedMs, viewAgeMs, type FreshnessLimits } from '../../../src/machines/view-age.ts';

const LIMITS: FreshnessLimits = { maxAgeMs: 120_000, outageMs: 900_000, nodeTickMs: 60_000 };
/** A view that was read 72 s after its block. */
const VIEW = { blockMs: 1_000_000, readAtMs: 1_072_000, readAtMonotonicMs: 5_000 };

const after = (ms: number, wallMs = ms) => ({ nowMs: VIEW.readAtMs + wallMs, monotonicMs: VIEW.readAtMonotonicMs + ms });

test.each<[string, { nowMs: number; monotonicMs: number }, number, number]>([
  ['is measured from the time of its block', after(0), LIMITS.maxAgeMs, 72_000],
  ['grows with the wall clock', after(10_000), LIMITS.maxAgeMs, 82_000],
  ['grows while the machine sleeps', after(0, 500_000), LIMITS.maxAgeMs, 572_000],
  ['is at least the time since the read, even if the wall clock is set back', after(300_000, -3_600_000), LIMITS.maxAgeMs, 300_000],
  ['is measured from the time of the read when block times are ignored', after(10_000), 0, 10_000],
])('the age of a view %s', (_, now, maxAgeMs, ageMs) => {
  expect(viewAgeMs(VIEW, now, { maxAgeMs })).toBe(ageMs);
});

describe('the master secret', () => {
  test.each<[string, number, Partial<FreshnessLimits>, boolean]>([
    ['is handed out while the view is at most CHAIN_MAX_AGE_SECONDS plus one node_tick interval old', 108_000, {}, true],
    ['is not handed out when the view is older than CHAIN_MAX_AGE_SECONDS plus one node_tick interval', 108_001, {}, false],
    ['is handed out with a view of any age when CHAIN_MAX_AGE_SECONDS is 0', 10_000_000, { maxAgeMs: 0 }, true],
  ])('%s', (_, ms, limits, may) => {
    expect(isFreshEnough(VIEW, after(ms), { ...LIMITS, ...limits })).toBe(may);
  });

  test('is never handed out before the node has had a good view', () => {
    expect(isFreshEnough(null, after(0), { ...LIMITS, maxAgeMs: 0 })).toBe(false);
  });
});

describe('a ready node', () => {
  test.each<[string, typeof VIEW | null, number, Partial<FreshnessLimits>, boolean, boolean]>([
    ['keeps serving while its view is not too old', VIEW, 828_000, {}, false, false],
    ['stops serving when its view is too old', VIEW, 828_001, {}, true, true],
    ['keeps serving with a good view when no outage is allowed, but stops being ready at the first failed read', VIEW, 0, { outageMs: 0 }, false, true],
    ['stops being ready at a failed read if it has no good view', null, 0, {}, false, true],
  ])('%s', (_, view, ms, limits, outdated, ends) => {
    const all = { ...LIMITS, ...limits };
    expect([isOutdated(view, after(ms), all), endsReady(view, after(ms), all)]).toEqual([outdated, ends]);
  });

  test.each<[string, number, number]>([
    ['at the time of the read', 0, 828_001],
    ['a millisecond before the view becomes outdated', 828_000, 1],
    ['infinite after the view has become outdated', 828_001, Infinity],
  ])('knows how much time is left until its view becomes outdated: %s', (_, ms, untilMs) => {
    expect(untilOutdatedMs(VIEW, after(ms), LIMITS)).toBe(untilMs);
  });
});
