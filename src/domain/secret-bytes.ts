/**
 * Memory that holds key bytes and can be wiped completely. A typed array of up to 64 bytes lies on the engine's heap, where the garbage
 * collector moves it and leaves the old bytes behind. A small Buffer lies in a shared pool. A view with its own ArrayBuffer is never
 * moved, so wiping it removes the bytes.
 */

/** Zeros, in a separate ArrayBuffer. */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** A copy. The caller must wipe the original. */
export function copyOfSecret(bytes: Uint8Array): Uint8Array {
  const copy = secretBytes(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * Decodes hex without an intermediate buffer. The caller must first check that the string contains whole bytes, because this function
 * detects only some invalid strings.
 * @throws TypeError for a string that it refuses; the error does not contain the string
 */
export function secretFromHex(hex: string): Uint8Array {
  const bytes = secretBytes(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    const value = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
    if (Number.isNaN(value)) throw new TypeError('not hex');
    bytes[at] = value;
  }
  return bytes;
}
