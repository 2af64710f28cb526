/** Text from other nodes cannot control a terminal, and its length is limited. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keyLine } from '../../../src/cli/app/list.ts';
import { isShowable, plainText } from '../../../src/cli/plain-text.ts';

 
const ACTS = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

test.each([
  ['ready', 20, 'ready'],
  ['\u001b[2J\u001b[31mred', 20, '?[2J?[31mred'],
  ['two\r\nlines', 20, 'two??lines'],
  ['c1 \u009b2J', 20, 'c1 ?2J'],
  ['right to left \u202egnp', 30, 'right to left ?gnp'],
  ['lone \ud800 half', 20, 'lone ? half'],
  ['twelve chars', 12, 'twelve chars'],
  ['thirteen char', 12, 'thirteen c..'],
  ['🔑🔑🔑🔑', 3, '🔑..'],
  ['', 5, ''],
])('%j with a limit of %i becomes %j', (text, max, expected) => expect(plainText(text, max)).toBe(expected));

test('any text is made harmless to a terminal and is cut at the limit', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.integer({ min: 2, max: 100 }), (text, max) => {
      const shown = plainText(text, max);
      expect(shown).not.toMatch(ACTS);
      expect(Array.from(shown).length).toBeLessThanOrEqual(max);
      expect(isShowable(shown)).toBe(true);
    }),
  );
});

describe('the line that shows a key of the store', () => {
  test.each([
    ['users/1', 'users/1'],
    ['with space', 'with space'],
    ['schlüssel 🔑', 'schlüssel 🔑'],
    ['two\nlines', '"two\\nlines"'],
    ['\u001b[2J', '"\\u001b[2J"'],
    ['a"b', '"a\\"b"'],
    ['\u202egnp', '"\\u202egnp"'],
  ])('shows %j as %s', (key, line) => expect(keyLine(key)).toBe(line));

  test('is one line, is harmless to a terminal, and can be turned back into the key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 50 }), (key) => {
        const line = keyLine(key);
        expect(line).not.toMatch(ACTS);
        expect(line.startsWith('"') ? JSON.parse(line) : line).toBe(key);
      }),
    );
  });
});
