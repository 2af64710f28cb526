/** The live stream. EventSource comes back by itself with the id it had; where it gives up, another is opened. */
import type { VisualizerEvent } from '../wire.ts';
import { after } from './browser.ts';
import { parseEvent } from './core/trace.ts';

const RETRY_MS = 1_000;

export interface ConnectionModules {
  readonly onEvent: (event: VisualizerEvent) => void;
  readonly onChange: (connected: boolean) => void;
}

export class Connection {
  readonly #modules: ConnectionModules;
  #stream: EventSource | null = null;
  #cancelRetry: () => void = () => undefined;

  constructor(modules: ConnectionModules) {
    this.#modules = modules;
  }

  open(): void {
    const stream = new EventSource('/events');
    this.#stream = stream;
    stream.addEventListener('open', () => this.#modules.onChange(true));
    stream.addEventListener('message', ({ data }) => {
      const event = typeof data === 'string' ? parseEvent(data) : null;
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
  }
}
