/** Watches a process that runs seeds. The process may end with a result, crash or hang. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Job, SeedLine } from './run-seeds.ts';

const RUNNER = join(import.meta.dirname, 'run-seeds.ts');
/** Limit on the processor time of one seed. Unlike a limit on real time, it does not depend on what else the machine does. Seconds. */
const SEED_CPU_SECONDS = 180;
/** The shell sets the limit and is then replaced by the program. */
const LIMITED = 'ulimit -S -t "$0" && exec "$@"';
const MAX_STDERR_CHARS = 20_000;

export type Ending =
  | { readonly kind: 'held' }
  /** The process was stopped because its result was no longer needed. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'broken'; readonly seed: string; readonly invariant: string; readonly detail: string; readonly atMs: number }
  | { readonly kind: 'crashed' | 'hung'; readonly seed: string; readonly detail: string };

export class SeedsProcesses {
  readonly #seedCpuSeconds: number;
  readonly #running = new Set<ChildProcessByStdio<null, Readable, Readable>>();

  /** @param seedCpuSeconds limit on the processor time of one seed, in whole seconds */
  constructor(seedCpuSeconds = SEED_CPU_SECONDS) {
    this.#seedCpuSeconds = seedCpuSeconds;
  }

  /** @param signal when it is aborted, the process is killed */
  async run(job: Job, signal?: AbortSignal): Promise<Ending> {
    const cpuSeconds = this.#seedCpuSeconds * job.seeds.length;
    const child = spawn('/bin/sh', ['-c', LIMITED, String(cpuSeconds), process.execPath, '--no-warnings', RUNNER, JSON.stringify(job)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#running.add(child);
    const stop = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', stop, { once: true });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MAX_STDERR_CHARS)));
    const lines: SeedLine[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as SeedLine));
    const [code, endedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    signal?.removeEventListener('abort', stop);
    this.#running.delete(child);
    if (signal?.aborted === true) return { kind: 'stopped' };
    const broken = lines.at(-1)?.broken ?? null;
    const seed = job.seeds[lines.length - (broken === null ? 0 : 1)] ?? '';
    if (broken !== null) return { kind: 'broken', seed, ...broken };
    if (endedBy === 'SIGXCPU') return { kind: 'hung', seed, detail: `the seeds did not end within ${cpuSeconds} s of processor time` };
    if (code !== 0) return { kind: 'crashed', seed, detail: errorLine(said) };
    return { kind: 'held' };
  }

  killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}

/** Describes in one line how the process ended. */
export function wordsOf(ending: Ending): string {
  if (ending.kind === 'held' || ending.kind === 'stopped') return ending.kind;
  return ending.kind === 'broken' ? `${ending.invariant} (after ${(ending.atMs / 1_000).toFixed(1)} s): ${ending.detail}` : `${ending.kind}: ${ending.detail}`;
}

/** The error line of a crashed process. */
function errorLine(said: string): string {
  const lines = said.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines.find((line) => /^(?:\w*Error\b|Uncaught)/.test(line)) ?? lines.at(-1) ?? 'no error output';
}
