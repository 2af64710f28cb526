/**
 * One connection that reads the log at its own pace. It gets the next events only after its socket has accepted the previous events, so the
 * server keeps only the reader's position. A reader is disconnected when the log has dropped the event that the reader needs next, or when
 * its socket accepts no data for too long.
 */
import type { ServerResponse } from 'node:http';
import type { Cursor, EventLog } from './event-log.ts';

/** Size of one chunk that is written to a socket. Bytes. */
const CHUNK_BYTES = 64 * 1024;
/** How long a socket may accept no data before its reader is disconnected. Milliseconds. */
export const STALL_TIMEOUT_MS = 30_000;

export interface LogReaderOptions {
  /** `events`: server-sent events; `lines`: one line of JSON for each event. */
  readonly form: 'events' | 'lines';
  /** true: continues with new events until the connection ends. false: ends after the last event that exists now. */
  readonly follow: boolean;
}

export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #log: EventLog;
  readonly #cursor: Cursor;
  readonly #response: ServerResponse;
  readonly #monotonicMs: () => number;
  readonly #until: number;
  /** When the socket stopped accepting data; null while it accepts data. */
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

  /** Writes as many events as the socket accepts. */
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

  /** Sends a heartbeat, or disconnects a reader that has stalled too long. */
  beat(): void {
    if (this.#stalledSinceMs !== null) {
      if (this.#monotonicMs() - this.#stalledSinceMs >= STALL_TIMEOUT_MS) this.#drop();
    // In the form `lines`, this is an empty line, which readers skip.
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
