/** Identifiers (protocol.md, Terms): text from outside becomes an identifier only through a parse function. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseHash32, parseTeePubkey, parseWallet, toAppId } from '../../../src/domain/ids.ts';

const WALLET = '0x4c0bd9d1c26f5bc45531a667c2a1addc789e695c';

describe('a wallet', () => {
  test.each([
    ['in canonical form', WALLET],
    ['without 0x, in upper case', '4C0BD9D1C26F5BC45531A667C2A1ADDC789E695C'],
    ['in checksummed form', '0x4C0BD9D1C26f5BC45531A667c2a1addC789e695C'],
    ['with spaces around it', ` ${WALLET}\n`],
  ])('is accepted %s', (_, text) => {
    expect(parseWallet(text)).toBe(WALLET);
  });

  test.each(['', '0x', WALLET.slice(0, -1), `${WALLET}0`, WALLET.replace('0x', '0X'), WALLET.replace('4c', '4g'), `0x ${WALLET.slice(2)}`])('is not valid: %j', (text) => {
    expect(parseWallet(text)).toBeNull();
  });
});

describe('a teePubkey', () => {
  test.each<[string, string | null]>([
    ['AB', 'ab'],
    ['0xAb', 'ab'],
    ['', null],
    ['0x', null],
    ['abc', null],
    ['zz', null],
    ['ab\n', null],
    ['0x0xab', null],
  ])('%j becomes %j', (text, key) => {
    expect(parseTeePubkey(text)).toBe(key);
  });
});

describe('a hash', () => {
  test('needs 0x and 64 hex digits, and is converted to lower case', () => {
    expect(parseHash32(`0x${'AB'.repeat(32)}`)).toBe(`0x${'ab'.repeat(32)}`);
    for (const text of ['', 'ab'.repeat(32), `0x${'ab'.repeat(31)}`, `0x${'ab'.repeat(33)}`, `0x${'zz'.repeat(32)}`]) expect(parseHash32(text)).toBeNull();
  });
});

describe('an app id', () => {
  test.each<[bigint | number, number | null]>([
    [0n, 0],
    [49n, 49],
    [2n ** 53n - 1n, 2 ** 53 - 1],
    [2n ** 53n, null],
    [2n ** 53n + 1n, null],
    [2n ** 64n, null],
    [2n ** 256n - 1n, null],
    [-1n, null],
    [-1, null],
    [1.5, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
  ])('is read exactly, or as null if it is not supported: %s as %s', (value, id) => {
    expect(toAppId(value)).toBe(id);
  });
});

test('no string makes a parse function throw, and parsing an identifier again returns the same identifier', () => {
  const hexish = fc.string({ unit: fc.constantFrom('0x', '0X', 'a', 'F', '7', '00000000000000000000', ' ', '\n'), maxLength: 66 });
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), hexish), (text) => {
      for (const parse of [parseWallet, parseTeePubkey, parseHash32] as readonly ((text: string) => string | null)[]) {
        const read = parse(text);
        expect(read === null || parse(read) === read).toBe(true);
      }
    }),
  );
});
