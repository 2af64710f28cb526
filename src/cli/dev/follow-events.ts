/**
 * Receives the events of a process's visualiser (`GET /events`). When the connection ends, this code connects again, and continues after
 * the last received event.
 */
import { pause } from '../../dev/waiting.ts';
import { parseEvent } from '../../visualizer/event-form.ts';
import type { VisualizerEvent } from '../../visualizer/wire.ts';
import { LineSplitter } from '../line-splitter.ts';

/** How long `followEvents` waits before it connects again. Milliseconds. */
const RECONNECT_AFTER_MS = 250;
/** Maximum length of a line in a stream; a longer line ends the connection. Bytes. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

export interface NodeEventsModules {
  readonly take: (event: VisualizerEvent) => void;
  /** An abort of this signal ends `followEvents`. */
  readonly signal: AbortSignal;
}

/** Resolves when the signal is aborted. @param url the URL of the visualiser */
export async function followEvents(url: string, { take, signal }: NodeEventsModules): Promise<void> {
  let lastId: string | null = null;
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${url}/events`, { signal, headers: lastId === null ? {} : { 'last-event-id': lastId } });
      if (answer.ok && answer.body !== null) {
        // The stream may break between an id and its event, so an id is used only when its event is complete.
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
      // The process has not started yet, or has ended.
    }
    await pause(RECONNECT_AFTER_MS).passed;
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const splitter = new LineSplitter({ maxLineBytes: MAX_LINE_BYTES });
  for await (const chunk of body) for (const line of splitter.take(chunk)) yield line.toString();
}
