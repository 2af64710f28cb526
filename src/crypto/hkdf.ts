/** HKDF-SHA256 (RFC 5869) with an info string of any length. Node's `hkdfSync` refuses an info string longer than 1,024 bytes. */
import { createSecretKey, hkdfSync } from 'node:crypto';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';

const NATIVE_INFO_BYTES = 1_024;

/** @param length number of bytes to derive, at most 255 * 32 */
export function hkdfSha256(ikm: Uint8Array, salt: string | Uint8Array, info: string | Uint8Array, length: number): Uint8Array {
  const saltBytes = typeof salt === 'string' ? Buffer.from(salt, 'utf8') : salt;
  const infoBytes = typeof info === 'string' ? Buffer.from(info, 'utf8') : info;
  // `hkdfSync` is slower with bytes than with a key object, because it throws and catches an error before it makes a key object from bytes.
  return infoBytes.length <= NATIVE_INFO_BYTES
    ? new Uint8Array(hkdfSync('sha256', createSecretKey(ikm), saltBytes, infoBytes, length))
    : hkdf(sha256, ikm, saltBytes, infoBytes, length);
}
