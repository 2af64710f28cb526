/**
 * Stored bytes as the store keeps them: a text with one character for each byte (Latin-1). V8 keeps such a text in one piece of
 * one byte a character; a Uint8Array with its own buffer costs more than 400 bytes beside its content, and a slice of a
 * shared buffer would keep all of that buffer. Texts compare as their bytes do: unsigned, one by one.
 */

declare const packedBytes: unique symbol;
export type PackedBytes = string & { readonly [packedBytes]: true };

/** Nonce, ciphertext and tag of an empty value would be longer: what a tombstone holds. */
export const NO_BYTES = '' as PackedBytes;

/** A copy: the given bytes may be a part of a larger buffer. */
export function packBytes(bytes: Uint8Array): PackedBytes {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1') as PackedBytes;
}

export function unpackBytes(packed: PackedBytes): Uint8Array {
  return Buffer.from(packed, 'latin1');
}

/** @param hex an even number of hex digits, in either case */
export function packHex(hex: string): PackedBytes {
  return packBytes(Buffer.from(hex, 'hex'));
}

/** In lower case. */
export function hexOfPacked(packed: PackedBytes): string {
  return Buffer.from(packed, 'latin1').toString('hex');
}
