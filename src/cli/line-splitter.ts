/**
 * Splits a stream of bytes into lines. The parts of a line are joined only when the line ends, because joining them after each
 * chunk would take quadratic time. Each byte is read once and copied at most once.
 *
 * Only `\n` ends a line. readline also ends lines at other characters, but JSON strings may contain those.
 */

const NEW_LINE = 0x0a;

/** A line is longer than allowed. */
export class LongLineError extends Error {
  constructor(maxLineBytes: number) {
    super(`a line has more than ${maxLineBytes} bytes`);
    this.name = 'LongLineError';
  }
}

export interface LineSplitterOptions {
  /** Maximum length of a line, without its line break. */
  readonly maxLineBytes: number;
}

export interface LineSplitterModules {
  readonly concat: (parts: readonly Uint8Array[]) => Buffer;
}

export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #concat: LineSplitterModules['concat'];
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor({ maxLineBytes }: LineSplitterOptions, modules: LineSplitterModules = { concat: (parts) => Buffer.concat(parts) }) {
    this.#maxLineBytes = maxLineBytes;
    this.#concat = modules.concat;
  }

  /** Number of bytes of the unfinished line. */
  get restBytes(): number {
    return this.#bytes;
  }

  /** @returns the lines that end in this chunk, without their line breaks @throws LongLineError */
  take(chunk: Uint8Array): Buffer[] {
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, from)) {
      this.#keep(chunk.subarray(from, end));
      lines.push(this.end());
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  /** @returns the unfinished line, which may be empty. The next chunk begins a new line. */
  end(): Buffer {
    const [only] = this.#parts;
    const line = this.#parts.length === 1 ? Buffer.from(only!.buffer, only!.byteOffset, only!.length) : this.#concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxLineBytes) throw new LongLineError(this.#maxLineBytes);
    if (part.length > 0) this.#parts.push(part);
  }
}
