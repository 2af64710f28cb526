/** The transaction for a claim (protocol.md §6): its fees, their bounds, and when the node waits or replaces an earlier transaction. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CLAIM_GAS,
  freshFees,
  MAX_CLAIM_FEE,
  MIN_TIP,
  planClaim,
  raisedFees,
  STUCK_AFTER_BLOCKS,
  type ChainFacts,
  type ClaimFees,
  type ClaimPlan,
  type LastTry,
} from '../../../src/registry/claim-plan.ts';

const GWEI = 1_000_000_000n;
const MAX_TIP = 50n * GWEI;
const MAX_FEE_PER_GAS = MAX_CLAIM_FEE / CLAIM_GAS;
const FACTS: ChainFacts = { head: 100n, nonce: 7, baseFee: 1_000_000n, tip: 2_000_000n };
const FRESH = { maxPriorityFeePerGas: 2_000_000n, maxFeePerGas: 4_000_000n };
const RAISED = { maxPriorityFeePerGas: 2_250_001n, maxFeePerGas: 4_500_001n };

function tried(nonce: number, blocksAgo: bigint, more: Partial<LastTry> = {}): LastTry {
  return { nonce, sentAt: FACTS.head - blocksAgo, ...FRESH, became: 'taken', isSameHash: true, ...more };
}

describe('a claim', () => {
  test.each<[string, LastTry | null, ClaimPlan]>([
    ['that was never sent is sent with the next nonce and fresh fees', null, { kind: 'send', nonce: 7, ...FRESH }],
    ['that was just sent is not sent again', tried(7, 0n), { kind: 'wait' }],
    ['that becomes stuck only at the next block is not sent again', tried(7, STUCK_AFTER_BLOCKS - 1n), { kind: 'wait' }],
    ['that is stuck is replaced with the same nonce and both fees raised', tried(7, STUCK_AFTER_BLOCKS), { kind: 'send', nonce: 7, ...RAISED }],
    ['that was refused because of its price is sent again immediately with raised fees', tried(7, 0n, { became: 'refused' }), { kind: 'send', nonce: 7, ...RAISED }],
    ['for another hash replaces a previous claim that is still in the pool', tried(7, 0n, { isSameHash: false }), { kind: 'send', nonce: 7, ...RAISED }],
    ['whose nonce has been used on the chain is sent again with the next nonce and fresh fees', tried(6, 0n), { kind: 'send', nonce: 7, ...FRESH }],
    ['whose nonce the chain has not reached yet keeps that nonce', tried(9, 50n), { kind: 'send', nonce: 9, ...RAISED }],
    ['that was refused although its tip was at the cap is sent again with the same nonce and fresh fees', tried(7, 0n, { became: 'refused', maxPriorityFeePerGas: MAX_TIP }), { kind: 'send', nonce: 7, ...FRESH }],
  ])('%s', (_, last, plan) => {
    expect(planClaim(last, FACTS, MAX_TIP)).toEqual(plan);
  });
});

describe('fresh fees', () => {
  test.each<[string, { baseFee: bigint; tip: bigint }, ClaimFees | null]>([
    ['consist of the tip and a maximum fee, which is the tip plus twice the base fee', { baseFee: 50n, tip: 3_000_000n }, { maxPriorityFeePerGas: 3_000_000n, maxFeePerGas: 3_000_100n }],
    ['have a tip of at least a million wei', { baseFee: 50n, tip: 3n }, { maxPriorityFeePerGas: MIN_TIP, maxFeePerGas: MIN_TIP + 100n }],
    ['have a tip at the cap if the RPC suggests an absurd tip', { baseFee: 0n, tip: 10n ** 18n }, { maxPriorityFeePerGas: MAX_TIP, maxFeePerGas: MAX_TIP }],
    ['have a maximum fee at the cap if twice a high base fee would exceed the cap', { baseFee: 100n * GWEI, tip: GWEI }, { maxPriorityFeePerGas: GWEI, maxFeePerGas: MAX_FEE_PER_GAS }],
    ['are null when the base fee already exceeds the cap', { baseFee: 200n * GWEI, tip: GWEI }, null],
  ])('%s', (_, facts, fees) => {
    expect(freshFees(facts, MAX_TIP)).toEqual(fees);
  });
});

const wei = fc.bigInt({ min: 0n, max: 10n ** 12n });

describe('raised fees', () => {
  test('are at least an eighth above the previous fees and at least as high as fresh fees, or null if they would exceed the cap', () => {
    fc.assert(
      fc.property(wei, wei, wei, wei, (baseFee, tip, lastTip, lastBase) => {
        const last = freshFees({ baseFee: lastBase, tip: lastTip }, MAX_TIP);
        const fresh = freshFees({ baseFee, tip }, MAX_TIP);
        fc.pre(last !== null);
        const next = raisedFees(last, { baseFee, tip }, MAX_TIP);
        if (next === null) {
          const isDear = last.maxPriorityFeePerGas * 9n >= MAX_TIP * 8n - 8n || last.maxFeePerGas * 9n >= MAX_FEE_PER_GAS * 8n - 8n;
          expect(fresh === null || isDear || fresh.maxFeePerGas > MAX_FEE_PER_GAS).toBe(true);
          return;
        }
        expect(next.maxFeePerGas * 8n).toBeGreaterThanOrEqual(last.maxFeePerGas * 9n);
        expect(next.maxPriorityFeePerGas * 8n).toBeGreaterThanOrEqual(last.maxPriorityFeePerGas * 9n);
        expect(next.maxFeePerGas).toBeGreaterThanOrEqual(fresh!.maxFeePerGas);
        expect(next.maxPriorityFeePerGas).toBeGreaterThanOrEqual(fresh!.maxPriorityFeePerGas);
        expect(next.maxFeePerGas).toBeGreaterThanOrEqual(next.maxPriorityFeePerGas);
        expect(next.maxPriorityFeePerGas).toBeLessThanOrEqual(MAX_TIP);
        expect(next.maxFeePerGas * CLAIM_GAS).toBeLessThanOrEqual(MAX_CLAIM_FEE);
      }),
    );
  });

  test('reach the cap from the lowest tip in fewer than 100 attempts', () => {
    let fees: ClaimFees | null = freshFees({ baseFee: 0n, tip: 0n }, MAX_TIP);
    let tries = 0;
    for (; fees !== null && tries < 200; tries += 1) fees = raisedFees(fees, { baseFee: 0n, tip: 0n }, MAX_TIP);
    expect(tries).toBeLessThan(100);
  });
});
