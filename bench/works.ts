/** Workloads that take turns. A workload has a request, callers, and a process that answers. Figures are kept for each turn. */
import type { KmsClient } from '../src/client/kms-client.ts';
import { benchKey } from './bench-key.ts';
import { exactCpuMs } from './process-figures.ts';
import { median, percentile } from './statistics.ts';

export type Ask = (client: KmsClient, key: string) => Promise<unknown>;

export interface Work {
  readonly name: string;
  /** Number of keys in the namespace of the workload; null when it uses no keys. */
  readonly size: number | null;
  readonly client: KmsClient;
  readonly callers: number;
  readonly ask: Ask;
  /** The process that answers. */
  readonly pid: number;
  /** Starts something that runs during the turn. The returned function ends it. */
  readonly beside?: (() => () => Promise<void>) | undefined;
}

export class Figures {
  readonly latenciesMs: number[] = [];
  readonly perSecond: number[] = [];
  readonly cpuMs: number[] = [];
  /** The beginning and the end of each turn. Unix milliseconds. */
  readonly turnsMs: (readonly [from: number, to: number])[] = [];
}

export interface Turns {
  readonly turns: number;
  readonly turnMs: number;
}

/** The first requests to a process are not counted: its code is compiled during these requests, which doubles their cost. */
const WARM_UP_REQUESTS = 4_000;
const WARM_UP_CALLERS = 16;

export const HEAD = ['request', 'keys', 'callers', 'per s', 'p50 ms', 'p99 ms', 'CPU ms'];

export function row({ name, size, callers }: Work, { latenciesMs, perSecond, cpuMs: perRequestMs }: Figures): (string | number)[] {
  return [name, size ?? '-', callers, Math.round(median(perSecond)), median(latenciesMs).toFixed(2), percentile(latenciesMs, 99).toFixed(2), median(perRequestMs).toFixed(2)];
}

/** The workloads take turns. The first turn of each workload is not counted. */
export async function measure(works: readonly Work[], { turns, turnMs }: Turns): Promise<readonly Figures[]> {
  const figures = works.map(() => new Figures());
  for (let turn = 0; turn <= turns; turn += 1) {
    for (const [place, work] of works.entries()) await takeTurn(work, turn === 0 ? new Figures() : figures[place]!, turnMs);
  }
  return figures;
}

async function takeTurn({ size, client, callers, ask, pid, beside }: Work, figures: Figures, turnMs: number): Promise<void> {
  let asked = 0;
  const end = beside?.();
  const cpuBeforeMs = exactCpuMs(pid);
  const startedMs = performance.now();
  const call = async (): Promise<void> => {
    while (performance.now() - startedMs < turnMs) {
      asked += 1;
      const key = benchKey(asked % (size ?? 1));
      const fromMs = performance.now();
      await ask(client, key);
      figures.latenciesMs.push(performance.now() - fromMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  const endedMs = performance.now();
  figures.perSecond.push((asked * 1_000) / (endedMs - startedMs));
  figures.cpuMs.push((exactCpuMs(pid) - cpuBeforeMs) / asked);
  figures.turnsMs.push([performance.timeOrigin + startedMs, performance.timeOrigin + endedMs]);
  await end?.();
}

/** Runs the first workload of each process until the code of the process is compiled. */
export async function warmUp(works: readonly Work[], requests = WARM_UP_REQUESTS): Promise<void> {
  const processes = new Map(works.toReversed().map((work) => [work.pid, work]));
  for (const { client, ask } of processes.values()) {
    let asked = 0;
    const call = async (): Promise<void> => {
      while (asked < requests) {
        asked += 1;
        await ask(client, benchKey(0));
      }
    };
    await Promise.all(Array.from({ length: WARM_UP_CALLERS }, call));
  }
}

/** Median ratio of `one` to `other` in adjacent turns. Other load on the machine affects adjacent turns equally. */
export function medianRatio(one: readonly number[], other: readonly number[]): number {
  return median(one.map((figure, turn) => figure / other[turn]!));
}
