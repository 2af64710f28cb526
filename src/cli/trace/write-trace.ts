/** Writes the events of a process's visualiser as a trace file: first the kept events, then new events until the caller aborts. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { LineSplitter } from '../line-splitter.ts';
import { MAX_TRACE_LINE_BYTES } from './trace-lines.ts';

export interface WriteTraceOptions {
  /** true: also writes new events. Default: true. */
  readonly follow?: boolean;
  /** An abort ends the trace without an error. */
  readonly signal?: AbortSignal;
}

const LINE_END = Buffer.from('\n');

/** The process did not send a complete trace. The message is one line. */
export class WriteTraceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WriteTraceError';
  }
}

/**
 * Writes only whole lines. Without `follow`, the promise resolves when all kept events have been written. An abort also resolves it.
 * @param url the URL of the visualiser, such as `http://127.0.0.1:9000`
 * @throws WriteTraceError, also when the process closes the connection early
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
  if (!isTrace || answer.body === null) throw new WriteTraceError(`${asked.origin} does not return a trace: it answered ${answer.status}`);
  const splitter = new LineSplitter({ maxLineBytes: MAX_TRACE_LINE_BYTES });
  let isWhole = false;
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      // A process without new events sends empty lines.
      const lines = splitter.take(chunk).filter(({ length }) => length > 0);
      const said = Buffer.concat(lines.flatMap((line) => [line, LINE_END]));
      if (said.length > 0 && !output.write(said)) await once(output, 'drain', signal === undefined ? {} : { signal });
    }
    isWhole = !follow && splitter.restBytes === 0;
  } catch {
    // `isWhole` stays false, so the failure is reported below.
  }
  if (!isWhole && signal?.aborted !== true) throw new WriteTraceError(`${asked.origin} ended the trace before it was complete`);
}
