/** How far the sender's clock is ahead of this node's clock, according to the `Date` of an answer (RFC 9110 §6.6.1). */
import { expect, test } from '@jest/globals';
import { clockLeadMs, clockLeadWords } from '../../../src/domain/clock-lead.ts';

const NOW = Date.parse('Sun, 29 Nov 2026 12:00:00 GMT');

test.each<[string | undefined, number, number | null, string]>([
  ['Sun, 29 Nov 2026 12:00:00 GMT', 0, 0, ''],
  ['Sun, 29 Nov 2026 12:00:00 GMT', 999, 0, ''],
  ['Sun, 29 Nov 2026 12:02:10 GMT', 0, 130_000, "; its clock is 130 s ahead of this node's"],
  ['Sun, 29 Nov 2026 11:59:00 GMT', 0, -60_000, "; its clock is 60 s behind this node's"],
  ['Sun, 29 Nov 2026 12:00:14 GMT', 0, 14_000, ''],
  ['2026-11-29T12:02:10Z', 0, null, ''],
  ['secret', 0, null, ''],
  ['', 0, null, ''],
  [undefined, 0, null, ''],
])('the date "%s", received %i ms after noon, gives this lead in ms: %s', (date, sinceNoonMs, leadMs, words) => {
  expect(clockLeadMs(date, NOW + sinceNoonMs)).toBe(leadMs);
  expect(clockLeadWords(leadMs)).toBe(words);
});
