/** Base64 as requests and answers carry it (RFC 4648 §4): one spelling for each text of bytes, and nothing passed over. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase64, isBase64 } from '../../../src/crypto/base64.ts';

test('every text of bytes comes back from its base64, in its own memory', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      const decoded = decodeBase64(text)!;
      expect([...decoded]).toEqual([...bytes]);
      expect(decoded.buffer.byteLength).toBe(bytes.length);
      expect(isBase64(text)).toBe(true);
    }),
  );
});

test.each(['AAA', 'AA=', 'A===', 'AA==\n', ' AA==', 'AA-_', 'A*AA', 'AA==AA==', 'é'])('%j is none', (text) => {
  expect([isBase64(text), decodeBase64(text)]).toEqual([false, null]);
});

test('bits that the padding leaves over must be zero to be decoded: two texts would be the same bytes', () => {
  expect(decodeBase64('AB==')).toBeNull();
});
