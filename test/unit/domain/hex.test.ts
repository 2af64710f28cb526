import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isHex, lowerHex } from '../../../src/domain/hex.ts';

test.each([
  ['', true],
  ['00', true],
  ['aBcDeF0123456789', true],
  ['0', false],
  ['0x00', false],
  ['0g', false],
  ['g0', false],
  ['00\n', false],
  ['00 \n', false],
  ['０0', false],
  ['\u01300', false],
  ['ab\u0130b', false],
  ['\u{1f600}', false],
])('isHex(%j) is %s', (text, is) => {
  expect(isHex(text)).toBe(is);
});

test('isHex agrees with a regular expression', () => {
  const digit = fc.constantFrom(...'0123456789abcdefABCDEF'.split(''));
  const almost = fc.array(fc.oneof({ weight: 60, arbitrary: digit }, { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) }), { maxLength: 80 });
  fc.assert(
    fc.property(almost, (digits) => {
      const text = digits.join('');
      expect(isHex(text)).toBe(/^(?:[0-9a-fA-F]{2})*$/.test(text));
    }),
    { numRuns: 2_000 },
  );
});

test('an invalid digit at the end of a string of 8 MiB is detected', () => {
  const text = 'ab'.repeat(4 * 1024 * 1024);
  expect(isHex(text)).toBe(true);
  expect(isHex(`${text.slice(0, -1)}z`)).toBe(false);
});

test('lowerHex changes only the digits in upper case', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'.split('')), maxLength: 80 });
  fc.assert(fc.property(digits, (hex) => expect(lowerHex(hex)).toBe(hex.toLowerCase())));
});
