/** Parsers for options that several commands share. The error for an invalid value lists the valid values in one line. */
import { InvalidArgumentError, Option } from 'commander';
import { parseWallet } from '../domain/ids.ts';
import { DEFAULT_GENERATION, GENERATIONS, type Generation } from '../crypto/generation.ts';

/** Parser for commander: a whole number within limits. */
export function wholeNumber(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || value < from || value > to) {
      throw new InvalidArgumentError(`It must be a whole number from ${from} to ${to}.`);
    }
    return value;
  };
}

/** Parser for commander: seconds within limits, with a precision of one millisecond. */
export function secondsBetween(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,5}(\.\d{1,3})?$/.test(text) || value < from || value > to) {
      throw new InvalidArgumentError(`It must be a number of seconds from ${from} to ${to}.`);
    }
    return value;
  };
}

/** Parser for commander: the URL or the wallet of a node. */
export function urlOrWallet(text: string): string {
  if (parseWallet(text) !== null || /^https?:\/\/./i.test(text)) return text;
  throw new InvalidArgumentError('It must be the URL of a node, or its wallet.');
}

function generationOf(text: string): Generation {
  const found = GENERATIONS.find((name) => name === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It must be ${GENERATIONS.join(' or ')}.`);
}

/** Option for commander: the platform generation whose enclave API is emulated. */
export function generationOption(): Option {
  return new Option('--generation <name>', `which generation of the platform to emulate: ${GENERATIONS.join(' or ')}`).argParser(generationOf).default(DEFAULT_GENERATION);
}

/** The highest port number; 0 means any free port. */
export const MAX_PORT = 65_535;
