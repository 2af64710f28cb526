/** Standard base64 with its padding (RFC 4648 §4), read strictly: a decoder alone passes over what is none. */

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** What `isBase64` takes. For schemas. */
export const BASE64_PATTERN = BASE64.source;
/** What `decodeBase64` takes: no other bits than those of the bytes are set. For schemas. */
export const CANONICAL_BASE64_PATTERN = '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$';

export function isBase64(text: string): boolean {
  return BASE64.test(text);
}

/** Without a copy of the bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** The bytes, in fresh memory that the caller wipes; null for any text but their one spelling. */
export function decodeBase64(text: string): Uint8Array | null {
  // Not `Buffer.from(text, ..)`: its small ones lie in a pool beside the bytes of others.
  const bytes = Buffer.alloc(Buffer.byteLength(text, 'base64'));
  bytes.write(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}
