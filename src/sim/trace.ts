/**
 * The log of a simulation. The same seed leads to the same lines, byte for byte. If there is a sink, it receives all lines. The trace keeps
 * the last lines, which explain a failure, and a digest of all lines.
 */
import { createHash } from 'node:crypto';

/** Number of last lines that the trace keeps. */
const KEPT_LINES = 120;

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #sink: ((line: string) => void) | null;
  readonly #onLine: (line: string) => void;
  readonly #last: string[] = [];
  lines = 0;

  /**
   * @param sink receives each line, without a line break; null if there is no sink
   * @param onLine receives the same lines; unlike a sink, it does not turn on debug lines and network lines
   */
  constructor(sink: ((line: string) => void) | null, onLine: (line: string) => void = () => undefined) {
    this.#sink = sink;
    this.#onLine = onLine;
  }

  /** Whether there is a sink. Without a sink, the callers of `add` leave out debug lines and network lines. */
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
    this.#onLine(line);
    this.#sink?.(line);
  }

  last(): readonly string[] {
    return this.#last;
  }

  /** SHA-256 of all lines so far, in hex. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
