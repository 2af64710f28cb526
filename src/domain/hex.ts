/** Hex strings of any length. */

/**
 * Whether a string contains whole bytes in hex: an even number of digits, in either case, without a prefix. The decoder stops at the first
 * character that is not a hex digit. But it reads only the low eight bits of each character, so the length in bytes is compared too. For a
 * string of several megabytes, a regular expression takes ten times as long whenever V8 has discarded its compiled code.
 */
export function isHex(text: string): boolean {
  return text.length % 2 === 0 && Buffer.byteLength(text) === text.length && Buffer.from(text, 'hex').length * 2 === text.length;
}

const UPPER_CASE_DIGIT = /[A-F]/;

/** Hex in lower case. `toLowerCase` makes a copy even of a text that is in lower case already, and envelopes are megabytes of hex. */
export function lowerHex(hex: string): string {
  return UPPER_CASE_DIGIT.test(hex) ? hex.toLowerCase() : hex;
}
