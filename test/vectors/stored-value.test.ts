/** protocol.md §3 "Stored values". */
import { createHash } from 'node:crypto';
import { expect } from '@jest/globals';
import { openStoredValue, sealStoredValue } from '../../src/crypto/stored-value.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface StoredValueCase extends VectorCase {
  readonly op: 'seal' | 'open' | 'seal_pattern';
  readonly key: string;
  readonly nonce?: string;
  readonly plaintext?: string;
  readonly stored?: string;
  readonly length?: number;
  readonly expect: Readonly<Record<string, unknown>>;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'hex');

describeVectors<{ cases: StoredValueCase[] }>('stored-value.json', ({ file, cases }) => {
  cases(file.cases, 'stored value', (vector) => {
    const key = bytes(vector.key);
    switch (vector.op) {
      case 'open': {
        const opened = openStoredValue(key, bytes(vector.stored!));
        if ('refuse' in vector.expect) expect(opened).toBeNull();
        else expect(opened === null ? null : Buffer.from(opened).toString('hex')).toBe(vector.expect['plaintext']);
        return;
      }
      case 'seal': {
        const sealed = sealStoredValue(key, bytes(vector.nonce!), bytes(vector.plaintext!));
        expect(Buffer.from(sealed).toString('hex')).toBe(vector.expect['stored']);
        return;
      }
      case 'seal_pattern':
        checkPattern(vector, key);
    }
  });
});

/** Checks a plaintext in which byte i is i mod 256. */
function checkPattern(vector: StoredValueCase, key: Buffer): void {
  const plaintext = Uint8Array.from({ length: vector.length! }, (_, index) => index % 256);
  const stored = sealStoredValue(key, bytes(vector.nonce!), plaintext);
  expect(stored.length).toBe(vector.expect['stored_length']);
  expect(createHash('sha256').update(stored).digest('hex')).toBe(vector.expect['stored_sha256']);
  expect(Buffer.from(stored.subarray(-16)).toString('hex')).toBe(vector.expect['tag']);
  expect(Buffer.compare(openStoredValue(key, stored)!, plaintext)).toBe(0);
}
