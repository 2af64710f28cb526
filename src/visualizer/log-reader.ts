/**
 * One connection that reads the log at its own pace. It gets the next events only when its socket has taken the last ones, so the
 * server keeps only its position. A reader that falls behind the oldest kept event, or takes nothing for long, is dropped.
 */
import type { ServerResponse } from 'node:http';
import type { Cursor, EventLog } from './event-log.ts';

/** Size of the chunk that a socket gets at once. Bytes. */
const CHUNK_BYTES = 64 * 1024;
/** How long a socket may take nothing before its reader is dropped. Milliseconds. */
export const STALL_TIMEOUT_MS = 30_000;

export interface LogReaderOptions {
  /** `events`: server-sent events; `lines`: one line of JSON for each event. */
  readonly form: 'events' | 'lines';
  /** true: goes on with new events until the connection ends. false: ends with the event that is the last one now. */
  readonly follow: boolean;
}

export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #log: EventLog;
  readonly #cursor: Cursor;
  readonly #response: ServerResponse;
  readonly #monotonicMs: () => number;
  readonly #until: number;
  /** Since when the socket takes nothing; null while it takes data. */
  #stalledSinceMs: number | null = null;

  constructor(options: LogReaderOptions, modules: { readonly log: EventLog; readonly cursor: Cursor; readonly response: ServerResponse; readonly monotonicMs: () => number }) {
    const { log, cursor, response, monotonicMs } = modules;
    this.#options = options;
    this.#log = log;
    this.#cursor = cursor;
    this.#response = response;
    this.#monotonicMs = monotonicMs;
    this.#until = log.last;
    response.on('drain', () => {
      this.#stalledSinceMs = null;
      this.pump();
    });
  }

  /** Writes as many events as the socket takes. */
  pump(): void {
    if (this.#log.hasLost(this.#cursor)) {
      this.#drop();
      return;
    }
    while (this.#stalledSinceMs === null && !this.#response.destroyed && !this.#response.writableEnded) {
      const entries = this.#log.read(this.#cursor, CHUNK_BYTES);
      if (entries === null) { this.#drop(); return; }
      const wanted = this.#options.follow ? entries : entries.filter(({ n }) => n <= this.#until);
      if (wanted.length > 0) this.#write(wanted.map(({ n, line }) => this.#textOf(n, line)).join(''));
      if (!this.#options.follow && this.#cursor.next > this.#until) {
        this.#response.end();
        return;
      }
      if (entries.length === 0) return;
    }
  }

  /** Sends a sign of life, or drops a reader that has stalled too long. */
  beat(): void {
    if (this.#stalledSinceMs !== null) {
      if (this.#monotonicMs() - this.#stalledSinceMs >= STALL_TIMEOUT_MS) this.#drop();
    // In the form `lines` an empty line, which readers skip.
    } else this.#write(this.#options.form === 'events' ? ':\n\n' : '\n');
  }

  #textOf(n: number, line: string): string {
    return this.#options.form === 'events' ? `id: ${this.#log.idOf(n)}\ndata: ${line}\n\n` : `${line}\n`;
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#stalledSinceMs = this.#monotonicMs();
  }

  #drop(): void {
    this.#response.destroy();
  }
}
