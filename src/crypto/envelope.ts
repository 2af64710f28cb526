/**
 * The envelope's cryptography (protocol.md §3, Envelope): ECDH P-384; HKDF-SHA256, whose salt is the two uncompressed points, sorted
 * bytewise, followed by the nonce; AES-256-GCM. In a running node, the enclave API does this. The emulator, apps that hold their own keys, and
 * tests use this code.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import type { TeePubkey } from '../domain/ids.ts';
import type { SealedText } from '../domain/ports.ts';
import { aesGcmOpen, aesGcmSeal, AEAD_NONCE_BYTES } from './aead.ts';
import { hkdfSha256 } from './hkdf.ts';
import { P384Error, pointOf, type P384KeyPair } from './p384.ts';

/** Each generation of the platform has its own info string. */
export const ENVELOPE_INFO = {
  enclaver: 'enclaver-ecdh-aes256gcm-v1',
  capsule: 'capsule-ecdh-aes256gcm-v1',
} as const;

export type EnvelopeFailure = 'malformed' | 'does not decrypt' | 'not UTF-8';

export class EnvelopeError extends Error {
  readonly failure: EnvelopeFailure;

  constructor(failure: EnvelopeFailure) {
    super(`the envelope cannot be opened: ${failure}`);
    this.name = 'EnvelopeError';
    this.failure = failure;
  }
}

/** Returns a key object. A cipher that gets the key as bytes is slower, because Node.js first throws and catches an error. */
function messageKey(keys: P384KeyPair, peer: string, nonce: Uint8Array, info: string): KeyObject {
  const points = [pointOf(keys.publicKeyDer), pointOf(peer)].sort((a, b) => Buffer.compare(a, b));
  const bytes = hkdfSha256(keys.sharedSecret(peer), Buffer.concat([...points, nonce]), info, 32);
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** @param nonce 12 bytes, never used twice between the same two keys */
export function sealText(keys: P384KeyPair, receiver: TeePubkey, plaintext: string, nonce: Uint8Array, info: string): SealedText {
  const key = messageKey(keys, receiver, nonce, info);
  const sealed = aesGcmSeal(key, nonce, Buffer.from(plaintext, 'utf8'));
  return {
    senderPubkey: keys.publicKeyDer,
    nonce: Buffer.from(nonce).toString('hex'),
    encryptedData: Buffer.from(sealed).toString('hex'),
  };
}

/** @throws EnvelopeError */
export function openText(keys: P384KeyPair, sealed: SealedText, info: string): string {
  // Only the first 12 bytes of a legacy 32-byte nonce are used.
  const nonce = Buffer.from(sealed.nonce, 'hex').subarray(0, AEAD_NONCE_BYTES);
  if (nonce.length !== AEAD_NONCE_BYTES) throw new EnvelopeError('malformed');
  let key: KeyObject;
  try {
    key = messageKey(keys, sealed.senderPubkey, nonce, info);
  } catch (error) {
    if (error instanceof P384Error) throw new EnvelopeError('malformed');
    throw error;
  }
  const opened = aesGcmOpen(key, nonce, Buffer.from(sealed.encryptedData, 'hex'));
  if (opened === null) throw new EnvelopeError('does not decrypt');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(opened);
  } catch {
    throw new EnvelopeError('not UTF-8');
  }
}
