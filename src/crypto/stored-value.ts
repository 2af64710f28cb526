/** Stored values (protocol.md §3): 12-byte nonce, ciphertext, 16-byte tag, encrypted with the app's data key. */
import { aesGcmOpen, aesGcmSeal, AEAD_NONCE_BYTES, AEAD_TAG_BYTES } from './aead.ts';

/** How much longer the stored bytes are than the plaintext. */
const STORED_VALUE_OVERHEAD = AEAD_NONCE_BYTES + AEAD_TAG_BYTES;

export function sealStoredValue(dataKey: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return Buffer.concat([nonce, aesGcmSeal(dataKey, nonce, plaintext)]);
}

/** Null if the value does not decrypt. */
export function openStoredValue(dataKey: Uint8Array, stored: Uint8Array): Uint8Array | null {
  if (stored.length < STORED_VALUE_OVERHEAD) return null;
  return aesGcmOpen(dataKey, stored.subarray(0, AEAD_NONCE_BYTES), stored.subarray(AEAD_NONCE_BYTES));
}
