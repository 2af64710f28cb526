/** Chooses the mutants to run: by name or section, and optionally only a part of them. */
import { InvalidArgumentError } from 'commander';
import type { Mutant } from './mutant.ts';

/** Part `number` of `of` equal parts; `number` starts at 1. */
export interface Part {
  readonly number: number;
  readonly of: number;
}

export function commaSeparated(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim()).filter((name) => name !== '');
}

/** Parses the value of the option `--part` for commander. */
export function partOf(text: string): Part {
  const match = /^(\d{1,3})\/(\d{1,3})$/.exec(text);
  const part = { number: Number(match?.[1]), of: Number(match?.[2]) };
  if (match === null || part.number < 1 || part.number > part.of) throw new InvalidArgumentError('It must be a part and the number of parts, such as 1/4.');
  return part;
}

/** @throws Error for a name that belongs to no mutant and no section */
export function chosen(mutants: readonly Mutant[], only: readonly string[] | undefined, part: Part | undefined): readonly Mutant[] {
  const unknown = only?.find((name) => !mutants.some((mutant) => mutant.name === name || mutant.section === name));
  if (unknown !== undefined) throw new Error(`there is no mutant ${unknown}`);
  const named = only === undefined ? mutants : mutants.filter(({ name, section }) => only.includes(name) || only.includes(section));
  // Neighbours in the table take about the same time, so they are spread over the parts.
  return part === undefined ? named : named.filter((_, place) => place % part.of === part.number - 1);
}
