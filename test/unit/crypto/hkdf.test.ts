/** HKDF-SHA256 (protocol.md §3, Key derivation; RFC 5869), with an info of any length. */
import { describe, expect, test } from '@jest/globals';
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { derivationInfo, deriveKey } from '../../../src/crypto/derivation.ts';
import { InvariantError } from '../../../src/domain/errors.ts';
import { hkdfSha256 } from '../../../src/crypto/hkdf.ts';

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

/** HKDF exactly as RFC 5869 describes it. */
function byTheBook(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): string {
  const prk = hmac(salt.length === 0 ? new Uint8Array(32) : salt, ikm);
  const blocks: Uint8Array[] = [];
  for (let count = 1; blocks.length * 32 < length; count += 1) blocks.push(hmac(prk, blocks.at(-1) ?? new Uint8Array(), info, Uint8Array.of(count)));
  return Buffer.concat(blocks).subarray(0, length).toString('hex');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('HKDF', () => {
  test.each<[string, string, string, string, number, string]>([
    [
      'RFC 5869 A.1',
      '0b'.repeat(22),
      '000102030405060708090a0b0c',
      'f0f1f2f3f4f5f6f7f8f9',
      42,
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    ],
    [
      'RFC 5869 A.3',
      '0b'.repeat(22),
      '',
      '',
      42,
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    ],
  ])('agrees with the test vector %s', (_, ikm, salt, info, length, okm) => {
    const [a, b, c] = [ikm, salt, info].map((text) => Buffer.from(text, 'hex'));
    expect(hex(hkdfSha256(a!, b!, c!, length))).toBe(okm);
  });

  test.each([0, 1, 1_023, 1_024, 1_025, 2_048, 4_096, 4_097])('agrees with the RFC for an info of %i bytes', (bytes) => {
    const info = Buffer.alloc(bytes, 'i');
    const ikm = Buffer.alloc(32, 1);
    for (const length of [1, 32, 33, 1_024]) {
      expect(hex(hkdfSha256(ikm, 'salt', info, length))).toBe(byTheBook(ikm, Buffer.from('salt'), info, length));
    }
  });

  test('derives at most 255 blocks of 32 bytes', () => {
    const [ikm, longest] = [Buffer.alloc(32, 1), 255 * 32];
    expect(hex(hkdfSha256(ikm, 'salt', 'info', longest))).toBe(byTheBook(ikm, Buffer.from('salt'), Buffer.from('info'), longest));
    for (const length of [longest + 1, -1, 1.5, Number.NaN]) expect(() => hkdfSha256(ikm, 'salt', 'info', length)).toThrow(InvariantError);
  });

  test('agrees with the RFC for any input', () => {
    const bytes = fc.uint8Array({ maxLength: 80 });
    const info = fc.oneof(bytes, fc.uint8Array({ minLength: 1_000, maxLength: 1_100 }));
    fc.assert(
      fc.property(bytes, bytes, info, fc.integer({ min: 1, max: 1_024 }), (ikm, salt, text, length) => {
        expect(hex(hkdfSha256(ikm, salt, text, length))).toBe(byTheBook(ikm, salt, text, length));
      }),
      { numRuns: 60 },
    );
  });
});

describe('an app key', () => {
  const secret = Buffer.alloc(32, 5);

  test('uses the app id in its salt and path:context as its info', () => {
    const expected = byTheBook(secret, Buffer.from('nova-kms:app:49'), Buffer.from('pfad/ü:ctx'), 32);
    expect(hex(deriveKey(secret, 49, derivationInfo('pfad/ü', 'ctx'), 32))).toBe(expected);
  });

  test('is the same whether the app id is a number, a string or a bigint', () => {
    expect(new Set([49, '49', 49n].map((id) => hex(deriveKey(secret, id, 'p', 32)))).size).toBe(1);
  });

  test('is the same with an empty context as without a context', () => {
    expect([derivationInfo('p', undefined), derivationInfo('p', ''), derivationInfo('p', ' ')]).toEqual(['p', 'p', 'p: ']);
  });

  test('of a shorter length is the beginning of a longer key', () => {
    expect(hex(deriveKey(secret, 49, 'p', 1_024)).startsWith(hex(deriveKey(secret, 49, 'p', 16)))).toBe(true);
  });
});
