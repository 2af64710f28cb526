/**
 * Checks answers to apps: a node must answer a wallet that it authorized within the last day, even while other callers flood the node
 * (protocol.md §8).
 */
import type { RequestStep } from '../scenario.ts';
import type { RequestOutcome } from '../world/sim-app.ts';
import type { Life } from '../world/sim-node.ts';
import { AbsenceWatch, type AbsenceWatchModules } from './absence-watch.ts';

/** Outcomes of a request for which a flooded node had no capacity left. */
const STARVED: ReadonlySet<string> = new Set(['rate_limited', 'service_unavailable', 'timeout', 'unauthorized']);
/** The node must answer within this time, even during a flood. Milliseconds. */
const SERVED_MS = 6_000;
/** A node remembers for a day that a wallet was authorized. This value is one hour less than that, as a margin. Milliseconds. */
const REMEMBERED_MS = 23 * 60 * 60 * 1_000;

export interface CallerWatchModules extends AbsenceWatchModules {
  /** Whether the process has run undisturbed for at least `forMs`. */
  readonly isCalm: (life: Life, forMs: number) => boolean;
}

/** A request that has been answered. */
export interface Answered {
  readonly appId: string;
  readonly step: RequestStep;
  readonly ended: RequestOutcome;
  /** Simulated milliseconds. */
  readonly askedMs: number;
  /** Whether the node is being flooded when the answer arrives. */
  readonly isFlooded: boolean;
}

export class CallerWatch {
  readonly #modules: CallerWatchModules;
  readonly #absences: AbsenceWatch;
  /** When each process last answered each app successfully. Simulated milliseconds. */
  readonly #served = new WeakMap<Life, Map<string, number>>();

  constructor(modules: CallerWatchModules) {
    this.#modules = modules;
    this.#absences = new AbsenceWatch(modules);
  }

  judge(life: Life, answered: Answered): void {
    if (life.gone || life.instance.everLied) return;
    if (answered.isFlooded && this.#isKnown(life, answered)) this.#checkServed(life, answered);
    if (answered.ended.outcome === 'ok') this.#noteServed(life, answered.appId);
    this.#absences.judge(life, answered.appId, answered.step, answered.ended);
  }

  /** Whether the node still remembers the app as authorized. It treats any other app like a stranger. */
  #isKnown(life: Life, { appId, askedMs }: Answered): boolean {
    const servedMs = this.#served.get(life)?.get(appId);
    return servedMs !== undefined && askedMs - servedMs < REMEMBERED_MS;
  }

  #noteServed(life: Life, appId: string): void {
    const served = this.#served.get(life) ?? new Map<string, number>();
    served.set(appId, this.#modules.nowMs());
    this.#served.set(life, served);
  }

  #checkServed(life: Life, { step, ended: { outcome }, askedMs }: Answered): void {
    const { checks, report, nowMs, isCalm } = this.#modules;
    const invariant = 'a caller with a valid proof is answered during a flood';
    const tookMs = nowMs() - askedMs;
    const { state, sinceMs } = life.node.readiness();
    if (!isCalm(life, tookMs) || state !== 'ready' || life.clock.nowMs() - sinceMs < tookMs) return;
    checks.note(invariant);
    if (STARVED.has(outcome) || tookMs > SERVED_MS) report(invariant, `${life.name} answers ${step.do} with ${outcome} after ${Math.round(tookMs)} ms`, life.name);
  }
}
