/** Runs one scenario from start to end and returns its result. */
import { watchAsOwner } from './owner.ts';
import { QuietTime } from './quiet-time.ts';
import { Recovery } from './recovery.ts';
import type { Scenario } from './scenario.ts';
import { Simulation } from './simulation.ts';
import type { Violation } from './watch/violation.ts';
import type { Life } from './world/sim-node.ts';

export interface SimulateOptions {
  /** Receives every line of the trace. */
  readonly onTrace?: (line: string) => void;
  /** Receives every event for the visualiser, each as a line of JSON. */
  readonly onEvent?: (line: string) => void;
  /** The run ends soon after the first line of the trace that contains this text. */
  readonly until?: string;
  /** Called from time to time with the current simulated time in milliseconds. */
  readonly onProgress?: (simulatedMs: number) => void;
  /** Called with each process before its first event, for tests that break something on purpose. */
  readonly onStart?: (life: Life) => void;
}

export interface SimulationResult {
  readonly seed: string;
  readonly violation: Violation | null;
  readonly simulatedMs: number;
  readonly events: number;
  readonly writes: number;
  /** Number of writes that no node needs to hold any more, because all honest nodes that held them have lost their stores. */
  readonly lost: number;
  /** How many times each kind of fault took effect. */
  readonly injected: Readonly<Record<string, number>>;
  /** How many times each invariant was checked. */
  readonly checks: Readonly<Record<string, number>>;
  /** How many requests of each kind ended with each outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** SHA-256 of the trace, in hex. */
  readonly digest: string;
  readonly lastLines: readonly string[];
}

const SECRET_INVARIANT = 'no secret is in the trace';
/**
 * A run is divided into stretches of this length. After each stretch, the run reports its progress, and ends if the `until` text has
 * appeared. Simulated milliseconds.
 */
const STRETCH_MS = 60_000;
/** The length of a stretch when there is an `until` text. Simulated milliseconds. */
const LISTENING_STRETCH_MS = 1_000;

export async function simulate(scenario: Scenario, { onTrace, onEvent, until, onStart, onProgress }: SimulateOptions = {}): Promise<SimulationResult> {
  /** Lines that have not been searched for secrets yet. */
  const lines: string[] = [];
  const heard = { enough: false };
  const sink = (line: string): void => {
    if (until !== undefined && line.includes(until)) heard.enough = true;
    onTrace?.(line);
  };
  const noteEvent = (line: string): void => {
    lines.push(line);
    onEvent?.(line);
  };
  const simulation = await Simulation.of(scenario, {
    onTrace: onTrace === undefined && until === undefined ? null : sink,
    onLine: (line) => void lines.push(line),
    onEvent: onEvent === undefined ? undefined : noteEvent,
    onStart,
  });
  watchAsOwner(simulation);
  const endMs = scenario.durationMs;
  const stretchMs = until === undefined ? STRETCH_MS : LISTENING_STRETCH_MS;
  while (simulation.timeline.nowMs < endMs && simulation.violation === null && !heard.enough) {
    await simulation.run(Math.min(stretchMs, endMs - simulation.timeline.nowMs));
    findSecrets(simulation, lines);
    onProgress?.(simulation.timeline.nowMs);
  }
  if (simulation.violation === null && !heard.enough && (await new Recovery(simulation).run())) await new QuietTime(simulation).run();
  findSecrets(simulation, lines);
  return {
    seed: scenario.seed,
    violation: simulation.violation,
    simulatedMs: simulation.timeline.nowMs,
    events: simulation.timeline.events,
    writes: simulation.history.size,
    lost: simulation.history.lost,
    injected: Object.fromEntries(simulation.injected),
    checks: Object.fromEntries(simulation.checks.counts),
    outcomes: Object.fromEntries(simulation.outcomes),
    digest: simulation.trace.digest(),
    lastLines: simulation.trace.last(),
  };
}

/** Searches the lines for secrets, and then drops the lines, because a long run has too many of them to keep. */
function findSecrets(simulation: Simulation, lines: string[]): void {
  if (lines.length === 0) return;
  const text = lines.splice(0).join('\n');
  simulation.checks.note(SECRET_INVARIANT);
  const lower = text.toLowerCase();
  for (const secret of simulation.secrets) {
    const bytes = Buffer.from(secret);
    const isThere = lower.includes(bytes.toString('hex')) || text.includes(bytes.toString('base64').replace(/=+$/, '')) || text.includes(bytes.toString('base64url'));
    if (isThere) simulation.report(SECRET_INVARIANT, 'a master secret or a derived key');
  }
}
