/** Where signatures come from: libsecp256k1, or the library in JavaScript that its package falls back to. */
import { expect, test } from '@jest/globals';
import { signsNatively } from '../../../src/crypto/native-library.ts';

test('the native library is there where the package has a binary for the platform', () => {
  expect(signsNatively()).toBe(true);
});

test('it is not where the binary cannot be loaded, and only that is asked for', () => {
  const asked: string[] = [];
  const load = (name: string): never => {
    asked.push(name);
    throw new Error('No native build was found');
  };
  expect(signsNatively(load)).toBe(false);
  expect(asked).toEqual(['secp256k1/bindings']);
});
