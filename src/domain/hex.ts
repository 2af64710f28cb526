/** Hex texts of any length. */

/**
 * Whether a text is whole bytes in hex: digits of either case, an even number of them, no prefix. The decoder stops at the first
 * other character, but takes characters beyond one byte for their last eight bits. A regular expression takes ten times as long on the
 * megabytes of a listing whenever its code was flushed.
 */
export function isHex(text: string): boolean {
  return text.length % 2 === 0 && Buffer.byteLength(text) === text.length && Buffer.from(text, 'hex').length * 2 === text.length;
}
