/** Reads a file of events: one JSON object a line, as `npm run sim -- --events` and `GET /trace` write them. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseEvent } from '../visualizer/event-form.ts';
import { EventLog } from '../visualizer/event-log.ts';

/** All of it is held in memory while it is shown. Bytes. */
export const MAX_TRACE_BYTES = 256 * 1024 * 1024;

/** A file that is no trace, in one line. */
export class TraceFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TraceFileError';
  }
}

/** @throws TraceFileError which names the line */
export async function readTraceFile(path: string): Promise<EventLog> {
  await checkSize(path);
  const log = new EventLog('trace', { maxEvents: Infinity, maxBytes: Infinity });
  let number = 0;
  for await (const line of linesOf(path)) {
    number += 1;
    if (line.trim() === '') continue;
    const event = parseEvent(line);
    if ('problem' in event) throw new TraceFileError(`${path}, line ${number}: this is no event of a trace (${event.problem})`);
    if (event.kind === 'chart') log.addChart(event.chart, event.atMs);
    else log.add(event);
  }
  if (log.last === 0) throw new TraceFileError(`${path} is empty`);
  return log;
}

/** @throws TraceFileError */
async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): TraceFileError {
  return new TraceFileError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`);
}

async function checkSize(path: string): Promise<void> {
  let file;
  try {
    file = await stat(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!file.isFile()) throw new TraceFileError(`${path} is no file`);
  if (file.size > MAX_TRACE_BYTES) throw new TraceFileError(`${path} is longer than ${MAX_TRACE_BYTES / 1024 / 1024} MiB`);
}
