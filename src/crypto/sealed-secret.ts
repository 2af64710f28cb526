/**
 * The sealed master secret (protocol.md §4, Sealed): ECDH P-384 between two ephemeral keys, HKDF-SHA256, AES-256-GCM, and exactly 32 bytes
 * inside. A secret that decrypts may still be the wrong one, so its hash is compared with the chain hash (§5). Only the vault uses this
 * module.
 */
import { z } from 'zod';
import { MASTER_SECRET_BYTES } from '../domain/limits.ts';
import { aesGcmOpen, aesGcmSeal, AEAD_NONCE_BYTES } from './aead.ts';
import { hkdfSha256 } from './hkdf.ts';
import { isP384PublicKey, toDer, type P384KeyPair } from './p384.ts';

const SALT = 'nova-kms:sealed-master-secret';
const INFO = 'aes-gcm-key';

/** All fields are hex without `0x`. */
export interface SealedSecret {
  readonly ephemeral_pubkey: string;
  readonly encrypted_data: string;
  readonly nonce: string;
}

const hex = z.string().max(1_024).regex(/^(?:[0-9a-fA-F]{2})*$/);
const sealedSecret = z.object({ ephemeral_pubkey: hex, encrypted_data: hex, nonce: hex });

function sealingKey(keys: P384KeyPair, peer: string): Uint8Array {
  return hkdfSha256(keys.sharedSecret(peer), SALT, INFO, 32);
}

/** @throws P384Error when the recipient's key is not valid */
export function sealSecret(keys: P384KeyPair, recipientDer: string, nonce: Uint8Array, secret: Uint8Array): SealedSecret {
  const key = sealingKey(keys, recipientDer);
  const encrypted = aesGcmSeal(key, nonce, secret);
  key.fill(0);
  return {
    ephemeral_pubkey: keys.publicKeyDer,
    encrypted_data: Buffer.from(encrypted).toString('hex'),
    nonce: Buffer.from(nonce).toString('hex'),
  };
}

/** The 32 bytes inside, which the caller must wipe; null if the sealed secret does not decrypt or contains a different number of bytes. */
export function openSecret(keys: P384KeyPair, sealed: unknown): Uint8Array | null {
  const parsed = sealedSecret.safeParse(sealed);
  if (!parsed.success) return null;
  const ephemeral = toDer(parsed.data.ephemeral_pubkey);
  if (!isP384PublicKey(ephemeral)) return null;
  const nonce = Buffer.from(parsed.data.nonce, 'hex');
  if (nonce.length !== AEAD_NONCE_BYTES) return null;
  const key = sealingKey(keys, ephemeral);
  const opened = aesGcmOpen(key, nonce, Buffer.from(parsed.data.encrypted_data, 'hex'));
  key.fill(0);
  if (opened === null || opened.length !== MASTER_SECRET_BYTES) {
    opened?.fill(0);
    return null;
  }
  return opened;
}
