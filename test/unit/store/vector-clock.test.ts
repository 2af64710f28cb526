/** Vector clocks (protocol.md §4): their order, their merge, and what a local write keeps of a long one. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { advanceClock, compareClocks, mergeClocks, type ClockOrder, type VectorClock } from '../../../src/store/vector-clock.ts';

const clock = (counts: Readonly<Record<string, number>>): VectorClock => new Map(Object.entries(counts));

const anyClock = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'A'), fc.nat(3)).map(clock);

const asNonZero = (held: VectorClock): object => Object.fromEntries([...held].filter(([, count]) => count > 0));

describe('the order of two clocks', () => {
  test.each<[Record<string, number>, Record<string, number>, ClockOrder]>([
    [{}, {}, 'equal'],
    [{ a: 0 }, {}, 'equal'],
    [{ a: 1 }, { a: 1 }, 'equal'],
    [{ a: 1 }, {}, 'later'],
    [{ a: 2, b: 1 }, { a: 1, b: 1 }, 'later'],
    [{ a: 1 }, { a: 1, b: 1 }, 'earlier'],
    [{ a: 2 }, { a: 1, b: 1 }, 'concurrent'],
    [{ a: 1 }, { A: 1 }, 'concurrent'],
  ])('%j against %j is %s', (a, b, order) => {
    expect(compareClocks(clock(a), clock(b))).toBe(order);
  });

  test('turned round is the opposite', () => {
    const opposite = { equal: 'equal', later: 'earlier', earlier: 'later', concurrent: 'concurrent' } as const;
    fc.assert(fc.property(anyClock, anyClock, (a, b) => expect(compareClocks(b, a)).toBe(opposite[compareClocks(a, b)])));
  });
});

test('the merge of two clocks is not earlier than either, in whatever order they are merged', () => {
  fc.assert(
    fc.property(anyClock, anyClock, anyClock, (a, b, c) => {
      const merged = mergeClocks(a, b);
      for (const one of [a, b]) expect(['equal', 'later']).toContain(compareClocks(merged, one));
      expect(asNonZero(mergeClocks(b, a))).toEqual(asNonZero(merged));
      expect(asNonZero(mergeClocks(a, mergeClocks(b, c)))).toEqual(asNonZero(mergeClocks(merged, c)));
      expect(compareClocks(mergeClocks(merged, a), merged)).toBe('equal');
    }),
  );
});

describe('the clock of a local write', () => {
  test('has the own sequence number and all the others', () => {
    expect(Object.fromEntries(advanceClock(clock({ a: 1, own: 2, b: 3 }), 'own', 9))).toEqual({ a: 1, own: 9, b: 3 });
    expect(Object.fromEntries(advanceClock(null, 'own', 9))).toEqual({ own: 9 });
  });

  test('leaves the clock it came from as it was', () => {
    const held = clock({ a: 1 });
    advanceClock(held, 'own', 9);
    expect(Object.fromEntries(held)).toEqual({ a: 1 });
  });

  test.each([
    [63, true, 64],
    [64, true, 64],
    [64, false, 64],
    [200, true, 64],
  ])('over a clock of %i others keeps at most 64, the largest, and always its own (own was there: %s)', (others, ownWasThere, kept) => {
    const held = new Map(Array.from({ length: others }, (_, index) => [`n${String(index).padStart(3, '0')}`, 1_000 + index]));
    if (ownWasThere) held.set('own', 1);
    // Smaller than all others, as after a clock that was set back.
    const advanced = advanceClock(held, 'own', 2);
    expect(advanced.size).toBe(kept);
    expect(advanced.get('own')).toBe(2);
    const largest = [...held].filter(([key]) => key !== 'own').sort(([, a], [, b]) => b - a).slice(0, 63);
    expect(new Map([...advanced].filter(([key]) => key !== 'own'))).toEqual(new Map(largest));
  });

  test('decides ties by key, whatever order the entries came in', () => {
    const names = Array.from({ length: 100 }, (_, index) => `n${String(index).padStart(3, '0')}`);
    const keep = (order: readonly string[]): string[] => [...advanceClock(new Map(order.map((key) => [key, 5])), 'own', 6).keys()].sort();
    expect(keep(names)).toEqual([...names.slice(0, 63), 'own']);
    expect(keep([...names].reverse())).toEqual(keep(names));
  });

  test('is later than the clock it came from while that has at most 63 others', () => {
    fc.assert(
      fc.property(anyClock, fc.integer({ min: 4, max: 9 }), (held, number) => {
        expect(compareClocks(advanceClock(held, 'a', number), held)).toBe('later');
      }),
    );
  });
});
