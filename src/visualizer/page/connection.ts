/** The live stream. An EventSource reconnects by itself with its last id. When it gives up, this class opens a new EventSource. */
import type { VisualizerEvent } from '../wire.ts';
import { after } from './browser.ts';
import { readEventLine } from './core/trace.ts';

const RETRY_MS = 1_000;

export interface ConnectionModules {
  /** Called before the first event of another log, which means that another process now serves the stream. */
  readonly onOtherLog: () => void;
  readonly onEvent: (event: VisualizerEvent) => void;
  readonly onChange: (connected: boolean) => void;
}

export class Connection {
  readonly #modules: ConnectionModules;
  #stream: EventSource | null = null;
  #cancelRetry: () => void = () => undefined;
  /** Id of the last received event. */
  #lastId = '';

  constructor(modules: ConnectionModules) {
    this.#modules = modules;
  }

  open(): void {
    // A new EventSource sends no Last-Event-ID, so the URL contains the id.
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

/** The log's name, which comes before the number in an id. */
function logOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'));
}
