/** Canonical JSON (protocol.md §3, HMAC): keys sorted, no spaces, and the same value when read back. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, canonicalPieces } from '../../../src/crypto/canonical-json.ts';
import { parseJson } from '../../../src/crypto/json.ts';
import { hasMisreadName } from '../../support/misread-names.ts';

/** Values that JSON.parse can return, with 0 instead of -0, because JavaScript writes -0 as 0. */
const json = fc
  .jsonValue({ maxDepth: 5 })
  .map((value) => JSON.stringify(value))
  .filter((text) => !hasMisreadName(text))
  .map((text) => JSON.parse(text) as unknown);

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, inner]) => [key, reversed(inner)]));
}

describe('canonical JSON', () => {
  test.each<[string, string]>([
    ['{"b":1,"a":2}', '{"a":2,"b":1}'],
    ['{ "b" : [ 1 , { "d" : 1, "c" : 2 } ] }', '{"b":[1,{"c":2,"d":1}]}'],
    ['{"10":1,"9":2,"B":3,"a":4}', '{"10":1,"9":2,"B":3,"a":4}'],
    ['{"__proto__":{"y":1,"x":2},"a":null}', '{"__proto__":{"x":2,"y":1},"a":null}'],
    ['"ü\\u2028\\n"', JSON.stringify('ü\u2028\n')],
    ['[true,false,null,0,-1.5,1e3]', '[true,false,null,0,-1.5,1000]'],
    ['{}', '{}'],
    ['[]', '[]'],
  ])('of %s is %s', (text, canonical) => {
    expect(canonicalJson(parseJson(text))).toBe(canonical);
  });

  test('can be parsed back into the same value', () => {
    fc.assert(fc.property(json, (value) => expect(JSON.parse(canonicalJson(value))).toEqual(value)));
  });

  test('does not depend on the order of the keys', () => {
    fc.assert(fc.property(json, (value) => expect(canonicalJson(reversed(value))).toBe(canonicalJson(value))));
  });

  test('does not change when it is made canonical again, and has spaces only inside strings', () => {
    fc.assert(
      fc.property(json, (value) => {
        const once = canonicalJson(value);
        expect(canonicalJson(parseJson(once))).toBe(once);
        expect(once.replace(/"(?:[^"\\]|\\.)*"/g, '')).not.toMatch(/\s/);
      }),
    );
  });

  test('allows 128 levels and refuses any deeper nesting', () => {
    const nested = (levels: number): unknown => parseJson('['.repeat(levels) + ']'.repeat(levels));
    expect(canonicalJson(nested(128))).toHaveLength(256);
    for (const levels of [129, 200_000]) {
      expect(() => canonicalJson(nested(levels))).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
  });
});

describe('canonical JSON in pieces', () => {
  const HEX = 'ab09'.repeat(5_000);

  test('has each long hex string in a separate piece', () => {
    const pieces = canonicalPieces({ nonce: '00', encrypted_data: HEX });
    expect(pieces).toEqual(['{"encrypted_data":"', HEX, '","nonce":"00"}']);
  });

  test('can be joined into the canonical JSON of any value', () => {
    const texts = fc.constantFrom<unknown>(HEX, HEX.toUpperCase(), `${HEX}"`, `${HEX}é`, `0x${HEX}`, 'ab');
    const fields = fc.dictionary(fc.constantFrom('a', 'b"', 'é', '__proto__', '1'), fc.oneof(json, texts));
    fc.assert(fc.property(fc.oneof(json, texts, fields, fc.array(fields, { maxLength: 2 })), (value) => expect(canonicalPieces(value).join('')).toBe(canonicalJson(value))));
  });

  test('also allows at most 128 levels of nesting', () => {
    const nested = (levels: number): unknown => ({ a: parseJson('['.repeat(levels - 1) + ']'.repeat(levels - 1)) });
    expect(canonicalPieces(nested(128)).join('')).toBe(canonicalJson(nested(128)));
    expect(() => canonicalPieces(nested(129))).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});
