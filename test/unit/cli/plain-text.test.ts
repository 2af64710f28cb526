/** Text from other nodes cannot control a terminal, and its length is limited. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keyLine } from '../../../src/cli/app/list.ts';
import { jsonLine } from '../../../src/cli/app/output-forms.ts';
import { failed, reportLine, reportOf } from '../../../src/cli/doctor/finding.ts';
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

describe('the JSON that a command prints', () => {
  const printed = (text: string): readonly (readonly [string, object])[] => {
    const listed = { keys: [text], more: false, node: 'https://node.test' };
    const report = reportOf([failed('peer.ready', text, 'see its log')]);
    return [
      [jsonLine(listed).slice(0, -1), listed],
      [reportLine(report), report],
    ];
  };

  test('escapes control characters and characters that change the direction of the text', () => {
    for (const [line] of printed('\u009b2J\u202egnp\u{e0001}')) expect(line).toContain('"\\u009b2J\\u202egnp\\udb40\\udc01"');
  });

  test('is one line, is harmless to a terminal, and can be parsed back into the same value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
        for (const [line, value] of printed(text)) {
          expect(line).not.toMatch(ACTS);
          expect(JSON.parse(line)).toEqual(value);
        }
      }),
    );
  });
});
