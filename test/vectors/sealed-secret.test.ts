/** protocol.md §4 "Sealed". */
import { expect } from '@jest/globals';
import { keccak256 } from '../../src/crypto/hash.ts';
import { p384FromScalar } from '../../src/crypto/p384.ts';
import { openSecret, sealSecret } from '../../src/crypto/sealed-secret.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface Key {
  readonly scalar: string;
  readonly public_der: string;
}

interface SealedCase extends VectorCase {
  readonly op: 'seal' | 'open' | 'hash';
  readonly ephemeral?: Key;
  readonly recipient?: string;
  readonly nonce?: string;
  readonly secret?: string;
  readonly sealed?: unknown;
  readonly expect: { readonly sealed?: unknown; readonly secret?: string; readonly refuse?: string; readonly hash?: string };
}

interface SealedFile {
  readonly recipient: Readonly<Record<string, Key>>;
  readonly cases: SealedCase[];
}

describeVectors<SealedFile>('sealed-secret.json', ({ file, cases }) => {
  cases(file.cases, 'sealed secret', (vector) => {
    switch (vector.op) {
      case 'seal': {
        const keys = p384FromScalar(vector.ephemeral!.scalar);
        const sealed = sealSecret(keys, file.recipient['right']!.public_der, Buffer.from(vector.nonce!, 'hex'), Buffer.from(vector.secret!, 'hex'));
        expect(sealed).toEqual(vector.expect.sealed);
        return;
      }
      case 'open': {
        const opened = openSecret(p384FromScalar(file.recipient[vector.recipient!]!.scalar), vector.sealed);
        // In open cases, this node does what the file suggests: it refuses 0x, accepts a bare point, and requires exactly 32 bytes.
        expect(opened === null ? null : Buffer.from(opened).toString('hex')).toBe(vector.expect.secret ?? null);
        return;
      }
      case 'hash':
        expect(keccak256(Buffer.from(vector.secret!, 'hex'))).toBe(`0x${vector.expect.hash}`);
    }
  });
});
