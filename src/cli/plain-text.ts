/** Text that others sent, for a terminal and for lines: no control characters, no more of it than fits. */

/**
 * Controls, which move cursors and end lines; what is not drawn, or turns the direction of what is; line ends that are not
 * controls; halves of characters.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** @param max characters; a longer text ends in `..` */
export function plainText(text: string, max: number): string {
  // No more is looked at than can be shown, however long it is: a character has at most two units.
  const characters = Array.from(text.slice(0, 2 * (max + 1)).replace(UNSAFE, '?'));
  return characters.length <= max ? characters.join('') : `${characters.slice(0, max - 2).join('')}..`;
}

/** A text that can be shown as it is: lines and tabs, and nothing that acts on a terminal. */
export function isShowable(text: string): boolean {
  return text.replace(/[\n\t]/g, '').search(UNSAFE) === -1;
}
