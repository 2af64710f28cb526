/**
 * The moment that a page shows: the latest moment, a moment that the reader went to, or the current moment of a replay. Callers pass in the
 * clocks.
 */
import type { History } from './history.ts';

export type Moment =
  /** Follows the latest event. */
  | { readonly at: 'live' }
  /** Stays at one place. */
  | { readonly at: 'place'; readonly place: number; readonly atMs: number }
  /** A replay runs. It was at `fromMs` when the page's clock showed `startedMs`. */
  | { readonly at: 'playing'; readonly fromMs: number; readonly startedMs: number; readonly speed: number };

export const LIVE: Moment = { at: 'live' };
export const SPEEDS: readonly number[] = [0.25, 1, 4, 16, 64, 256];

export interface Shown {
  readonly place: number;
  readonly atMs: number;
}

/**
 * The place and the time to show now.
 * @param nowMs the clock of the events, for the live view
 * @param pageMs a monotonic clock, for a replay
 */
export function shownAt(moment: Moment, history: History, { nowMs, pageMs }: { readonly nowMs: number; readonly pageMs: number }): Shown {
  if (moment.at === 'live') return { place: history.lastPlace, atMs: Math.max(nowMs, history.lastMs) };
  if (moment.at === 'place') return { place: clampPlace(moment.place, history), atMs: moment.atMs };
  const atMs = Math.min(history.lastMs, moment.fromMs + (pageMs - moment.startedMs) * moment.speed);
  return { place: history.placeAt(atMs), atMs };
}

export function goToTime(atMs: number, history: History): Moment {
  const at = Math.max(history.firstMs, Math.min(atMs, history.lastMs));
  return { at: 'place', place: history.placeAt(at), atMs: at };
}

/** @returns the moment of that event, or of the nearest kept event */
export function goToPlace(place: number, history: History): Moment {
  const at = clampPlace(place, history);
  return { at: 'place', place: at, atMs: history.timeAt(at) };
}

export function play(from: Shown, speed: number, history: History, pageMs: number): Moment {
  const fromMs = from.atMs >= history.lastMs ? history.firstMs : from.atMs;
  return { at: 'playing', fromMs, startedMs: pageMs, speed };
}

function clampPlace(place: number, history: History): number {
  return Math.max(Math.min(history.firstPlace + 1, history.lastPlace), Math.min(place, history.lastPlace));
}
