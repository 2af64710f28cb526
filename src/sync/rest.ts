/** How long this node waits after a failure before it tries a peer again. Each further failure makes the wait longer; a success ends it. */
import { backoffMs, type BackoffLimits } from '../domain/backoff.ts';
import type { Clock, Random } from '../domain/ports.ts';

export interface RestModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly random: Pick<Random, 'unit'>;
}

export class Rest {
  readonly #limits: BackoffLimits;
  readonly #modules: RestModules;
  /** Failures in a row. */
  #failures = 0;
  /** When the rest ends. Monotonic milliseconds. */
  #untilMs = -Infinity;

  constructor(limits: BackoffLimits, modules: RestModules) {
    this.#limits = limits;
    this.#modules = modules;
  }

  /** Milliseconds of rest that remain; 0 or less if the rest is over. */
  get leftMs(): number {
    return this.#untilMs - this.#modules.clock.monotonicMs();
  }

  get isOver(): boolean {
    return this.leftMs <= 0;
  }

  /** @param atLeastMs how long the peer asked this node to wait */
  noteFailure(atLeastMs = 0): void {
    const { clock, random } = this.#modules;
    this.#untilMs = clock.monotonicMs() + Math.max(backoffMs(this.#limits, this.#failures, random.unit()), atLeastMs);
    this.#failures += 1;
  }

  noteSuccess(): void {
    this.#failures = 0;
    this.end();
  }

  /** Ends the rest early. The next failure still leads to a longer rest. */
  end(): void {
    this.#untilMs = -Infinity;
  }
}
