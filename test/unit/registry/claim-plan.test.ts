/** Which transaction is sent for a claim (protocol.md §6): EIP-1559 fees, waiting, and replacing what is stuck. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  freshFees,
  planClaim,
  replacementFees,
  STUCK_AFTER_BLOCKS,
  type ChainFacts,
  type ClaimPlan,
  type SentClaim,
} from '../../../src/registry/claim-plan.ts';

const FACTS: ChainFacts = { head: 100n, nonce: 7, baseFee: 1_000n, tip: 80n };
const FRESH = { maxPriorityFeePerGas: 80n, maxFeePerGas: 2_080n };
const RAISED = { maxPriorityFeePerGas: 91n, maxFeePerGas: 2_341n };

function sent(nonce: number, blocksAgo: bigint): SentClaim {
  return { nonce, sentAt: FACTS.head - blocksAgo, ...FRESH };
}

describe('a claim', () => {
  test.each<[string, SentClaim | null, ClaimPlan]>([
    ['that was never sent goes out under the next nonce with fresh fees', null, { kind: 'send', nonce: 7, ...FRESH }],
    ['just sent is waited for', sent(7, 0n), { kind: 'wait' }],
    ['that waits one block less than stuck is waited for', sent(7, STUCK_AFTER_BLOCKS - 1n), { kind: 'wait' }],
    ['that is stuck is replaced under its own nonce with both fees raised', sent(7, STUCK_AFTER_BLOCKS), { kind: 'send', nonce: 7, ...RAISED }],
    ['whose nonce the chain has used is followed by another, with fresh fees', sent(6, 0n), { kind: 'send', nonce: 7, ...FRESH }],
    ['of a nonce that the chain has not reached yet keeps that nonce', sent(9, 50n), { kind: 'send', nonce: 9, ...RAISED }],
  ])('%s', (_, last, plan) => {
    expect(planClaim(last, FACTS)).toEqual(plan);
  });
});

const wei = fc.bigInt({ min: 0n, max: 10n ** 14n });

describe('fees', () => {
  test('fresh: the tip, and twice the base fee beside it', () => {
    expect(freshFees({ baseFee: 50n, tip: 3n })).toEqual({ maxPriorityFeePerGas: 3n, maxFeePerGas: 103n });
  });

  test('of a replacement are each at least 10 % above the last, no lower than fresh, and in order', () => {
    fc.assert(
      fc.property(wei, wei, wei, wei, (baseFee, tip, lastTip, lastBase) => {
        const last = freshFees({ baseFee: lastBase, tip: lastTip });
        const fresh = freshFees({ baseFee, tip });
        const next = replacementFees(last, { baseFee, tip });
        expect(next.maxFeePerGas * 10n).toBeGreaterThanOrEqual(last.maxFeePerGas * 11n);
        expect(next.maxPriorityFeePerGas * 10n).toBeGreaterThanOrEqual(last.maxPriorityFeePerGas * 11n);
        expect(next.maxFeePerGas).toBeGreaterThanOrEqual(fresh.maxFeePerGas);
        expect(next.maxPriorityFeePerGas).toBeGreaterThanOrEqual(fresh.maxPriorityFeePerGas);
        expect(next.maxFeePerGas).toBeGreaterThanOrEqual(next.maxPriorityFeePerGas);
      }),
    );
  });
});
