/**
 * One connection that reads the log, at its own pace: it is given the next events when its socket has taken the last ones, so
 * nothing is kept for it but its place. A reader that falls behind the oldest event kept, or takes nothing for long, is dropped.
 */
import type { ServerResponse } from 'node:http';
import type { Cursor, EventLog } from './event-log.ts';

/** Handed to a socket at once. Bytes. */
const CHUNK_BYTES = 64 * 1024;
/** How long a socket may take nothing. Milliseconds. */
export const STALL_TIMEOUT_MS = 30_000;

export interface LogReaderOptions {
  /** Server-sent events, or a line of JSON for each. */
  readonly form: 'events' | 'lines';
  /** Goes on with what comes, until the connection ends; else it ends with the event that is the last now. */
  readonly follow: boolean;
}

export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #log: EventLog;
  readonly #cursor: Cursor;
  readonly #response: ServerResponse;
  readonly #monotonicMs: () => number;
  readonly #until: number;
  /** Since when the socket takes nothing; null while it does. */
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

  /** Gives the socket what it can take. */
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

  /** Says that the connection is there, and looks whether it is taken. */
  beat(): void {
    if (this.#stalledSinceMs !== null) {
      if (this.#monotonicMs() - this.#stalledSinceMs >= STALL_TIMEOUT_MS) this.#drop();
    // Between lines an empty one; who reads them passes over it.
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
