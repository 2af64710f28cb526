/**
 * Copies of the sources in a temporary folder, each with the replacements of one mutant. The sources are copied once, at the start, and
 * each mutant starts from that copy, so the sources may change during the run. If a text to find does not occur exactly once, the run ends.
 * So a mutant that no longer fits the sources is noticed.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COPIED = ['src', 'package.json', 'tsconfig.json'];

/** The new text of each file that a mutant changes. @throws Error when a text to find does not occur exactly once */
export function mutate({ name, replace }: Pick<Mutant, 'name' | 'replace'>, root = ROOT): ReadonlyMap<string, string> {
  const changed = new Map<string, string>();
  for (const { file, find, put } of replace) {
    const text = changed.get(file) ?? readFileSync(join(root, 'src', file), 'utf8');
    const count = text.split(find).length - 1;
    if (count !== 1) throw new Error(`mutant ${name}: src/${file} has this text ${count} times, not once:\n${find}`);
    changed.set(file, text.replace(find, () => put));
  }
  return changed;
}

export class Copies {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sim-mutants-'));
  /** The folder with a copy of the unchanged sources. */
  readonly unchanged = join(this.#folder, 'unchanged');

  constructor() {
    copy(ROOT, this.unchanged);
  }

  /** @returns the folder of the copy */
  make(mutant: Pick<Mutant, 'name' | 'replace'>): string {
    const root = join(this.#folder, mutant.name);
    copy(this.unchanged, root);
    for (const [file, text] of mutate(mutant, this.unchanged)) writeFileSync(join(root, 'src', file), text);
    return root;
  }

  remove(root: string): void {
    rmSync(root, { recursive: true, force: true });
  }

  removeAll(): void {
    this.remove(this.#folder);
  }
}

function copy(from: string, to: string): void {
  for (const what of COPIED) cpSync(join(from, what), join(to, what), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'));
}
