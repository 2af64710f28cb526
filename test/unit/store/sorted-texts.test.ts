/** An ordered set of strings: any range of the set equals the result of sorting and filtering, at any size. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SortedTexts } from '../../../src/store/sorted-texts.ts';

const nameOf = (index: number): string => String(index).padStart(5, '0');

test('after any additions and removals, in runs or scattered, any range equals the result of a scan of all strings', () => {
  const run = fc.record({
    kind: fc.constantFrom('add', 'add', 'remove'),
    from: fc.nat(3_000),
    length: fc.constantFrom(1, 5, 400, 1_500),
    stride: fc.constantFrom(1, 2, 7),
  });
  const stretch = fc.record({ from: fc.nat(3_500), to: fc.nat(3_500), atMost: fc.constantFrom(0, 1, 3, 600, Infinity) });
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 12 }), fc.array(stretch, { minLength: 1, maxLength: 8 }), (runs, stretches) => {
      const texts = new SortedTexts();
      const held = new Set<string>();
      for (const { kind, from, length, stride } of runs) {
        for (let step = 0; step < length; step += 1) {
          const name = nameOf((from + step * stride) % 3_500);
          if (kind === 'add' && !held.has(name)) {
            texts.add(name);
            held.add(name);
          }
          if (kind === 'remove' && held.delete(name)) texts.remove(name);
        }
      }
      for (const { from, to, atMost } of stretches) {
        const wanted = [...held].filter((text) => text >= nameOf(from) && text <= nameOf(to)).sort().slice(0, atMost);
        expect(texts.between((text) => text < nameOf(from), (text) => text <= nameOf(to), atMost)).toEqual(wanted);
      }
    }),
    { numRuns: 60 },
  );
});

test('the set uses the given order: here the shorter number comes first', () => {
  const texts = new SortedTexts((a, b) => a.length - b.length || (a < b ? -1 : 1));
  for (const text of ['10', '9', '200', '1']) texts.add(text);
  texts.remove('9');
  expect(texts.between(() => false, () => true)).toEqual(['1', '10', '200']);
});
