/** App ids as `/sync` writes them (protocol.md §4): decimal digits, without leading zeros. */
import { toAppId } from '../domain/ids.ts';

/** Whether the string is an app id other than 0 that a JSON number represents exactly. */
export function isAppIdText(text: string): boolean {
  return /^[1-9]\d{0,15}$/.test(text) && toAppId(BigInt(text)) !== null;
}

/** Compares app ids as numbers: without leading zeros, the shorter string is the smaller number. */
export function compareAppIds(a: string, b: string): number {
  return a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length;
}
