/** Runs of the unchanged sources. Each run happens only once, even if several mutants need it. */
import { scenarioOptionsOf, type Runs } from './mutant.ts';
import type { Ending, SeedsProcesses } from './seeds-process.ts';

export class Control {
  readonly #root: string;
  readonly #processes: Pick<SeedsProcesses, 'run'>;
  readonly #known = new Map<string, Promise<Ending>>();

  constructor(root: string, processes: Pick<SeedsProcesses, 'run'>) {
    this.#root = root;
    this.#processes = processes;
  }

  run(runs: Runs, seed: string): Promise<Ending> {
    // The id is made from the complete options, including defaults, so that mutants with the same effective options share one run.
    const id = JSON.stringify([scenarioOptionsOf(runs, seed), runs.steps ?? []]);
    const known = this.#known.get(id) ?? this.#processes.run({ root: this.#root, runs, seeds: [seed] });
    this.#known.set(id, known);
    return known;
  }
}
