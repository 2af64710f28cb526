/** What the processes of a cluster print: kept in memory, a bounded number of lines for each, and handed on as it comes. */
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';

/** Longest line kept; the rest of it is cut. Characters. */
const MAX_LINE_CHARS = 16 * 1024;
/** What Node prints around an uncaught error: where it was thrown, and its own version. The error itself is said between. */
const STACK_NOISE = /^(?:\s.*|[})\]]|Node\.js v.*)?$/;

export interface CapturedLine {
  /** Such as `node-1` or `emulator-1`. */
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

  /** The last lines, oldest first. */
  lines(): readonly CapturedLine[] {
    return this.#lines.slice(-this.#keepLines);
  }

  /** The last line on standard error since `forgetLastError` that is not part of a stack. */
  lastError(): string | null {
    return this.#lastError?.text ?? null;
  }

  /** Another process speaks from now on. */
  forgetLastError(): void {
    this.#lastError = null;
  }

  /** Takes a stream over until it ends. @param onText sees each line too */
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
    // A stream that breaks has nothing more to say.
    readable.on('error', () => undefined);
  }

  #keep(stream: 'stdout' | 'stderr', text: string): void {
    const line: CapturedLine = { source: this.#source, stream, text: text.slice(0, MAX_LINE_CHARS) };
    this.#lines.push(line);
    if (stream === 'stderr' && !STACK_NOISE.test(text)) this.#lastError = line;
    // Cut now and then, not at every line.
    if (this.#lines.length > 2 * this.#keepLines) this.#lines = this.#lines.slice(-this.#keepLines);
    this.#onLine?.(line);
  }
}
