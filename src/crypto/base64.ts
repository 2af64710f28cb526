/** Standard base64 with padding (RFC 4648 §4), read strictly, because the decoder of Node.js would skip invalid characters. */

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** For schemas: matches the strings that `isBase64` accepts. */
export const BASE64_PATTERN = BASE64.source;
/** For schemas: matches the strings that `decodeBase64` accepts. In these, the unused bits of the last character are zero. */
export const CANONICAL_BASE64_PATTERN = '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$';

export function isBase64(text: string): boolean {
  return BASE64.test(text);
}

/** Does not copy the bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** The bytes in new memory, which the caller must wipe; null if the string is not canonical base64. */
export function decodeBase64(text: string): Uint8Array | null {
  // `Buffer.from(text, ..)` would put small results into a shared pool.
  const bytes = Buffer.alloc(Buffer.byteLength(text, 'base64'));
  bytes.write(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}
