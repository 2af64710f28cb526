/** A mutant is a known fault that is put back into the product's sources, with the runs of the simulator that must find it. */
import { FAULT_PROFILES, type FaultLevel, type FaultProfile } from '../../src/sim/faults/fault-profiles.ts';
import type { ScenarioOptions } from '../../src/sim/make-scenario.ts';
import type { FaultKind, Scenario, Step } from '../../src/sim/scenario.ts';

export interface Replacement {
  /** Path below `src`. */
  readonly file: string;
  /** The text to replace. It must occur exactly once. */
  readonly find: string;
  readonly put: string;
}

/** The options of a mutant's runs that differ from the defaults. */
export interface Runs {
  readonly nodes?: number;
  readonly apps?: number;
  readonly hours?: number;
  /** Requests per simulated second, from all apps together. */
  readonly requests?: number;
  readonly faults?: FaultLevel;
  /** Rates or durations of faults that differ from those of the level in `faults`. */
  readonly rates?: Readonly<Partial<Record<FaultKind, { readonly perHour: number; readonly forSeconds?: readonly [number, number]; readonly amount?: readonly [number, number] }>>>;
  /** Steps that are added to those that the seed generates. */
  readonly steps?: readonly Step[];
  /** Environment variables of the nodes. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Mutant {
  readonly name: string;
  /**
   * The section of protocol.md that describes the mistake, such as `§9.4`; `own`: a mistake that protocol.md does not describe, but that
   * this implementation could make.
   */
  readonly section: string;
  /** The fault in one sentence. */
  readonly what: string;
  readonly replace: readonly Replacement[];
  readonly runs?: Runs;
  /** A seed that finds the mutant, tried before the usual seeds. Set it if the first few of the usual seeds do not find the mutant. */
  readonly seed?: string;
}

const USUAL = { nodes: 5, apps: 2, hours: 0.25, requests: 0.3, faults: 'default' } as const satisfies Runs;
const HOUR_MS = 3_600_000;

export function scenarioOptionsOf(runs: Runs, seed: string): ScenarioOptions {
  const { nodes, apps, hours, requests, faults, rates = {}, settings = {} } = { ...USUAL, ...runs };
  return { seed, nodes, apps, durationMs: Math.round(hours * HOUR_MS), faults: profileOf(faults, rates), requestsPerSecond: requests, settings };
}

/** The scenario of a seed, merged with the steps of the runs. */
export function withSteps(scenario: Scenario, { steps = [] }: Runs): Scenario {
  return { ...scenario, steps: [...scenario.steps, ...steps].sort((a, b) => a.atMs - b.atMs) };
}

function profileOf(level: FaultLevel, rates: NonNullable<Runs['rates']>): FaultProfile {
  const profile: FaultProfile = { ...FAULT_PROFILES[level] };
  for (const [kind, { perHour, forSeconds, amount }] of Object.entries(rates)) {
    const usual = FAULT_PROFILES.default[kind as FaultKind]!;
    profile[kind as FaultKind] = {
      perHour,
      forMs: forSeconds === undefined ? usual.forMs : [forSeconds[0] * 1_000, forSeconds[1] * 1_000],
      amount: amount === undefined ? usual.amount : [...amount],
    };
  }
  return profile;
}
