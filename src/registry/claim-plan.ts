/**
 * Plans the transaction of a claim: an EIP-1559 transaction with max fee = 2 x base fee + tip (protocol.md §6). Pure. The RPC may suggest
 * an absurd tip, so tip and max fee have limits. The planner waits STUCK_AFTER_BLOCKS blocks for a pending claim to be mined, then replaces
 * it under the same nonce. A claim that was refused because of its price is sent again with fees raised by an eighth, until it is accepted
 * or the cap is reached. When the cap is reached, the next attempt starts with fresh fees, because the pool may have dropped the
 * transaction that had to be outbid. The planner never gives up permanently, because the node would then never claim.
 */

/** Gas limit of a claim. */
export const CLAIM_GAS = 300_000n;
/** Minimum tip. Wei per gas. */
export const MIN_TIP = 1_000_000n;
/** Maximum cost of a claim, in wei: 0.05 ether. */
export const MAX_CLAIM_FEE = 50_000_000_000_000_000n;
const MAX_FEE_PER_GAS = MAX_CLAIM_FEE / CLAIM_GAS;
/** Ethereum nodes accept a replacement only if both fees are at least 10 % higher. An eighth is enough for all nodes. */
const RAISE_NUMERATOR = 9n;
const RAISE_DENOMINATOR = 8n;
/** Number of blocks after which a pending claim counts as stuck. */
export const STUCK_AFTER_BLOCKS = 10n;

export interface ClaimFees {
  /** Both fees are in wei per gas. */
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerGas: bigint;
}

/** The last attempt to send a claim, for this or any other hash. */
export interface LastTry extends ClaimFees {
  readonly nonce: number;
  /** The number of the head block when the attempt was made. */
  readonly sentAt: bigint;
  /** `taken`: the RPC accepted the claim, or may have accepted it. `refused`: the price was too low, so the next attempt offers more. */
  readonly became: 'taken' | 'refused';
  /** Whether the attempt claimed the same hash as the claim that is being planned. */
  readonly isSameHash: boolean;
}

export interface ChainFacts {
  readonly head: bigint;
  /** Number of transactions of this wallet on the chain. */
  readonly nonce: number;
  readonly baseFee: bigint;
  /** The tip that the RPC suggests. Wei per gas. */
  readonly tip: bigint;
}

export type ClaimPlan =
  | { readonly kind: 'wait' }
  | ({ readonly kind: 'send'; readonly nonce: number } & ClaimFees)
  /** Fees within the cap are too low for the claim to be mined now. */
  | { readonly kind: 'too_dear' };

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const raised = (fee: bigint): bigint => (fee * RAISE_NUMERATOR) / RAISE_DENOMINATOR + 1n;

/** @param maxTip `CLAIM_MAX_TIP_GWEI` in wei, MIN_TIP or more @returns null if a claim with fees within the caps would not be mined */
export function freshFees({ baseFee, tip }: Pick<ChainFacts, 'baseFee' | 'tip'>, maxTip: bigint): ClaimFees | null {
  const maxPriorityFeePerGas = min(max(tip, MIN_TIP), maxTip);
  return withinCap({ maxPriorityFeePerGas, maxFeePerGas: 2n * baseFee + maxPriorityFeePerGas }, baseFee);
}

/** Fees to replace `last`: each raised by at least an eighth, and no lower than fresh fees. Null if they exceed the cap. */
export function raisedFees(last: ClaimFees, facts: Pick<ChainFacts, 'baseFee' | 'tip'>, maxTip: bigint): ClaimFees | null {
  const fresh = freshFees(facts, maxTip);
  const maxPriorityFeePerGas = max(raised(last.maxPriorityFeePerGas), fresh?.maxPriorityFeePerGas ?? 0n);
  const maxFeePerGas = max(max(raised(last.maxFeePerGas), fresh?.maxFeePerGas ?? 0n), maxPriorityFeePerGas);
  const isOver = fresh === null || maxPriorityFeePerGas > maxTip || maxFeePerGas > MAX_FEE_PER_GAS;
  return isOver ? null : { maxPriorityFeePerGas, maxFeePerGas };
}

/** Limits the max fee to the cap; null when the cap is below the current base fee plus tip. */
function withinCap({ maxPriorityFeePerGas, maxFeePerGas }: ClaimFees, baseFee: bigint): ClaimFees | null {
  const capped = min(maxFeePerGas, MAX_FEE_PER_GAS);
  return capped < baseFee + maxPriorityFeePerGas ? null : { maxPriorityFeePerGas, maxFeePerGas: capped };
}

/** @param last the last attempt; null when this process has made none */
export function planClaim(last: LastTry | null, facts: ChainFacts, maxTip: bigint): ClaimPlan {
  if (last === null || last.nonce < facts.nonce) return send(facts.nonce, freshFees(facts, maxTip));
  if (last.became === 'taken' && last.isSameHash && facts.head - last.sentAt < STUCK_AFTER_BLOCKS) return { kind: 'wait' };
  return send(last.nonce, raisedFees(last, facts, maxTip) ?? freshFees(facts, maxTip));
}

function send(nonce: number, fees: ClaimFees | null): ClaimPlan {
  return fees === null ? { kind: 'too_dear' } : { kind: 'send', nonce, ...fees };
}
