import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { digitsIn, HexBytes, isHex, lowerHex } from '../../../src/domain/hex.ts';

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

test('bytes are hex exactly if their text is, wherever they begin in a buffer', () => {
  const digit = fc.constantFrom(...Buffer.from('0123456789abcdef'), ...Buffer.from('ABCDEF'));
  const bytes = fc.array(fc.oneof({ weight: 60, arbitrary: digit }, { weight: 1, arbitrary: fc.nat(255) }), { maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.nat(7), (codes, offset) => {
      // The bytes around the examined ones are not hex.
      const text = Buffer.from(new ArrayBuffer(offset + codes.length + 4)).fill('x').subarray(offset, offset + codes.length);
      text.set(codes);
      const latin1 = text.toString('latin1');
      expect(digitsIn(text)).toBe(isHex(latin1) ? (latin1 === latin1.toLowerCase() ? 'lower case' : 'any case') : null);
    }),
    { numRuns: 2_000 },
  );
});

test('each of the 256 bytes is refused or accepted like its character, at each place of a word', () => {
  for (let code = 0; code < 256; code += 1) {
    for (let place = 0; place < 8; place += 1) {
      const text = Buffer.from(new ArrayBuffer(16)).fill('0');
      text[place] = code;
      expect([code, digitsIn(text) !== null]).toEqual([code, /[0-9a-fA-F]/.test(String.fromCharCode(code))]);
    }
  }
});

test.each([
  ['', ''],
  ['0x', ''],
  ['0xABcd', 'abcd'],
  ['00ff', '00ff'],
  ['0Xab', null],
  ['x0ab', null],
  ['abc', null],
  ['0xabc', null],
])('the hex bytes of %j are %j', (text, digits) => {
  const given = Buffer.from(text);
  const hex = HexBytes.copy(given);
  // The hex is a copy.
  given.fill(0);
  expect(hex === null ? null : String(hex)).toBe(digits);
});
