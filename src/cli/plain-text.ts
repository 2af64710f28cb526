/** Makes untrusted text and JSON safe to print on a terminal or in one line: no control characters. The length of text is limited. */

/**
 * Control characters, which move the cursor and end lines; invisible characters; characters that change the direction of the text; line
 * separators that are not control characters; lone surrogates.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** @param max maximum number of characters; a longer text is cut and ends in `..` */
export function plainText(text: string, max: number): string {
  // The text may be very long, so this reads only the part that can be shown. A character has at most two UTF-16 units.
  const characters = Array.from(text.slice(0, 2 * (max + 1)).replace(UNSAFE, '?'));
  return characters.length <= max ? characters.join('') : `${characters.slice(0, max - 2).join('')}..`;
}

/** Whether a text can be shown unchanged. Line breaks and tabs are allowed, but no other characters that control a terminal. */
export function isShowable(text: string): boolean {
  return text.replace(/[\n\t]/g, '').search(UNSAFE) === -1;
}

/** One line of JSON in which unsafe characters are escaped too. Parsing it gives the same value as parsing unescaped JSON. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, escaped);
}

/** `\uXXXX` for each UTF-16 unit. */
function escaped(character: string): string {
  return [...Array(character.length).keys()].map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join('');
}
