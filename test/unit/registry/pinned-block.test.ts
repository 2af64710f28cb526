/** The block at which a view is read (protocol.md §6, Freshness). */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clockFault, pinBlock, type ChainRules, type SeenChain } from '../../../src/registry/pinned-block.ts';

const RULES: ChainRules = { confirmations: 6, maxClockSkewMs: 15_000 };
const NEW: SeenChain = { chainId: null, highest: null };
const SEEN: SeenChain = { chainId: 84_532, highest: 94n };
const shown = (head: bigint, chainId = 84_532) => ({ chainId, head });

describe('the pinned block', () => {
  test.each<[string, SeenChain, bigint, bigint]>([
    ['is below the head by the number of confirmations', NEW, 100n, 94n],
    ['is the first block when the chain is only just long enough', NEW, 6n, 0n],
    ['rises with the head', SEEN, 103n, 97n],
    ['stays the same while the head stays the same', SEEN, 100n, 94n],
    ['stays the same when the head is one block lower', SEEN, 99n, 94n],
    ['stays the same when the head is lower by the number of confirmations', SEEN, 94n, 94n],
  ])('%s', (_, seen, head, block) => {
    expect(pinBlock(RULES, seen, shown(head))).toEqual({ ok: true, block });
  });

  test.each<[string, ChainRules, SeenChain, ReturnType<typeof shown>, string, boolean]>([
    ['a head that is lower by more than the number of confirmations', RULES, SEEN, shown(93n), 'shows a head that is 7 blocks behind one that it showed before: it or its backend has to catch up', true],
    ['a head from long ago', RULES, SEEN, shown(7n), 'shows a head that is 93 blocks behind one that it showed before: it or its backend has to catch up', true],
    ['a chain that is too short', RULES, NEW, shown(5n), 'shows a chain that is younger than 6 blocks', true],
    ['a chain that differs from the previous chain', RULES, SEEN, shown(200n, 1), 'reports the chain ID 1, not 84532: NODE_URL or CHAIN_ID is wrong', false],
    ['a chain whose id is not CHAIN_ID', { ...RULES, chainId: 1 }, NEW, shown(100n), 'reports the chain ID 84532, not 1: NODE_URL or CHAIN_ID is wrong', false],
  ])('cannot be chosen because of %s', (_, rules, seen, chain, how, again) => {
    expect(pinBlock(rules, seen, chain)).toEqual({ ok: false, how, again });
  });

  test('never becomes lower, regardless of the heads that the RPC shows', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 300n })), fc.integer({ min: 0, max: 20 }), (heads, confirmations) => {
        let seen = NEW;
        for (const head of heads) {
          const pinned = pinBlock({ ...RULES, confirmations }, seen, shown(head));
          if (!pinned.ok) continue;
          expect(pinned.block).toBeGreaterThanOrEqual(seen.highest ?? 0n);
          expect(head - pinned.block).toBeLessThanOrEqual(BigInt(confirmations));
          expect(head - pinned.block).toBeGreaterThanOrEqual(0n);
          seen = { chainId: 84_532, highest: pinned.block };
        }
      }),
    );
  });
});

test.each<[string, number, string | null]>([
  ['a block time equal to the clock is accepted', 0, null],
  ['a block time ahead of the clock by MAX_CLOCK_SKEW_MS is accepted', 15_000, null],
  ['a block time ahead of the clock by more than MAX_CLOCK_SKEW_MS is a fault', 15_001, "shows block 94 with a time 16 s ahead of this node's clock: the clock of this node is behind, or the RPC is wrong"],
  ['a block time an hour behind the clock is accepted', -3_600_000, null],
])('%s', (_, aheadMs, fault) => {
  expect(clockFault(RULES, { number: 94n, timestampMs: 1_000_000 + aheadMs }, 1_000_000)).toBe(fault);
});
