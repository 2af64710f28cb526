/** The output of `npm run sim`: progress, and the totals of all runs. */
import { FAULT_PROFILES } from '../../sim/faults/fault-profiles.ts';
import type { SimulationResult } from '../../sim/simulate.ts';
import type { SimOptions } from './options.ts';

export interface SimSum {
  readonly runs: number;
  readonly failed: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly writes: number;
  readonly lost: number;
  readonly injected: ReadonlyMap<string, number>;
  readonly checks: ReadonlyMap<string, number>;
  readonly outcomes: ReadonlyMap<string, number>;
  /** Digest of the last run's trace. */
  readonly digest: string;
}

export function sumOf(results: readonly SimulationResult[]): SimSum {
  const total = (read: (result: SimulationResult) => number): number => results.reduce((sum, result) => sum + read(result), 0);
  const merged = (read: (result: SimulationResult) => Readonly<Record<string, number>>): ReadonlyMap<string, number> => {
    const all = new Map<string, number>();
    for (const result of results) for (const [name, count] of Object.entries(read(result))) all.set(name, (all.get(name) ?? 0) + count);
    return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return {
    runs: results.length,
    failed: results.filter(({ violation }) => violation !== null).length,
    simulatedMs: total(({ simulatedMs }) => simulatedMs),
    events: total(({ events }) => events),
    writes: total(({ writes }) => writes),
    lost: total(({ lost }) => lost),
    injected: merged(({ injected }) => injected),
    checks: merged(({ checks }) => checks),
    outcomes: merged(({ outcomes }) => outcomes),
    digest: results.at(-1)?.digest ?? '',
  };
}

export function progressLine(results: readonly SimulationResult[], of: number, seconds: number): string {
  const { runs, failed, simulatedMs } = sumOf(results);
  return `${runs} of ${of} seeds, ${failed} failed, ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(0)} s`;
}

export function summaryLines(sum: SimSum, seconds: number): string[] {
  const simulated = sum.simulatedMs / 1_000;
  return [
    ...table('faults that took effect', sum.injected),
    ...table('how requests ended', sum.outcomes),
    ...table('invariants, and how often each was checked', sum.checks),
    `${sum.runs} runs, ${sum.failed} failed`,
    `simulated ${(simulated / 3_600).toFixed(2)} h in ${seconds.toFixed(1)} s: ${Math.round(simulated / seconds)} times as fast as real time`,
    `${sum.events} events, ${sum.writes} writes, ${sum.lost} of them lost with the last node that held them`,
    ...(sum.runs === 1 ? [`trace ${sum.digest}`] : []),
  ];
}

function table(title: string, rows: ReadonlyMap<string, number>): string[] {
  if (rows.size === 0) return [];
  return [`${title}:`, ...[...rows].map(([name, count]) => `  ${String(count).padStart(9)}  ${name}`), ''];
}

/** The command that reproduces a failing seed. */
export function replayCommand(seed: string, { nodes, apps, hours, faultsName, requests, settings }: SimOptions): string {
  const faults = Object.hasOwn(FAULT_PROFILES, faultsName) ? faultsName : JSON.stringify(faultsName);
  const set = Object.entries(settings).map(([name, value]) => ` --set ${name}=${value}`).join('');
  return `npm run sim -- --seed ${seed} --nodes ${nodes} --apps ${apps} --hours ${hours} --faults ${faults} --requests ${requests}${set}`;
}
