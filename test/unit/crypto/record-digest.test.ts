/** The digest of a record (protocol.md §10, Comparison). The code writes the record as JSON field by field; the test uses `canonicalJson`. */
import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '../../../src/crypto/canonical-json.ts';
import { digestText, recordDigest } from '../../../src/crypto/record-digest.ts';

test('a digest is made of the canonical JSON of the record without clock entries of 0', () => {
  const count = fc.oneof(fc.constant(0), fc.nat(), fc.maxSafeNat());
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a', 'B', '10', '9', '\u2028', '\uffff', '😀', '__proto__'));
  const record = fc.record({
    key: text,
    value: fc.oneof(fc.constant(null), fc.constantFrom('', 'ab09'), text),
    version: fc.dictionary(text, count, { noNullPrototype: true }),
    updated_at_ms: count,
    tombstone: fc.boolean(),
    ttl_ms: count,
  });
  fc.assert(
    fc.property(record, (wire) => {
      const version = Object.fromEntries(Object.entries(wire.version).filter(([, counted]) => counted !== 0));
      const hash = createHash('sha256').update(canonicalJson({ ...wire, version })).digest('hex');
      expect(digestText(recordDigest(wire))).toBe(hash.slice(0, 16));
    }),
    { numRuns: 2_000 },
  );
});
