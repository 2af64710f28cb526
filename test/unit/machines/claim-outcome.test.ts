/** The reason and the progress that follow from the outcome of a claim (protocol.md §1, step 3). */
import { expect, test } from '@jest/globals';
import type { Hash32 } from '../../../src/domain/ids.ts';
import type { ClaimReport } from '../../../src/domain/membership.ts';
import { REASONS, reason, type Reason } from '../../../src/domain/reasons.ts';
import { claimFacts } from '../../../src/machines/claim-outcome.ts';

const OWN = `0x${'11'.repeat(32)}` as Hash32;
const OTHER = `0x${'22'.repeat(32)}` as Hash32;
const TRANSACTION = `0x${'dd'.repeat(32)}` as Hash32;

test.each<[string, ClaimReport, Reason, string]>([
  ['waits in the mempool', { kind: 'pending', transactionHash: TRANSACTION }, reason(REASONS.awaitingHash), TRANSACTION],
  ['is refused', { kind: 'refused', detail: 'NotAuthorizedToSetHash' }, reason(REASONS.failedToSetHash, 'NotAuthorizedToSetHash'), ''],
  ['came after the claim of another node', { kind: 'head_shows', hash: OTHER }, reason(REASONS.hashNotDeepEnough, 'claimed by another node'), 'head 100'],
  ['is visible at the head', { kind: 'head_shows', hash: OWN }, reason(REASONS.hashNotDeepEnough, 'claimed here'), 'head 100'],
  ['was accepted and then reset', { kind: 'was_reset', transactionHash: TRANSACTION }, reason(REASONS.awaitingHash, 'the claimed hash was reset'), TRANSACTION],
])('the right reason and progress are reported for a claim that %s', (_, report, why, progress) => {
  expect(claimFacts(report, OWN, 100n)).toEqual({ reason: why, progress });
});
