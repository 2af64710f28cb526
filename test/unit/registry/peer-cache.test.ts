/** The peer cache (protocol.md §6): the membership of the last good refresh, and its age. */
import { describe, expect, test } from '@jest/globals';
import { PeerCache } from '../../../src/registry/peer-cache.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const at = (block: bigint) => ({ block, members: [], dropped: [] });

describe('the peer cache', () => {
  test('has no membership and is infinitely old before the first refresh', () => {
    const cache = new PeerCache({ clock: new ManualClock() });
    expect(cache.membership()).toBeNull();
    expect(cache.ageMs()).toBe(Infinity);
  });

  test('ages while the machine sleeps, although the monotonic clock does not advance', () => {
    const clocks = { monotonic: 0, unix: 1_790_000_000_000 };
    const cache = new PeerCache({ clock: { monotonicMs: () => clocks.monotonic, nowMs: () => clocks.unix } });
    cache.update(at(1n));
    clocks.monotonic += 10;
    clocks.unix += 28_800_000;
    expect(cache.ageMs()).toBe(28_800_000);
    cache.update(at(2n));
    expect(cache.ageMs()).toBe(0);
  });

  test('has the age of its last good refresh', async () => {
    const clock = new ManualClock();
    const cache = new PeerCache({ clock });
    cache.update(at(1n));
    await clock.advance(180_001);
    expect(cache.ageMs()).toBe(180_001);
    cache.update(at(2n));
    expect(cache.ageMs()).toBe(0);
    expect(cache.membership()).toEqual(at(2n));
  });
});
