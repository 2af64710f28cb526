/**
 * How far the clock of another machine is ahead of this node's clock, according to the `Date` header of its answers (RFC 9110 §6.6.1). The
 * header is in whole seconds and is not signed. The figure is only for operators to read: no code makes a decision based on it.
 */

/** A smaller difference is not mentioned, because it may come from rounding and network delay. Milliseconds. */
const NOTABLE_MS = 15_000;

/** Milliseconds; negative if the other clock is behind; null if there is no readable date. */
export function clockLeadMs(date: string | undefined, nowMs: number): number | null {
  // Accepts only the form that servers must use.
  if (date === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(date)) return null;
  const theirsMs = Date.parse(date);
  if (Number.isNaN(theirsMs)) return null;
  // The date is truncated to whole seconds, so a lag of less than one second is treated as no lag.
  const leadMs = theirsMs - nowMs;
  return leadMs < 0 && leadMs > -1_000 ? 0 : leadMs;
}

/** `; its clock is 130 s ahead of this node's`, or an empty string if the difference is small or not known. */
export function clockLeadWords(leadMs: number | null): string {
  if (leadMs === null || Math.abs(leadMs) < NOTABLE_MS) return '';
  return `; its clock is ${Math.round(Math.abs(leadMs) / 1000)} s ${leadMs > 0 ? 'ahead of' : 'behind'} this node's`;
}
