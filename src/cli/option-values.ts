/** Values of options that more than one command takes. What cannot be read is said in one line that says what may be given. */
import { InvalidArgumentError } from 'commander';
import { parseWallet } from '../domain/ids.ts';

/** For commander: a whole number within limits. */
export function wholeNumber(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || value < from || value > to) {
      throw new InvalidArgumentError(`It must be a whole number from ${from} to ${to}.`);
    }
    return value;
  };
}

/** For commander: seconds within limits, to the millisecond. */
export function secondsBetween(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,5}(\.\d{1,3})?$/.test(text) || value < from || value > to) {
      throw new InvalidArgumentError(`It must be a number of seconds from ${from} to ${to}.`);
    }
    return value;
  };
}

/** For commander: a node, by its URL or its wallet. */
export function urlOrWallet(text: string): string {
  if (parseWallet(text) !== null || /^https?:\/\/./i.test(text)) return text;
  throw new InvalidArgumentError('It must be the URL of a node, or its wallet.');
}

/** 0: any free one. */
export const MAX_PORT = 65_535;
