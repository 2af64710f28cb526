/** Generates a scenario from a seed: the faults with their times, and the requests from the apps. */
import type { FaultProfile } from './faults/fault-profiles.ts';
import { LIE_KINDS } from './faults/lie-kinds.ts';
import { nodeName, type FaultKind, type FaultStep, type RequestStep, type Scenario, type Step } from './scenario.ts';
import { SeededRandom } from './world/seeded.ts';

export interface ScenarioOptions {
  readonly seed: string;
  readonly nodes: number;
  readonly apps: number;
  readonly durationMs: number;
  readonly faults: FaultProfile;
  /** Number of requests per second from all apps together. */
  readonly requestsPerSecond: number;
  readonly settings?: Readonly<Record<string, string>>;
}

const HOUR_MS = 3_600_000;
/** No fault begins before this time, except the claim faults that some seeds have from the start. */
const QUIET_START_MS = 5_000;
/** Number of ordinary keys per app; apps write these keys repeatedly. */
const KEYS = 40;
const PATHS = 8;
/** Share of requests that come from the app with the oversized id. */
const OVERSIZED_SHARE = 0.02;
/** Share of puts that are repeated at the same moment with a different value, on the same node or on another one. */
const TWIN_SHARE = 0.02;
/** Unusual keys that a store must accept like any other key. */
const ODD_KEYS = ['a/b', '..', '__proto__', 'ключ', '🔑', 'a?b=c', ' '];

const CLAIM_FAULT_KINDS = ['claim lost', 'claim stuck', 'claim answer lost', 'claim forgotten', 'claim underpriced', 'absurd tip'] as const satisfies readonly FaultKind[];
const EVERYWHERE: ReadonlySet<FaultKind> = new Set(['loss', 'delay', 'duplicate', 'reorder', 'cut half-way', 'reorganisation', 'hash reset', 'node joins', 'older node joins', ...CLAIM_FAULT_KINDS]);

/** Faults that change the chain. A reorganisation may follow and undo the change. */
const ON_CHAIN: ReadonlySet<FaultKind> = new Set(['instance stopped', 'version revoked', 'version deprecated', 'wrong key registered', 'node joins', 'URL moves', 'hash reset', 'crash']);
/** Lies that affect only a node that has just restarted. So `companionsOf` adds a crash of an honest node for each such lie. */
const TO_NEWCOMERS: ReadonlySet<FaultKind> = new Set(['liar: wrong secret', 'liar: garbage seal', 'liar: endless snapshot', 'liar: poisoned snapshot', 'liar: empty snapshot']);
const LIAR_SEED_SHARE = 0.6;
const MIN_NODES_WITH_LIARS = 3;
/** Duration of a claim fault that is added to a reset. Milliseconds. */
const CLAIM_FATE_MS = 90_000;

export function makeScenario(options: ScenarioOptions): Scenario {
  const { seed, nodes, apps, durationMs, settings = {} } = options;
  const requests = requestsOf(options);
  const steps: Step[] = [...faultsOf(options), ...requests, ...twinsOf(requests, options)];
  steps.sort((a, b) => a.atMs - b.atMs);
  return { seed, nodes, apps, durationMs, settings: { ...settings }, steps };
}

function faultsOf({ seed, nodes, durationMs, faults }: ScenarioOptions): FaultStep[] {
  const steps: FaultStep[] = [];
  const names = Array.from({ length: nodes }, (_, place) => nodeName(place));
  const liars = liarsOf(seed, names);
  for (const [kind, rate] of Object.entries(faults) as [FaultKind, NonNullable<FaultProfile[FaultKind]>][]) {
    const random = new SeededRandom(`${seed}/fault ${kind}`);
    const targets = isLie(kind) ? liars : names;
    if (rate.perHour <= 0 || targets.length === 0) continue;
    const draw = (atMs: number): FaultStep => {
      const node = EVERYWHERE.has(kind) ? '' : random.pick(targets);
      const other = kind.endsWith('partition') && random.chance(0.5) ? random.pick(names.filter((name) => name !== node)) : '';
      return { atMs: Math.round(atMs), do: 'fault', kind, node, other, forMs: Math.round(between(random, rate.forMs)), amount: amountOf(random, rate.amount) };
    };
    // A claim fault matters only while there are claims: at the start (here) and after a reset (`companionsOf`).
    if ((CLAIM_FAULT_KINDS as readonly string[]).includes(kind)) {
      if (random.chance(Math.min(0.5, rate.perHour / 6))) steps.push({ ...draw(0), atMs: 0 });
      continue;
    }
    for (let atMs = QUIET_START_MS + random.exponential(HOUR_MS / rate.perHour); atMs < durationMs; atMs += random.exponential(HOUR_MS / rate.perHour)) {
      steps.push(draw(atMs));
    }
  }
  return [...steps, ...companionsOf(seed, steps, faults, names.filter((name) => !liars.includes(name)))];
}

