/**
 * HKDF-SHA256 (RFC 5869), with an info string of any length. For each call, `hkdfSync` of node:crypto makes a job and a key object, which
 * cost four times as much as the hashes (docs/decisions/0028).
 */
import { hash } from 'node:crypto';
import { invariant } from '../domain/errors.ts';
import { copyOfSecret, secretBytes } from '../domain/secret-bytes.ts';
import { BLOCK_BYTES, DIGEST_BYTES, INNER_PAD, OUTER_PAD, writePaddedKey } from './hmac-padding.ts';

/** The number of a block of the derived key is one byte. */
const MAX_BLOCKS = 255;

/** @param length number of bytes to derive, at most 255 * 32 @throws InvariantError for any other length */
export function hkdfSha256(ikm: Uint8Array, salt: string | Uint8Array, info: string | Uint8Array, length: number): Uint8Array {
  const prk = hkdfExtract(ikm, salt);
  const derived = hkdfExpand(prk, info, length);
  prk.fill(0);
  return derived;
}

/** HKDF's first step. It does not depend on the info string. @returns 32 secret bytes */
export function hkdfExtract(ikm: Uint8Array, salt: string | Uint8Array): Uint8Array {
  const mac = hmac(typeof salt === 'string' ? Buffer.from(salt, 'utf8') : salt, [ikm]);
  const prk = copyOfSecret(mac);
  mac.fill(0);
  return prk;
}

/** HKDF's second step. @param prk from `hkdfExtract` @param length as in `hkdfSha256` @throws InvariantError as `hkdfSha256` */
export function hkdfExpand(prk: Uint8Array, info: string | Uint8Array, length: number): Uint8Array {
  invariant(Number.isInteger(length) && length >= 0 && length <= MAX_BLOCKS * DIGEST_BYTES, 'a key of an invalid length was requested');
  const infoBytes = typeof info === 'string' ? Buffer.from(info, 'utf8') : info;
  const derived = secretBytes(length);
  let block: Buffer = Buffer.alloc(0);
  for (let at = 0; at < length; at += DIGEST_BYTES) {
    const next = hmac(prk, [block, infoBytes, Uint8Array.of(at / DIGEST_BYTES + 1)]);
    derived.set(next.subarray(0, length - at), at);
    block.fill(0);
    block = next;
  }
  block.fill(0);
  return derived;
}

/** HMAC-SHA256 (RFC 2104) of the joined pieces. All copies of the key and the pieces are overwritten. The caller wipes the result. */
function hmac(key: Uint8Array, pieces: readonly Uint8Array[]): Buffer {
  const room = BLOCK_BYTES + Math.max(DIGEST_BYTES, pieces.reduce((sum, { length }) => sum + length, 0));
  const padded = Buffer.allocUnsafe(room);
  // Only a salt can be longer than a block. A salt is not secret.
  const blockKey = key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key;
  const inner = hash('sha256', padded.subarray(0, writePadded(padded, blockKey, INNER_PAD, pieces)), 'buffer');
  const mac = hash('sha256', padded.subarray(0, writePadded(padded, blockKey, OUTER_PAD, [inner])), 'buffer');
  padded.fill(0);
  inner.fill(0);
  return mac;
}

/** Writes the padded key and the pieces. @returns the number of bytes */
function writePadded(to: Buffer, key: Uint8Array, pad: number, pieces: readonly Uint8Array[]): number {
  writePaddedKey(to, key, pad);
  let end = BLOCK_BYTES;
  for (const piece of pieces) {
    to.set(piece, end);
    end += piece.length;
  }
  return end;
}
