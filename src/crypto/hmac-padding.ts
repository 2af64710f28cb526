/** The padded key with which HMAC-SHA256 begins each of its two hashes (RFC 2104). */

/** The sizes of a block and of a digest of SHA-256. */
export const BLOCK_BYTES = 64;
export const DIGEST_BYTES = 32;
/** The padding bytes of the inner and of the outer hash. */
export const INNER_PAD = 0x36;
export const OUTER_PAD = 0x5c;

/** Writes the padded key into the first block of `to`. @param key at most one block */
export function writePaddedKey(to: Uint8Array, key: Uint8Array, pad: number): void {
  to.fill(pad, 0, BLOCK_BYTES);
  for (let at = 0; at < key.length; at += 1) to[at] = key[at]! ^ pad;
}
