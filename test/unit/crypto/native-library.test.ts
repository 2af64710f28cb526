/** The library that makes signatures: libsecp256k1, or the JavaScript library that its package falls back to. */
import { expect, test } from '@jest/globals';
import { signsNatively } from '../../../src/crypto/native-library.ts';

test('the native library is used when the package has a binary for the platform', () => {
  expect(signsNatively()).toBe(true);
});

test('the native library is not used when its binary cannot be loaded, and the node loads no other file instead', () => {
  const asked: string[] = [];
  const load = (name: string): never => {
    asked.push(name);
    throw new Error('No native build was found');
  };
  expect(signsNatively(load)).toBe(false);
  expect(asked).toEqual(['secp256k1/bindings']);
});
