/** Writes what the visualiser of a process knows as a trace file: what it has kept, and what comes until it is stopped. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { LineSplitter } from '../line-splitter.ts';
import { MAX_TRACE_LINE_BYTES } from './trace-lines.ts';

export interface WriteTraceOptions {
  /** Goes on with what comes. Default: true. */
  readonly follow?: boolean;
  /** Ends it in good order. */
  readonly signal?: AbortSignal;
}

const LINE_END = Buffer.from('\n');

/** A process that cannot be asked, in one line. */
export class WriteTraceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WriteTraceError';
  }
}

/**
 * Resolves when all is written that is kept, or when the signal ends it. Whole lines alone are written.
 * @param url of the visualiser, such as `http://127.0.0.1:9000`
 * @throws WriteTraceError, also when the process ends the connection first
 */
export async function writeTrace(url: string, output: Writable, { follow = true, signal }: WriteTraceOptions = {}): Promise<void> {
  if (!URL.canParse(url)) throw new WriteTraceError('this is not a URL');
  const asked = new URL(follow ? '/trace?follow=true' : '/trace', url);
  let answer: Response;
  try {
    answer = await fetch(asked, { ...(signal === undefined ? {} : { signal }) });
  } catch {
    if (signal?.aborted === true) return;
    throw new WriteTraceError(`there is no answer from ${asked.origin}`);
  }
  const isTrace = answer.ok && answer.headers.get('content-type')?.startsWith('application/jsonl') === true;
  if (!isTrace || answer.body === null) throw new WriteTraceError(`${asked.origin} gives no trace: it answered ${answer.status}`);
  const splitter = new LineSplitter({ maxLineBytes: MAX_TRACE_LINE_BYTES });
  let isWhole = false;
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      // A process that has nothing to say sends empty lines.
      const lines = splitter.take(chunk).filter(({ length }) => length > 0);
      const said = Buffer.concat(lines.flatMap((line) => [line, LINE_END]));
      if (said.length > 0 && !output.write(said)) await once(output, 'drain', signal === undefined ? {} : { signal });
    }
    isWhole = !follow && splitter.restBytes === 0;
  } catch {
    // Said below.
  }
  if (!isWhole && signal?.aborted !== true) throw new WriteTraceError(`${asked.origin} ended the trace before it was whole`);
}
