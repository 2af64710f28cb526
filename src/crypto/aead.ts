/** AES-256-GCM without additional data. Sealed bytes are the ciphertext followed by the 16-byte tag (NIST SP 800-38D). */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';

export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;

/** A KeyObject is faster when a key is used many times. A Uint8Array can be wiped after its use. */
export type AeadKey = Uint8Array | KeyObject;

export function aesGcmSeal(key: AeadKey, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: AEAD_TAG_BYTES });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** New bytes, which the caller must wipe; null if the sealed bytes do not decrypt. */
export function aesGcmOpen(key: AeadKey, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (nonce.length !== AEAD_NONCE_BYTES || sealed.length < AEAD_TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: AEAD_TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(sealed.length - AEAD_TAG_BYTES));
  const opened = decipher.update(sealed.subarray(0, sealed.length - AEAD_TAG_BYTES));
  try {
    // For GCM, `final` returns no bytes. It only checks the tag.
    decipher.final();
    return opened;
  } catch {
    opened.fill(0);
    return null;
  }
}
