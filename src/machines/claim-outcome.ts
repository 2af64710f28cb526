/** Turns the report of an attempted claim into the reason why the node still waits for a hash (protocol.md §1, step 3). Pure. */
import type { Hash32 } from '../domain/ids.ts';
import type { ClaimReport } from '../domain/membership.ts';
import { REASONS, reason } from '../domain/reasons.ts';
import type { ClaimFacts } from './slots.ts';

/**
 * @param hash the claimed hash
 * @param head block number of the head; when it rises, the claim gets deeper, and this counts as progress
 */
export function claimFacts(report: ClaimReport, hash: Hash32, head: bigint): ClaimFacts {
  switch (report.kind) {
    case 'head_shows':
      return {
        reason: reason(REASONS.hashNotDeepEnough, report.hash === hash ? 'claimed here' : 'claimed by another node'),
        progress: `head ${head}`,
      };
    case 'pending':
      return { reason: reason(REASONS.awaitingHash), progress: report.transactionHash };
    case 'was_reset':
      return { reason: reason(REASONS.awaitingHash, 'the claimed hash was reset'), progress: report.transactionHash };
    case 'refused':
      return { reason: reason(REASONS.failedToSetHash, report.detail), progress: '' };
  }
}
