/** The search for one mutant. Free processes run portions of the seeds until one seed finds the mutant. Then the other processes end. */
import type { Copies } from './copies.ts';
import type { Mutant, Runs } from './mutant.ts';
import type { Ending, SeedsProcesses } from './seeds-process.ts';

/**
 * Number of seeds for one process. With a larger number, fewer processes are started; with a smaller number, more processes are busy at the
 * same time.
 */
const PORTION = 3;

/** How a seed found the mutant: a rule was broken, or the process failed. */
export type Finding = Exclude<Ending, { readonly kind: 'held' | 'stopped' }>;

export interface HuntModules {
  readonly copies: Pick<Copies, 'make' | 'remove'>;
  readonly processes: Pick<SeedsProcesses, 'run'>;
}

export class Hunt {
  readonly mutant: Mutant;
  readonly runs: Runs;
  readonly #modules: HuntModules;
  readonly #left: string[];
  readonly #found = new AbortController();
  #root: string | null = null;
  #finding: Finding | null = null;
  #underWay = 0;
  #hasEnded = false;
  #wallMs = 0;

  constructor(mutant: Mutant, seeds: readonly string[], modules: HuntModules) {
    this.mutant = mutant;
    this.runs = mutant.runs ?? {};
    this.#modules = modules;
    const { seed } = mutant;
    this.#left = seed === undefined ? [...seeds] : [seed, ...seeds.filter((other) => other !== seed)];
  }

  /** Null until a seed has found the mutant. */
  get finding(): Finding | null {
    return this.#finding;
  }

  /** Run time of all processes of this hunt together. Milliseconds. */
  get wallMs(): number {
    return this.#wallMs;
  }

  /** Whether one more process may run seeds: the mutant has not been found yet, and some seeds have not been started. */
  get hasSeeds(): boolean {
    return this.#finding === null && this.#left.length > 0;
  }

  async runPortion(): Promise<void> {
    const { copies, processes } = this.#modules;
    this.#root ??= copies.make(this.mutant);
    const seeds = this.#left.splice(0, PORTION);
    this.#underWay += 1;
    const startedMs = performance.now();
    const ending = await processes.run({ root: this.#root, runs: this.runs, seeds }, this.#found.signal);
    this.#wallMs += performance.now() - startedMs;
    this.#underWay -= 1;
    if (ending.kind === 'held' || ending.kind === 'stopped' || this.#finding !== null) return;
    this.#finding = ending;
    this.#found.abort();
  }

  /** Ends the hunt if no process is running and none may be started. @returns true only for the call that ends the hunt */
  endsNow(): boolean {
    if (this.#hasEnded || this.#underWay > 0 || this.hasSeeds) return false;
    this.#hasEnded = true;
    if (this.#root !== null) this.#modules.copies.remove(this.#root);
    return true;
  }
}
