/** Captures the output of one of a cluster's processes: keeps a limited number of lines in memory, and passes each line to a listener. */
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';

/** Maximum length of a kept line; the rest of the line is cut off. Characters. */
const MAX_LINE_CHARS = 16 * 1024;
/** The lines that Node.js prints around the message of an uncaught error: the place of the error, its stack and the version. */
const STACK_NOISE = /^(?:\s.*|[})\]]|Node\.js v.*)?$/;

export interface CapturedLine {
  /** The name of the process, such as `node-1` or `emulator-1`. */
  readonly source: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export class CapturedOutput {
  readonly #source: string;
  readonly #keepLines: number;
  readonly #onLine: ((line: CapturedLine) => void) | undefined;
  #lines: CapturedLine[] = [];
  #lastError: CapturedLine | null = null;

  constructor(source: string, keepLines: number, onLine?: (line: CapturedLine) => void) {
    this.#source = source;
    this.#keepLines = keepLines;
    this.#onLine = onLine;
  }

  /** The last `keepLines` lines, oldest first. */
  lines(): readonly CapturedLine[] {
    return this.#lines.slice(-this.#keepLines);
  }

  /** The last line on standard error since `forgetLastError`. The lines that Node.js prints around an error are skipped. */
  lastError(): string | null {
    return this.#lastError?.text ?? null;
  }

  /** Call this when a new process with the same name starts. */
  forgetLastError(): void {
    this.#lastError = null;
  }

  /** Reads a stream until it ends. @param onText called with each line that ends in a line break */
  follow(stream: 'stdout' | 'stderr', readable: Readable, onText?: (text: string) => void): void {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    readable.on('data', (chunk: Buffer) => {
      const parts = (rest + decoder.write(chunk)).split('\n');
      rest = parts.pop()!.slice(0, MAX_LINE_CHARS);
      for (const text of parts) {
        this.#keep(stream, text);
        onText?.(text);
      }
    });
    readable.on('end', () => {
      rest += decoder.end();
      if (rest !== '') this.#keep(stream, rest);
    });
    // A broken stream delivers no more lines.
    readable.on('error', () => undefined);
  }

  #keep(stream: 'stdout' | 'stderr', text: string): void {
    const line: CapturedLine = { source: this.#source, stream, text: text.slice(0, MAX_LINE_CHARS) };
    this.#lines.push(line);
    if (stream === 'stderr' && !STACK_NOISE.test(text)) this.#lastError = line;
    // Each cut copies the list, so the list may grow to twice its limit before it is cut.
    if (this.#lines.length > 2 * this.#keepLines) this.#lines = this.#lines.slice(-this.#keepLines);
    this.#onLine?.(line);
  }
}
