/** Follows the visualiser of a process (`GET /events`): connects again whenever the connection ends, and goes on where it was. */
import { pause } from '../../dev/waiting.ts';
import { parseEvent } from '../../visualizer/event-form.ts';
import type { VisualizerEvent } from '../../visualizer/wire.ts';
import { LineSplitter } from '../line-splitter.ts';

/** Until the next try to connect. Milliseconds. */
const RECONNECT_AFTER_MS = 250;
/** Longest line of a stream; a longer one ends the connection. Bytes. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

export interface NodeEventsModules {
  readonly take: (event: VisualizerEvent) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Resolves when the signal is aborted. @param url of the visualiser */
export async function followEvents(url: string, { take, signal }: NodeEventsModules): Promise<void> {
  let lastId: string | null = null;
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${url}/events`, { signal, headers: lastId === null ? {} : { 'last-event-id': lastId } });
      if (answer.ok && answer.body !== null) {
        // Counts once its event is there whole: the stream may be cut between the two lines.
        let pendingId: string | null = lastId;
        for await (const line of linesOf(answer.body)) {
          if (line.startsWith('id: ')) pendingId = line.slice('id: '.length);
          if (!line.startsWith('data: ')) continue;
          lastId = pendingId;
          const event = parseEvent(line.slice('data: '.length));
          if (!('problem' in event)) take(event);
        }
      }
    } catch {
      // The process is not there yet, or no more.
    }
    await pause(RECONNECT_AFTER_MS).passed;
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const splitter = new LineSplitter({ maxLineBytes: MAX_LINE_BYTES });
  for await (const chunk of body) for (const line of splitter.take(chunk)) yield line.toString();
}
