/** Makes and opens envelopes (protocol.md §3, Envelope; §7, encrypt and decrypt). */
import { expect } from '@jest/globals';
import { EnvelopeError, openText, sealText } from '../../src/crypto/envelope.ts';
import { isJsonObject, parseJson } from '../../src/crypto/json.ts';
import { p384FromScalar } from '../../src/crypto/p384.ts';
import { parseEnvelope, toWireEnvelope } from '../../src/domain/envelope.ts';
import type { TeePubkey } from '../../src/domain/ids.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface EnvelopeCase extends VectorCase {
  readonly op: 'both ways' | 'open';
  readonly info: string;
  readonly sender?: string;
  readonly receiver: string;
  readonly nonce?: string;
  readonly plaintext?: string;
  readonly envelope: unknown;
  readonly expect?: { readonly plaintext?: string; readonly refuse?: string; readonly refuse_or_plaintext?: string };
}

interface EnvelopeFile {
  readonly keys: Readonly<Record<string, { readonly scalar: string; readonly public_der: TeePubkey }>>;
  readonly cases: EnvelopeCase[];
}

/** The result of opening an envelope: the inner text, or the reason for the refusal. */
function open(file: EnvelopeFile, vector: EnvelopeCase): { plaintext: string } | { refuse: string } {
  const sealed = parseEnvelope(vector.envelope);
  if (sealed === null) return { refuse: 'malformed' };
  try {
    return { plaintext: openText(p384FromScalar(file.keys[vector.receiver]!.scalar), sealed, vector.info) };
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    return { refuse: error.failure };
  }
}

function isGoodInner(text: string): boolean {
  try {
    return isJsonObject(parseJson(text));
  } catch {
    return false;
  }
}

describeVectors<EnvelopeFile>('envelope.json', ({ file, cases }) => {
  cases(file.cases, 'envelope', (vector) => {
    if (vector.op === 'both ways') {
      const sender = p384FromScalar(file.keys[vector.sender!]!.scalar);
      const sealed = sealText(sender, file.keys[vector.receiver]!.public_der, vector.plaintext!, Buffer.from(vector.nonce!, 'hex'), vector.info);
      expect(toWireEnvelope(sealed)).toEqual(vector.envelope);
      expect(open(file, vector)).toEqual({ plaintext: vector.plaintext });
      return;
    }
    const opened = open(file, vector);
    const { plaintext, refuse } = vector.expect ?? {};
    if (vector.open === true) {
      // A legacy 32-byte nonce is accepted (protocol.md §3). A key that is not strict DER is refused.
      const isLegacyNonce = (vector.envelope as { nonce: string }).nonce.length === 64;
      expect('plaintext' in opened).toBe(isLegacyNonce);
    } else if (refuse === 'bad inner body') {
      expect('plaintext' in opened && !isGoodInner(opened.plaintext)).toBe(true);
    } else if (refuse !== undefined) {
      expect('refuse' in opened).toBe(true);
    } else {
      expect(opened).toEqual({ plaintext });
    }
  });
});
