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

/**
 * Hex of any length as bytes: digits in lower case, without `0x`. Envelopes are megabytes of hex, and each string that is made of one is a
 * copy, and garbage that is expensive to collect.
 */
export class HexBytes {
  readonly digits: Buffer;

  private constructor(digits: Buffer) {
    this.digits = digits;
  }

  /** @param text ASCII, with or without `0x`; it is copied. @returns null if the text is not hex */
  static copy(text: Buffer): HexBytes | null {
    const bare = withoutPrefix(text);
    const found = digitsIn(bare);
    if (found === null) return null;
    return new HexBytes(found === 'lower case' ? Buffer.from(bare) : Buffer.from(bare.toString('latin1').toLowerCase(), 'latin1'));
  }

  toString(): string {
    return this.digits.toString('latin1');
  }
}

const ZERO = 0x30;
const LOWER_X = 0x78;

/** @param text ASCII, with or without `0x` */
export function withoutPrefix(text: Buffer): Buffer {
  return text[0] === ZERO && text[1] === LOWER_X ? text.subarray(2) : text;
}

/** Which digits the bytes are, if they are hex in ASCII; otherwise null. The bytes are hex exactly if `isHex` is true of their text. */
export function digitsIn(bytes: Uint8Array): 'lower case' | 'any case' | null {
  if (bytes.length % 2 !== 0) return null;
  // A word is at a multiple of four bytes. The bytes before and after the words are copied into words of zeros.
  const from = Math.min(-bytes.byteOffset & 3, bytes.length);
  const count = (bytes.length - from) >> 2;
  const ends = new Uint8Array(8).fill(ZERO);
  ends.set(bytes.subarray(0, from));
  ends.set(bytes.subarray(from + 4 * count), 4);
  // `bytes` may end before its first multiple of four.
  const words = count === 0 ? NO_WORDS : new Int32Array(bytes.buffer, bytes.byteOffset + from, count);
  const found = bitsOf(words) | bitsOf(new Int32Array(ends.buffer));
  return (found & NOT_HEX) !== 0 ? null : (found & UPPER_CASE) !== 0 ? 'any case' : 'lower case';
}

const NO_WORDS = new Int32Array(0);
/** Bits in the result of `bitsOf`. */
const NOT_HEX = 0x80808080;
const UPPER_CASE = 0x20202020;

/**
 * Examines four bytes at a time, which takes half the time of a table. If `0x80 - bound` is added to a byte below 0x80, bit 7 of the sum is
 * set exactly if the byte is at least `bound`. Only a byte of 0x80 or more can disturb the sums of the next byte, and the lowest such byte of a
 * word is always refused itself. Of all hex digits, only `A` to `F` lack the bit 0x20.
 */
function bitsOf(words: Int32Array): number {
  let refused = 0;
  let inAll = -1;
  // `for ... of` takes several times as long.
  for (let place = 0; place < words.length; place += 1) {
    const word = words[place]!;
    const lower = word | UPPER_CASE;
    const isNumber = (word + 0x50505050) & ~(word + 0x46464646);
    const isLetter = (lower + 0x1f1f1f1f) & ~(lower + 0x19191919);
    refused |= ~(isNumber | isLetter);
    inAll &= word;
  }
  return (refused & NOT_HEX) | (~inAll & UPPER_CASE);
}
