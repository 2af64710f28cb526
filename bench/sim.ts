/**
 * `npm run bench:sim`: how fast simulated time passes with five nodes and no faults. A profile of the same run shows what the time is spent
 * on: the product's cryptography, other work of the product, or the simulation itself.
 */
import { Session, type Profiler } from 'node:inspector/promises';
import process from 'node:process';
import { nodeName, type RequestStep, type Scenario } from '../src/sim/scenario.ts';
import { simulate } from '../src/sim/simulate.ts';
import { aimAt } from './aims.ts';
import { table } from './statistics.ts';

const NODES = 5;
const HOUR_MS = 3_600_000;
const SAMPLE_US = 500;
/** How much time is simulated before the first measurement. */
const WARM_UP_HOURS = 0.5;

interface Load {
  readonly name: string;
  readonly hours: number;
  readonly writesPerSecond: number;
  /** Minimum number of simulated seconds per real second. */
  readonly aim: number;
}

const LOADS: readonly Load[] = [
  { name: 'no requests', hours: 4, writesPerSecond: 0, aim: 2_000 },
  { name: 'one write a second', hours: 1, writesPerSecond: 1, aim: 200 },
];

function scenarioOf({ hours, writesPerSecond }: Load): Scenario {
  const durationMs = hours * HOUR_MS;
  const steps: RequestStep[] = [];
  const everyMs = 1_000 / writesPerSecond;
  // The writes begin after the first minute, because the cluster starts during that minute.
  for (let atMs = 60_000, number = 0; writesPerSecond > 0 && atMs < durationMs; atMs += everyMs, number += 1) {
    steps.push({ atMs, do: 'put', node: nodeName(number % NODES), app: number % 2, key: `key-${number % 500}`, bytes: 100, ttlMs: 0, acks: 0 });
  }
  return { seed: 'bench', nodes: NODES, apps: 2, durationMs, settings: {}, steps };
}

/** The part of the program to which a function belongs, according to its file; null if unknown. */
function ownerOf({ url, functionName }: Profiler.ProfileNode['callFrame']): string | null {
  if (/secp256k1|@noble\/hashes|node:internal\/crypto|node:crypto|\/src\/crypto\//.test(url)) return 'cryptography';
  if (/\/src\/sim\/|\/src\/cli\//.test(url)) return 'simulation';
  if (/\/xstate\//.test(url)) return 'state machine (xstate)';
  if (/\/viem\//.test(url)) return 'reading the chain (viem)';
  if (/\/zod\//.test(url)) return 'checking schemas (zod)';
  if (/\/src\//.test(url)) return 'other work of the nodes';
  if (functionName === '(garbage collector)') return 'garbage collection';
  return null;
}

/** Each part's share of the time. If the part of a function is unknown, its time is added to the part of its caller. */
function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Map<string, number> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const owners = new Map<number, string>();
  const find = (id: number): string => {
    const known = owners.get(id);
    if (known !== undefined) return known;
    const parent = parents.get(id);
    const owner = ownerOf(frames.get(id)!) ?? (parent === undefined ? 'Node itself' : find(parent));
    owners.set(id, owner);
    return owner;
  };
  const times = new Map<string, number>();
  let total = 0;
  samples.forEach((id, at) => {
    const microseconds = timeDeltas[at] ?? 0;
    const owner = find(id);
    times.set(owner, (times.get(owner) ?? 0) + microseconds);
    total += microseconds;
  });
  return new Map([...times].map(([owner, time]) => [owner, time / total]));
}

async function measure(load: Load) {
  const startedMs = performance.now();
  const result = await simulate(scenarioOf(load));
  const seconds = (performance.now() - startedMs) / 1_000;
  if (result.violation !== null) throw new Error(`${result.violation.invariant}: ${result.violation.detail}`);
  return { seconds, result, ratio: result.simulatedMs / 1_000 / seconds };
}

async function profile(load: Load): Promise<Map<string, number>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US });
  await session.post('Profiler.start');
  await simulate(scenarioOf({ ...load, hours: load.hours / 4 }));
  const { profile: taken } = await session.post('Profiler.stop');
  session.disconnect();
  return sharesOf(taken);
}

// The code is compiled during the first simulated minutes, which are not measured.
await simulate(scenarioOf({ ...LOADS[0]!, hours: WARM_UP_HOURS }));
const rows: (string | number)[][] = [];
const shares = new Map<string, Map<string, number>>();
for (const load of LOADS) {
  const { seconds, result, ratio } = await measure(load);
  aimAt(`${load.name}: at least ${load.aim} simulated seconds per real second`, ratio >= load.aim);
  rows.push([load.name, result.simulatedMs / 1_000, seconds.toFixed(1), Math.round(ratio), load.aim, result.events, result.writes]);
  shares.set(load.name, await profile(load));
}
process.stdout.write(`${NODES} nodes, no faults; every invariant is checked after every event\n`);
process.stdout.write(`${table([['load', 'simulated s', 'real s', 'ratio', 'aim', 'events', 'writes'], ...rows])}\n\n`);
const owners = [...new Set([...shares.values()].flatMap((byOwner) => [...byOwner.keys()]))];
const shareRows = owners
  .map((owner) => [owner, ...LOADS.map(({ name }) => (shares.get(name)?.get(owner) ?? 0) * 100)] as const)
  .sort((a, b) => Number(b[1]) - Number(a[1]))
  .map(([owner, ...percents]) => [owner, ...percents.map((percent) => `${percent.toFixed(1)} %`)]);
process.stdout.write(`${table([['where the time goes', ...LOADS.map(({ name }) => name)], ...shareRows])}\n`);
