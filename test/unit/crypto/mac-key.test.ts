/** HMAC-SHA256 for keys that are used again and again (crypto/mac-key.ts), held against node:crypto's. */
import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MacKey } from '../../../src/crypto/mac-key.ts';

test('it is HMAC-SHA256, again and again', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat({ max: 200 }).chain((length) => fc.array(fc.uint8Array({ minLength: length, maxLength: length }), { minLength: 1, maxLength: 3 })),
      (bytes, messages) => {
        const key = new MacKey(bytes, messages[0]!.length);
        for (const message of messages) {
          expect(Buffer.from(key.mac(message)).toString('hex')).toBe(createHmac('sha256', bytes).update(message).digest('hex'));
        }
      },
    ),
  );
});

test('a MAC that was given stays as it is', () => {
  const key = new MacKey(new Uint8Array(32), 1);
  const first = key.mac(Uint8Array.of(1));
  const copy = Uint8Array.from(first);
  key.mac(Uint8Array.of(2));
  expect(first).toEqual(copy);
});

test.each([0, 7, 9])('a message of %i bytes is none for a key of messages of 8', (length) => {
  expect(() => new MacKey(new Uint8Array(32), 8).mac(new Uint8Array(length))).toThrow('another length');
});

test('a key that is longer than a block is refused', () => {
  expect(() => new MacKey(new Uint8Array(65), 8)).toThrow('longer than a block');
});
