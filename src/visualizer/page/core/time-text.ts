/** Formats times for readers. */

export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(Math.round(ms / 100) / 10).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  if (hours === 0) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return hours < 48 ? `${hours} h ${String(minutes).padStart(2, '0')} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A moment as an age or a countdown, in whole seconds so that the text does not flicker. */
export function momentText(atMs: number, nowMs: number): string {
  const apart = atMs - nowMs;
  if (Math.abs(apart) < 1_000) return 'now';
  const whole = Math.trunc(apart / 1_000) * 1_000;
  const text = durationText(Math.abs(whole)).replace('.0 s', ' s');
  return whole > 0 ? `in ${text}` : `${text} ago`;
}

/** The latest time that a `Date` can represent. The earliest is the same number with a minus sign. Milliseconds. */
const LAST_DATE_MS = 8.64e15;

/** The time of day (UTC), or the time since the start of a clock that begins at 0. */
export function clockText(atMs: number, utcDay: boolean): string {
  // A timeline extends a little before its first event and a little after its last, so it may go beyond the range of a `Date`.
  const date = new Date(Math.max(utcDay ? -LAST_DATE_MS : 0, Math.min(LAST_DATE_MS, atMs)));
  const text = date.toISOString().split('T', 2)[1]!.slice(0, -1);
  if (utcDay) return text;
  const days = Math.floor(atMs / 86_400_000);
  return `${days > 0 ? `${days} d ` : ''}${text}`;
}

/** The distance between two ticks of a scale: a round number at which `spanMs` has at most about `count` ticks. */
export function tickStepMs(spanMs: number, count: number): number {
  const steps = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000];
  const step = steps.find((each) => spanMs / each <= count);
  if (step !== undefined) return step;
  // A trace may contain times that are years apart.
  let days = steps.at(-1)!;
  while (spanMs / days > count) days *= 2;
  return days;
}
