/** How long a peer is left alone after a failure: longer each time, and not at all after a success. */
import { backoffMs, type BackoffLimits } from '../domain/backoff.ts';
import type { Clock, Random } from '../domain/ports.ts';

export interface RestModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly random: Pick<Random, 'unit'>;
}

export class Rest {
  readonly #limits: BackoffLimits;
  readonly #modules: RestModules;
  /** In a row. */
  #failures = 0;
  /** Monotonic milliseconds. */
  #untilMs = -Infinity;

  constructor(limits: BackoffLimits, modules: RestModules) {
    this.#limits = limits;
    this.#modules = modules;
  }

  /** Milliseconds that are left of it; 0 or less: none. */
  get leftMs(): number {
    return this.#untilMs - this.#modules.clock.monotonicMs();
  }

  get isOver(): boolean {
    return this.leftMs <= 0;
  }

  /** @param atLeastMs what the peer itself asked for */
  noteFailure(atLeastMs = 0): void {
    const { clock, random } = this.#modules;
    this.#untilMs = clock.monotonicMs() + Math.max(backoffMs(this.#limits, this.#failures, random.unit()), atLeastMs);
    this.#failures += 1;
  }

  noteSuccess(): void {
    this.#failures = 0;
    this.end();
  }

  /** There is no reason to wait any more; the next failure rests longer all the same. */
  end(): void {
    this.#untilMs = -Infinity;
  }
}
