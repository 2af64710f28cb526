/** Reads deploy/Dockerfile: its stages with their environment and instructions, and the command of the image. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, '..', '..', 'deploy', 'Dockerfile');

export interface Stage {
  /** The text that follows FROM. */
  readonly from: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The other instructions, in order. */
  readonly instructions: readonly (readonly [name: string, rest: string])[];
}

export function readDockerfile(): { readonly text: string; readonly stages: readonly Stage[]; readonly entryPoint: readonly string[] } {
  const text = readFileSync(FILE, 'utf8');
  const lines = text.replaceAll(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, '').split('\n').filter((line) => line !== '');
  const stages: { from: string; environment: Record<string, string>; instructions: [string, string][] }[] = [];
  for (const line of lines) {
    const [, name, rest] = /^(\w+) (.*)$/.exec(line)!;
    if (name === 'FROM') stages.push({ from: rest!, environment: {}, instructions: [] });
    else if (name === 'ENV') for (const pair of rest!.split(/ +/)) Object.assign(stages.at(-1)!.environment, Object.fromEntries([pair.split('=', 2)]));
    else stages.at(-1)?.instructions.push([name!, rest!]);
  }
  const [, command] = stages.at(-1)!.instructions.find(([name]) => name === 'ENTRYPOINT')!;
  return { text, stages, entryPoint: JSON.parse(command) as string[] };
}
