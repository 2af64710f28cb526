/** Finds the place to which a step through the events leads; null when there is no such place in that direction. */
import type { VisualizerEvent } from '../../wire.ts';
import type { History } from './history.ts';
import { isFailure } from './recording.ts';

export type Direction = 1 | -1;

export function nextEvent(history: History, from: number, direction: Direction): number | null {
  return history.find(from, direction, () => true);
}

/** The next failure, wrapping around at the end. */
export function nextFailure(history: History, from: number, direction: Direction): number | null {
  const beyond = direction === 1 ? history.firstPlace : history.lastPlace + 1;
  return history.find(from, direction, isFailure) ?? history.find(beyond, direction, isFailure);
}

/** The next event that changes the headline of a source, or that ends or starts the source. */
export function nextChange(history: History, from: number, direction: Direction, source: string): number | null {
  for (let place = from + direction; place > history.firstPlace && place <= history.lastPlace; place += direction) {
    const event = history.eventAt(place);
    if (event === undefined || !mayChange(event, source)) continue;
    const [before, after] = [history.modelAt(place - 1).sources.get(source), history.modelAt(place).sources.get(source)];
    if (before?.headline !== after?.headline || before?.ended !== after?.ended) return place;
  }
  return null;
}

/** Whether the event may change the headline of the source, or start or end the source. This cheap test leaves few models to compare. */
function mayChange(event: VisualizerEvent, source: string): boolean {
  if (!('source' in event) || event.source !== source) return false;
  return event.kind === 'state' || event.kind === 'end' || (event.kind === 'step' && event.active !== undefined);
}

/** The first place with a state to draw. */
export function firstState(history: History): number {
  return history.find(history.firstPlace, 1, ({ kind }) => kind === 'state') ?? history.firstPlace + 1;
}
