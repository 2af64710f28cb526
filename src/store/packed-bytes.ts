/**
 * Stored bytes as the store keeps them: a string with one character per byte (Latin-1). V8 keeps such a string in one piece, with one byte
 * per character. A Uint8Array with its own buffer costs more than 400 bytes besides its content. A slice of a shared buffer
 * would keep the whole buffer in memory. Comparing two such strings compares their bytes one by one, as unsigned numbers.
 */

declare const packedBytes: unique symbol;
export type PackedBytes = string & { readonly [packedBytes]: true };

/** What a tombstone stores instead of a value. No value has zero bytes: even an empty value is stored with a nonce and a tag. */
export const NO_BYTES = '' as PackedBytes;

/** Copies the bytes, which may be a part of a larger buffer. */
export function packBytes(bytes: Uint8Array): PackedBytes {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1') as PackedBytes;
}

export function unpackBytes(packed: PackedBytes): Uint8Array {
  return Buffer.from(packed, 'latin1');
}

/** @param hex an even number of hex digits, in upper or lower case */
export function packHex(hex: string): PackedBytes {
  return packBytes(Buffer.from(hex, 'hex'));
}

/** @returns hex digits in lower case */
export function hexOfPacked(packed: PackedBytes): string {
  return Buffer.from(packed, 'latin1').toString('hex');
}
