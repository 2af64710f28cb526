/** Writes what the visualiser of a process knows as a trace file: what it has kept, and what comes until somebody stops it. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

export interface WriteTraceOptions {
  /** Goes on with what comes. Default: true. */
  readonly follow?: boolean;
  /** Ends it in good order. */
  readonly signal?: AbortSignal;
}

/** A process that cannot be asked, in one line. */
export class WriteTraceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WriteTraceError';
  }
}

const NEWLINE = 0x0a;
/** Longest line of a trace that is taken: a chart is one. Bytes. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/**
 * Resolves when all is written that is kept, or when the signal ends it. Whole lines alone are written.
 * @param url of the visualiser, such as `http://127.0.0.1:9000`
 * @throws WriteTraceError, also when the process ends the connection first
 */
export async function writeTrace(url: string, output: Writable, { follow = true, signal }: WriteTraceOptions = {}): Promise<void> {
  if (!URL.canParse(url)) throw new WriteTraceError('this is no URL');
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
  let rest = Buffer.alloc(0);
  let isWhole = false;
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      const lines = end === 0 ? null : Buffer.concat([rest, chunk.subarray(0, end)]);
      rest = end === 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk.subarray(end));
      if (rest.length > MAX_LINE_BYTES) throw new Error('no line has so many bytes');
      // A process that has nothing to say sends empty lines.
      const said = lines === null ? '' : lines.toString('latin1').replace(/^\n/gm, '');
      if (said !== '' && !output.write(said, 'latin1')) await once(output, 'drain', signal === undefined ? {} : { signal });
    }
    isWhole = !follow && rest.length === 0;
  } catch {
    // Said below.
  }
  if (!isWhole && signal?.aborted !== true) throw new WriteTraceError(`${asked.origin} ended the trace before it was whole`);
}
