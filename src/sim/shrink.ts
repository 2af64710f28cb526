/**
 * Shrinks a failing scenario (delta debugging, Zeller and Hildebrandt 2002). It removes every part that the violation does not need:
 * first halves, then smaller and smaller parts. Then it tries fewer nodes, fewer apps and shorter faults.
 */
import { nodeName, type Scenario, type Step } from './scenario.ts';
import { simulate, type SimulationResult } from './simulate.ts';

export interface ShrinkOptions {
  /** Maximum number of runs. */
  readonly maxRuns: number;
  readonly onProgress?: (runs: number, steps: number) => void;
  /** Runs a scenario in the same way as the failing run. */
  readonly run?: (scenario: Scenario) => Promise<SimulationResult>;
}

export interface Shrunk {
  readonly scenario: Scenario;
  readonly result: SimulationResult;
  readonly runs: number;
}

const MIN_NODES = 1;

/** @param result the result of the unchanged scenario; it must contain a violation */
export async function shrink(scenario: Scenario, result: SimulationResult, { maxRuns, onProgress, run = simulate }: ShrinkOptions): Promise<Shrunk> {
  const wanted = result.violation?.invariant;
  let best: Shrunk = { scenario, result, runs: 0 };
  let runs = 0;
  /** Whether a smaller scenario still breaks the same rule. If so, it becomes the new best scenario. */
  const holds = async (candidate: Scenario): Promise<boolean> => {
    if (runs >= maxRuns) return false;
    runs += 1;
    const outcome = await run(candidate);
    const same = outcome.violation?.invariant === wanted;
    if (same) best = { scenario: candidate, result: outcome, runs };
    onProgress?.(runs, best.scenario.steps.length);
    return same;
  };
  await holds(cutAfter(scenario, result));
  for (let size = Math.ceil(best.scenario.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.scenario.steps.length && runs < maxRuns; ) {
      const { steps } = best.scenario;
      const fewer = [...steps.slice(0, at), ...steps.slice(at + size)];
      if (!(await holds({ ...best.scenario, steps: fewer }))) at += size;
    }
  }
  while (best.scenario.nodes > MIN_NODES && (await anyHolds(withoutLastNode(best.scenario), holds)));
  while (best.scenario.apps > 1 && (await holds({ ...best.scenario, apps: best.scenario.apps - 1 })));
  for (let at = 0; at < best.scenario.steps.length; at += 1) {
    for (let again = true; again; ) {
      const step = best.scenario.steps[at]!;
      again = step.do === 'fault' && step.forMs > 1_000 && (await holds(withStep(best.scenario, at, { ...step, forMs: Math.round(step.forMs / 2) })));
    }
  }
  return { ...best, runs };
}

/** Cuts off everything after the violation. */
function cutAfter(scenario: Scenario, { violation }: SimulationResult): Scenario {
  const endMs = Math.min(scenario.durationMs, violation?.atMs ?? Infinity);
  return { ...scenario, durationMs: Math.ceil(endMs), steps: scenario.steps.filter(({ atMs }) => atMs <= endMs) };
}

/** Removes the last node. Returns one scenario for each remaining node, in which that node takes over the steps of the removed node. */
function withoutLastNode(scenario: Scenario): Scenario[] {
  const nodes = scenario.nodes - 1;
  const gone = nodeName(nodes);
  const takenOver = (standIn: string, step: Step): Step => {
    const other = step.do === 'fault' && step.other === gone ? { other: standIn } : {};
    return { ...step, ...(step.node === gone ? { node: standIn } : {}), ...other };
  };
  return Array.from({ length: nodes }, (_, place) => ({ ...scenario, nodes, steps: scenario.steps.map((step) => takenOver(nodeName(place), step)) }));
}

async function anyHolds(candidates: readonly Scenario[], holds: (candidate: Scenario) => Promise<boolean>): Promise<boolean> {
  for (const candidate of candidates) if (await holds(candidate)) return true;
  return false;
}

function withStep(scenario: Scenario, at: number, step: Step): Scenario {
  return { ...scenario, steps: scenario.steps.map((known, place) => (place === at ? step : known)) };
}
