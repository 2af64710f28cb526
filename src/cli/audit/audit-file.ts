/** Reads an audit file: one JSON entry per line (docs/audit.md). */
import { createReadStream } from 'node:fs';
import { LineSplitter, LongLineError } from '../line-splitter.ts';

/** Maximum length of a line; an entry has a few hundred bytes. */
const MAX_LINE_BYTES = 64 * 1024;

/** The file cannot be read or written. The message is one line. */
export class AuditFileError extends Error {
  /** true: the file does not exist. */
  readonly isAbsent: boolean;

  constructor(message: string, options: ErrorOptions & { readonly isAbsent?: boolean } = {}) {
    super(message, options);
    this.name = 'AuditFileError';
    this.isAbsent = options.isAbsent ?? false;
  }
}

/**
 * Passes each parsed line to `take`, in order; for a line that is not JSON it passes undefined.
 * @returns whether the file ends with a line break
 * @throws AuditFileError
 */
export async function readAuditFile(path: string, take: (line: unknown) => void): Promise<boolean> {
  const splitter = new LineSplitter({ maxLineBytes: MAX_LINE_BYTES });
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      for (const line of splitter.take(chunk)) take(parsed(line));
    }
  } catch (error) {
    if (error instanceof LongLineError) throw new AuditFileError(`${path} is not an audit file: ${error.message}`, { cause: error });
    const { code } = error as NodeJS.ErrnoException;
    throw new AuditFileError(`${path} cannot be read: ${code ?? 'unknown'}`, { cause: error, isAbsent: code === 'ENOENT' });
  }
  const isWhole = splitter.restBytes === 0;
  if (!isWhole) take(parsed(splitter.end()));
  return isWhole;
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
