/**
 * Memory for key bytes. A typed array of up to 64 bytes lies on the heap of the engine, whose collector copies it about and leaves
 * the old places as they are; a small Buffer lies in a pool with others. A view that has a buffer to itself stays where it is: what is
 * wiped there is gone.
 */

/** Zeros. */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** A copy; the bytes given are the caller's to wipe. */
export function copyOfSecret(bytes: Uint8Array): Uint8Array {
  const copy = secretBytes(bytes.length);
  copy.set(bytes);
  return copy;
}

/** The bytes of a text in hex, without a form in between. @throws TypeError on another text: it is not told */
export function secretFromHex(hex: string): Uint8Array {
  const bytes = secretBytes(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    const value = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
    if (Number.isNaN(value)) throw new TypeError('not hex');
    bytes[at] = value;
  }
  return bytes;
}
