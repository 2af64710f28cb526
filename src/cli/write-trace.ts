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

/**
 * Resolves when the process, or whoever listens, ends the connection.
 * @param url of the visualiser, such as `http://127.0.0.1:9000`
 * @throws WriteTraceError
 */
export async function writeTrace(url: string, output: Writable, { follow = true, signal }: WriteTraceOptions = {}): Promise<void> {
  if (!URL.canParse(url)) throw new WriteTraceError(`${url} is no URL`);
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
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      if (!output.write(chunk)) await once(output, 'drain');
    }
  } catch {
    // A stream that goes on has no other end than its connection's.
    if (!follow && signal?.aborted !== true) throw new WriteTraceError(`${asked.origin} ended the trace before it was whole`);
  }
}
