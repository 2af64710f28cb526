/** Memory for key bytes: a separate buffer that is neither on the JavaScript heap nor in a pool. */
import { expect, test } from '@jest/globals';
import { copyOfSecret, secretBytes, secretFromHex } from '../../../src/domain/secret-bytes.ts';

test.each<[string, () => Uint8Array]>([
  ['fresh', () => secretBytes(32)],
  ['copied', () => copyOfSecret(Buffer.from('07'.repeat(32), 'hex'))],
  ['read from hex', () => secretFromHex('07'.repeat(32))],
])('bytes that were %s have a separate buffer of exactly their length', (_, make) => {
  const bytes = make();
  expect([bytes.length, bytes.byteOffset, bytes.buffer.byteLength]).toEqual([32, 0, 32]);
});

test('valid hex is decoded, and a string without hex digits is refused', () => {
  expect([...secretFromHex('00ff0Ab1')]).toEqual([0, 255, 10, 177]);
  expect(() => secretFromHex('zz')).toThrow(TypeError);
});

test('overwriting a copy leaves the original bytes unchanged', () => {
  const given = new Uint8Array([1, 2]);
  copyOfSecret(given).fill(0);
  expect([...given]).toEqual([1, 2]);
});
