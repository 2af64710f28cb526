/** The live stream. EventSource comes back by itself with the id it had; where it gives up, another is opened. */
import type { VisualizerEvent } from '../wire.ts';
import { after } from './browser.ts';
import { readEventLine } from './core/trace.ts';

const RETRY_MS = 1_000;

export interface ConnectionModules {
  /** Before the first event of a log that is not the one before: its server is another process. */
  readonly onOtherLog: () => void;
  readonly onEvent: (event: VisualizerEvent) => void;
  readonly onChange: (connected: boolean) => void;
}

export class Connection {
  readonly #modules: ConnectionModules;
  #stream: EventSource | null = null;
  #cancelRetry: () => void = () => undefined;
  /** Of the last event that came. */
  #lastId = '';

  constructor(modules: ConnectionModules) {
    this.#modules = modules;
  }

  open(): void {
    // A new stream sends no Last-Event-ID.
    const stream = new EventSource(this.#lastId === '' ? '/events' : `/events?after=${encodeURIComponent(this.#lastId)}`);
    this.#stream = stream;
    stream.addEventListener('open', () => this.#modules.onChange(true));
    stream.addEventListener('message', ({ data, lastEventId }) => {
      if (this.#lastId !== '' && logOf(lastEventId) !== logOf(this.#lastId)) this.#modules.onOtherLog();
      this.#lastId = lastEventId;
      const event = typeof data === 'string' ? readEventLine(data) : null;
      if (event !== null) this.#modules.onEvent(event);
    });
    stream.addEventListener('error', () => {
      this.#modules.onChange(false);
      if (stream.readyState !== EventSource.CLOSED) return;
      this.#cancelRetry = after(RETRY_MS, () => this.open());
    });
  }

  close(): void {
    this.#cancelRetry();
    this.#stream?.close();
    this.#stream = null;
  }

  get isOpen(): boolean {
    return this.#stream !== null;
  }
}

/** An id is the name of a log and a number. */
function logOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'));
}
