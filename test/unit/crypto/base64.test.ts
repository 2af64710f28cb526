/** Base64 in requests and answers (RFC 4648 §4): any sequence of bytes has exactly one valid encoding, and no character is ignored. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase64, isBase64 } from '../../../src/crypto/base64.ts';

test('decoding encoded bytes returns the same bytes, in a separate buffer', () => {
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

test.each(['AAA', 'AA=', 'A===', 'AA==\n', ' AA==', 'AA-_', 'A*AA', 'AA==AA==', 'é'])('%j is not valid base64', (text) => {
  expect([isBase64(text), decodeBase64(text)]).toEqual([false, null]);
});

test('unused bits before the padding must be zero, because otherwise two strings would decode to the same bytes', () => {
  expect(decodeBase64('AB==')).toBeNull();
});
