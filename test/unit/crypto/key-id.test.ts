/** Short ids for keys that peers send. The length of an id is limited, so each remembered key uses a limited amount of memory. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keyIdOf } from '../../../src/crypto/key-id.ts';

test.each([1, 64, 65, 1_024, 65_536])('the id of a key of %i characters has at most 81 characters', (length) => {
  expect(keyIdOf('9007199254740991', 'k'.repeat(length)).length).toBeLessThanOrEqual(81);
});

test('an id depends on the key and its app: only the same key of the same app has the same id', () => {
  const keys = fc.oneof(fc.string({ maxLength: 70 }), fc.string({ minLength: 60, maxLength: 200 }));
  fc.assert(
    fc.property(fc.constantFrom('1', '11'), keys, fc.constantFrom('1', '11'), keys, (appId, key, otherApp, otherKey) => {
      expect(keyIdOf(appId, key) === keyIdOf(otherApp, otherKey)).toBe(appId === otherApp && key === otherKey);
      expect(keyIdOf(appId, key)).toBe(keyIdOf(appId, key));
    }),
  );
});

test('a key that looks like the id of a long key has a different id', () => {
  const long = 'k'.repeat(65);
  const [, hash] = keyIdOf('1', long).split('#');
  for (const key of [hash!, `#${hash}`]) expect(keyIdOf('1', key)).not.toBe(keyIdOf('1', long));
});
