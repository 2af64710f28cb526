/** HMAC-SHA256 for keys that are used repeatedly (crypto/mac-key.ts), compared with node:crypto. */
import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MacKey } from '../../../src/crypto/mac-key.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, at) => at);
const expected = (key: Uint8Array, message: string): string => createHmac('sha256', key).update(message).digest('hex');

test('the MAC equals HMAC-SHA256, for strings of different lengths under the same key', () => {
  const messages = fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), messages, (bytes, several) => {
      const key = new MacKey(bytes);
      for (const message of several) expect(key.macHex(message)).toBe(expected(bytes, message));
    }),
  );
});

test.each([0, 1, 4_095, 4_096, 4_097, 100_000])('a message of %i bytes has the right MAC', (length) => {
  const key = new MacKey(KEY);
  expect(key.macHex('a'.repeat(length))).toBe(expected(KEY, 'a'.repeat(length)));
});

test('the MAC of several strings is the MAC of one string that joins them', () => {
  const pieces = fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 50 }), fc.constant('é'.repeat(5_000))), { maxLength: 5 });
  fc.assert(fc.property(pieces, (several) => expect(new MacKey(KEY).macHex(several)).toBe(expected(KEY, several.join('')))));
});

test('a string is measured in bytes of UTF-8, not in characters', () => {
  const text = 'é'.repeat(4_000);
  expect(new MacKey(KEY).macHex(text)).toBe(expected(KEY, text));
});

test('the key is copied, so the given bytes may be wiped', () => {
  const bytes = Uint8Array.from(KEY);
  const key = new MacKey(bytes);
  bytes.fill(0);
  expect(key.macHex('text')).toBe(expected(KEY, 'text'));
});

test('a key makes different MACs after it has been wiped', () => {
  const key = new MacKey(KEY);
  key.wipe();
  expect(key.macHex('text')).not.toBe(expected(KEY, 'text'));
});

test('a key that is longer than a block is refused', () => {
  expect(() => new MacKey(new Uint8Array(65))).toThrow('longer than a block');
});
