/** JSON that is quoted piece by piece (domain/quoted-json.ts) equals JSON that is quoted as a whole. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { quoteObject, quotePiece, QuotedValue } from '../../../src/domain/quoted-json.ts';

const quotedList = (list: readonly unknown[]): QuotedValue => new QuotedValue(Array.from(JSON.stringify(list), quotePiece));

test('an object whose values are quoted in pieces has the same JSON, quoted JSON and sizes as the object itself', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('"', '\\', '\n', '\u0001', 'é', '😀', '\ud800', '__proto__'));
  const value = fc.oneof(text, fc.integer(), fc.constantFrom(null, true));
  const object = fc.array(fc.tuple(text, fc.oneof(value, fc.array(value)), fc.boolean()), { maxLength: 5 });
  fc.assert(
    fc.property(object, (fields) => {
      const plain = Object.fromEntries(fields.map(([name, content]) => [name, content]));
      const quoted = quoteObject(Object.fromEntries(fields.map(([name, content, isQuoted]) => [name, isQuoted && Array.isArray(content) ? quotedList(content) : content])));
      const json = JSON.stringify(plain);
      expect(String(quoted)).toBe(json);
      expect(quoted.plainBytes).toBe(Buffer.byteLength(json));
      const bytes = Buffer.concat(quoted.pieces);
      expect(`"${bytes.toString()}"`).toBe(JSON.stringify(json));
      expect(quoted.quotedBytes).toBe(bytes.length);
    }),
    { numRuns: 300 },
  );
});