/**
 * The members that lie. With some seeds, no member lies. The liars stay the same for the whole run, so that the rules apply fully to the
 * other members.
 */
function liarsOf(seed: string, names: readonly string[]): readonly string[] {
  const random = new SeededRandom(`${seed}/liars`);
  if (names.length < MIN_NODES_WITH_LIARS || !random.chance(LIAR_SEED_SHARE)) return [];
  const first = random.between(0, names.length - 1);
  const liars = Math.max(1, Math.floor((names.length - 1) / 2));
  return Array.from({ length: liars }, (_, place) => names[(first + place) % names.length]!);
}

/**
 * Faults that accompany other faults: a claim fault after a reset, a reorganisation after a change on the chain, and a chain head that
 * does not move while a revoked liar asks a node for the secret. Some lies are accompanied by the crash of an honest node, so that a liar
 * can answer that node when it restarts.
 */
function companionsOf(seed: string, steps: readonly FaultStep[], faults: FaultProfile, honest: readonly string[]): FaultStep[] {
  const random = new SeededRandom(`${seed}/companions`);
  const has = (kind: FaultKind): boolean => (faults[kind]?.perHour ?? 0) > 0;
  const fates = CLAIM_FAULT_KINDS.filter(has);
  const companions: FaultStep[] = [];
  const add = (atMs: number, kind: FaultKind, fields: Partial<FaultStep>): void => {
    companions.push({ atMs: Math.round(atMs), do: 'fault', kind, node: '', other: '', forMs: 0, amount: 0, ...fields });
  };
  for (const { atMs, kind, forMs } of steps) {
    if (kind === 'hash reset' && fates.length > 0 && random.chance(0.7)) {
      const kind = random.pick(fates);
      add(atMs, kind, { forMs: CLAIM_FATE_MS, amount: amountOf(random, faults[kind]!.amount) });
    }
    if (ON_CHAIN.has(kind) && has('reorganisation') && random.chance(0.5)) add(atMs + random.between(4_000, 9_000), 'reorganisation', { amount: random.between(2, 5) });
    if (kind === 'liar: revoked and asking' && has('chain head stands still') && honest.length > 0) add(atMs - 2_000, 'chain head stands still', { node: random.pick(honest), forMs });
    if (TO_NEWCOMERS.has(kind) && has('crash') && honest.length > 0) add(atMs + 1_000, 'crash', { node: random.pick(honest), forMs: 2_000 });
  }
  return companions;
}

function between(random: SeededRandom, [least, most]: readonly [number, number]): number {
  return least + random.unit() * (most - least);
}

/** Draws an amount: a whole number if the upper limit is above 1 (milliseconds, blocks), otherwise a share. */
function amountOf(random: SeededRandom, range: readonly [number, number]): number {
  const drawn = between(random, range);
  return range[1] > 1 ? Math.round(drawn) : Math.round(drawn * 1_000) / 1_000;
}

function isLie(kind: FaultKind): boolean {
  return (LIE_KINDS as readonly string[]).includes(kind);
}

function requestsOf({ seed, nodes, apps, durationMs, requestsPerSecond }: ScenarioOptions): RequestStep[] {
  const random = new SeededRandom(`${seed}/requests`);
  const steps: RequestStep[] = [];
  if (requestsPerSecond <= 0) return steps;
  for (let atMs = random.exponential(1_000 / requestsPerSecond); atMs < durationMs; atMs += random.exponential(1_000 / requestsPerSecond)) {
    const dice = random.unit();
    const what: RequestStep['do'] = dice < 0.55 ? 'put' : dice < 0.68 ? 'delete' : dice < 0.8 ? 'get' : dice < 0.83 ? 'list' : 'derive';
    const key = what === 'derive' ? `path-${random.between(1, PATHS)}` : random.chance(0.05) ? random.pick(ODD_KEYS) : `key-${random.between(1, KEYS)}`;
    const bytes = random.chance(0.01) ? 65_536 : random.between(1, 300);
    const step: RequestStep = { atMs: Math.round(atMs), do: what, node: nodeName(random.between(0, nodes - 1)), app: random.chance(OVERSIZED_SHARE) ? apps : random.between(0, apps - 1), key, bytes, ttlMs: 0, acks: 0 };
    if (what === 'put' && random.chance(0.1)) step.ttlMs = random.between(5_000, 60_000);
    if ((what === 'put' || what === 'delete') && random.chance(0.2)) step.acks = random.between(1, Math.max(1, Math.min(2, nodes - 1)));
    steps.push(step);
  }
  return steps;
}

/** Repeats some puts at the same moment with a different value. All nodes must then agree on which of the two records they keep. */
function twinsOf(requests: readonly RequestStep[], { seed, nodes }: ScenarioOptions): RequestStep[] {
  const random = new SeededRandom(`${seed}/twins`);
  const written = requests.filter((request) => request.do === 'put' && random.chance(TWIN_SHARE));
  return written.map((request) => ({ ...request, node: nodeName(random.between(0, nodes - 1)), acks: 0 }));
}
