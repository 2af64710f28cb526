/**
 * How far another machine's clock is ahead of this node's, by the `Date` of its answers (RFC 9110 §6.6.1). It is in whole seconds
 * and unsigned: it is for operators to read, and nothing is decided by it.
 */

/** Less is a matter of rounding, and of the way. Milliseconds. */
const NOTABLE_MS = 15_000;

/** Milliseconds, negative where it is behind; null without a date that can be read. */
export function clockLeadMs(date: string | undefined, nowMs: number): number | null {
  // Only the form that servers must write.
  if (date === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(date)) return null;
  const theirsMs = Date.parse(date);
  if (Number.isNaN(theirsMs)) return null;
  // Cut to its second, it is half a second behind on average.
  const leadMs = theirsMs - nowMs;
  return leadMs < 0 && leadMs > -1_000 ? 0 : leadMs;
}

/** `; its clock is 130 s ahead of this node's`, or nothing where they agree. */
export function clockLeadWords(leadMs: number | null): string {
  if (leadMs === null || Math.abs(leadMs) < NOTABLE_MS) return '';
  return `; its clock is ${Math.round(Math.abs(leadMs) / 1000)} s ${leadMs > 0 ? 'ahead of' : 'behind'} this node's`;
}
