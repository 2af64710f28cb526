/** Hex texts of any length. */

/**
 * Whether a text is whole bytes in hex: an even number of digits of either case, without a prefix. The decoder stops at the first other
 * character, but reduces characters beyond one byte to their last eight bits, so the byte length is compared too. A regular expression
 * takes ten times as long on the megabytes of a listing whenever its compiled code was flushed.
 */
export function isHex(text: string): boolean {
  return text.length % 2 === 0 && Buffer.byteLength(text) === text.length && Buffer.from(text, 'hex').length * 2 === text.length;
}
