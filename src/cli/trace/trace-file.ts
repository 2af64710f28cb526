/** Reads a trace file: one JSON object per line, as `npm run sim -- --events` and `GET /trace` write it. */
import { createReadStream, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { parseEvent } from '../../visualizer/event-form.ts';
import { EventLog } from '../../visualizer/event-log.ts';
import { LineSplitter, LongLineError } from '../line-splitter.ts';
import { MAX_TRACE_LINE_BYTES } from './trace-lines.ts';

/** Maximum size of a trace file. The file is kept in memory while it is shown. Bytes. */
const MAX_TRACE_BYTES = 256 * 1024 * 1024;

const NEW_LINE = 0x0a;

/** The file is not a trace or cannot be read. The message is one line. */
export class TraceFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TraceFileError';
  }
}

export interface TraceFile {
  readonly log: EventLog;
  /** true: the last line is incomplete because the writer was interrupted. The line is ignored. */
  readonly isCut: boolean;
}

/** @throws TraceFileError with the number of an invalid line */
export async function readTraceFile(path: string): Promise<TraceFile> {
  const isCut = await endsInLine(path);
  const log = new EventLog('trace', { maxEvents: Infinity, maxBytes: Infinity });
  let number = 0;
  let refused: TraceFileError | null = null;
  for await (const line of linesOf(path)) {
    number += 1;
    if (refused !== null) throw refused;
    if (line.trim() === '') continue;
    const event = parseEvent(line);
    if ('problem' in event) refused = new TraceFileError(`${path}, line ${number}: this is not an event of a trace (${event.problem})`);
    else if (event.kind === 'chart') log.addChart(event.chart, event.atMs);
    else log.add(event);
  }
  if (refused !== null && !(isCut && log.last > 0)) throw refused;
  if (log.last === 0) throw new TraceFileError(`${path} is empty`);
  return { log, isCut: refused !== null };
}

/** @throws TraceFileError */
async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    const splitter = new LineSplitter({ maxLineBytes: MAX_TRACE_LINE_BYTES });
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      for (const line of splitter.take(chunk)) yield line.toString();
    }
    if (splitter.restBytes > 0) yield splitter.end().toString();
  } catch (error) {
    if (error instanceof LongLineError) throw new TraceFileError(`${path} is not a trace: ${error.message}`);
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): TraceFileError {
  return new TraceFileError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`);
}

/** Whether the file ends without a line break. */
async function endsInLine(path: string): Promise<boolean> {
  try {
    const { size } = await checked(path);
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    return bytesRead === 1 && buffer[0] !== NEW_LINE;
  } catch (error) {
    throw error instanceof TraceFileError ? error : unreadable(path, error);
  }
}

async function checked(path: string): Promise<Stats> {
  const file = await stat(path);
  if (!file.isFile()) throw new TraceFileError(`${path} is not a file`);
  if (file.size > MAX_TRACE_BYTES) throw new TraceFileError(`${path} is longer than ${MAX_TRACE_BYTES / 1024 / 1024} MiB`);
  return file;
}
