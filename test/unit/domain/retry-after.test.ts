/** How this node reads the `Retry-After` header of other nodes: whole seconds, capped at a limit. Any other form is ignored. */
import { expect, test } from '@jest/globals';
import { readRetryAfterMs } from '../../../src/domain/retry-after.ts';

test.each([
  ['0', 0],
  ['7', 7_000],
  ['300', 300_000],
  ['301', 300_000],
  ['999999999', 300_000],
  [undefined, undefined],
  ['', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  [' 7', undefined],
  ['9999999999', undefined],
  ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
])('%j is read as %p if the limit is 300,000 ms', (header, expected) => {
  expect(readRetryAfterMs(header, 300_000)).toBe(expected);
});
