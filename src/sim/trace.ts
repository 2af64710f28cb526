/**
 * What happened, line by line: the same seed gives the same lines, byte for byte. All of it goes to the sink, if there is one; the last
 * lines are kept for a failure, and a digest over all of it is kept always.
 */
import { createHash } from 'node:crypto';

/** Lines kept for a failure. */
const KEPT_LINES = 120;

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #sink: ((line: string) => void) | null;
  readonly #last: string[] = [];
  lines = 0;

  /** @param sink takes each line without its end; null: the whole is not wanted */
  constructor(sink: ((line: string) => void) | null) {
    this.#sink = sink;
  }

  /** Whether details are worth writing, too. */
  get isWanted(): boolean {
    return this.#sink !== null;
  }

  /** @param nowMs simulated milliseconds */
  add(nowMs: number, text: string): void {
    const line = `${(nowMs / 1_000).toFixed(3).padStart(10)} ${text}`;
    this.lines += 1;
    this.#hash.update(`${line}\n`);
    this.#last.push(line);
    if (this.#last.length > KEPT_LINES) this.#last.shift();
    this.#sink?.(line);
  }

  last(): readonly string[] {
    return this.#last;
  }

  /** Hex; ends the trace. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
