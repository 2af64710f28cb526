/** Vector clocks (protocol.md §4; §10, Bounds): their order, their merge, and which entries of a long clock are kept. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clockEntries, clockOf, compareClocks, countOf, cutClock, EMPTY_CLOCK, largestCount, MAX_HELD_CLOCK_ENTRIES, mergeClocks, withCount, type ClockOrder, type VectorClock } from '../../../src/store/vector-clock.ts';

const clock = (counts: Readonly<Record<string, number>>): VectorClock => clockOf(Object.entries(counts));

const anyClock = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'A'), fc.nat(3)).map(clock);

const asObject = (held: VectorClock): object => Object.fromEntries(clockEntries(held));

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
  ])('(%j compared with %j) is "%s"', (a, b, order) => {
    expect(compareClocks(clock(a), clock(b))).toBe(order);
  });

  test('is the opposite when the clocks are swapped', () => {
    const opposite = { equal: 'equal', later: 'earlier', earlier: 'later', concurrent: 'concurrent' } as const;
    fc.assert(fc.property(anyClock, anyClock, (a, b) => expect(compareClocks(b, a)).toBe(opposite[compareClocks(a, b)])));
  });
});

test('the merge of two clocks is not earlier than either of them, regardless of the order in which they are merged', () => {
  fc.assert(
    fc.property(anyClock, anyClock, anyClock, (a, b, c) => {
      const merged = mergeClocks(a, b);
      for (const one of [a, b]) expect(['equal', 'later']).toContain(compareClocks(merged, one));
      expect(asObject(mergeClocks(b, a))).toEqual(asObject(merged));
      expect(asObject(mergeClocks(a, mergeClocks(b, c)))).toEqual(asObject(mergeClocks(merged, c)));
      expect(compareClocks(mergeClocks(merged, a), merged)).toBe('equal');
    }),
  );
});

test('a clock returns the count of a key, and 0 for a key that it lacks', () => {
  const held = clock({ a: 1, __proto__: 2, '0xAb/1': 3, zero: 0 });
  expect(['a', '0xAb/1', '0xab/1', 'zero', ''].map((key) => countOf(held, key))).toEqual([1, 3, 0, 0, 0]);
  expect([largestCount(held), largestCount(EMPTY_CLOCK)]).toEqual([3, 0]);
});

test('setting one count changes neither the other counts nor the original clock', () => {
  const held = clock({ a: 1, own: 2, b: 3 });
  expect(asObject(withCount(held, 'own', 9))).toEqual({ a: 1, own: 9, b: 3 });
  expect(asObject(withCount(EMPTY_CLOCK, 'own', 9))).toEqual({ own: 9 });
  expect(asObject(held)).toEqual({ a: 1, own: 2, b: 3 });
});

/** Names that end in ascending numbers. */
const names = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(4, '0')}`);

describe('a clock in the store', () => {
  test.each([
    [0, 64, 64],
    [0, 65, 64],
    [64, 1, 64],
    [1_000, 24, 64],
  ])('keeps exactly 64 of its entries (entries of current nodes: %i, entries of older nodes: %i)', (ours, older, kept) => {
    const held = clock(Object.fromEntries([...names(ours, '0x/'), ...names(older, 'n')].map((key, at) => [key, at + 1])));
    expect(clockEntries(cutClock(held))).toHaveLength(kept);
  });

  test('loses the smallest counts first, equal counts in the order of their keys, and entries of older nodes last', () => {
    const older = names(3, 'n').map((key) => [key, 1] as const);
    const small = names(10, '0xsmall/').map((key) => [key, 5] as const);
    const equal = names(62, '0xequal/').map((key) => [key, 7] as const);
    const kept = cutClock(clockOf([...equal, ...small, ...older]));
    expect(asObject(kept)).toEqual(Object.fromEntries([...older, ...equal.slice(1)]));
  });

  test('keeps the entry of this node in a local write, even if its count is small', () => {
    const others = names(70, 'n').map((key) => [key, 1_000] as const);
    const kept = cutClock(clockOf([...others, ['own/1', 1]]), 'own/1');
    expect([clockEntries(kept).length, countOf(kept, 'own/1')]).toEqual([MAX_HELD_CLOCK_ENTRIES, 1]);
  });

  test('is cut to the same entries whether or not the merged clocks were already cut', () => {
    const long = fc.dictionary(fc.constantFrom(...names(150, '0x/'), ...names(20, 'n')), fc.integer({ min: 1, max: 4 }), { minKeys: 40, maxKeys: 170 }).map(clock);
    fc.assert(
      fc.property(long, long, (a, b) => {
        expect(asObject(cutClock(mergeClocks(cutClock(a), cutClock(b))))).toEqual(asObject(cutClock(mergeClocks(a, b))));
      }),
    );
  });
});
