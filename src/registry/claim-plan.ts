/**
 * Which transaction to send for a claim (protocol.md §6): pure. EIP-1559, max fee = 2 x base fee + tip. A claim of ours
 * that still waits is left alone for a while, then replaced under the same nonce with both fees raised enough for nodes
 * to take the replacement.
 */

/** Gas limit of a claim. */
export const CLAIM_GAS = 300_000n;
/** Nodes ask 10 % more of both fees for a replacement; an eighth is enough everywhere. */
const RAISE_NUMERATOR = 9n;
const RAISE_DENOMINATOR = 8n;
/** Heads that pass before a waiting claim is taken for stuck. */
export const STUCK_AFTER_BLOCKS = 10n;

export interface ClaimFees {
  /** Wei per gas. */
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerGas: bigint;
}

export interface SentClaim extends ClaimFees {
  readonly nonce: number;
  /** The head when it was sent. */
  readonly sentAt: bigint;
}

export interface ChainFacts {
  readonly head: bigint;
  /** Transactions of this wallet that are on the chain. */
  readonly nonce: number;
  readonly baseFee: bigint;
  readonly tip: bigint;
}

export type ClaimPlan =
  | { readonly kind: 'wait' }
  | ({ readonly kind: 'send'; readonly nonce: number } & ClaimFees);

export function freshFees(facts: Pick<ChainFacts, 'baseFee' | 'tip'>): ClaimFees {
  return { maxPriorityFeePerGas: facts.tip, maxFeePerGas: 2n * facts.baseFee + facts.tip };
}

function raised(fee: bigint): bigint {
  return (fee * RAISE_NUMERATOR) / RAISE_DENOMINATOR + 1n;
}

/** Fees that replace `last` and are no lower than fresh ones. */
export function replacementFees(last: ClaimFees, facts: Pick<ChainFacts, 'baseFee' | 'tip'>): ClaimFees {
  const fresh = freshFees(facts);
  const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  const maxPriorityFeePerGas = max(raised(last.maxPriorityFeePerGas), fresh.maxPriorityFeePerGas);
  return { maxPriorityFeePerGas, maxFeePerGas: max(max(raised(last.maxFeePerGas), fresh.maxFeePerGas), maxPriorityFeePerGas) };
}

/** @param last the claim of the same hash that this process sent; null when there is none */
export function planClaim(last: SentClaim | null, facts: ChainFacts): ClaimPlan {
  if (last === null || last.nonce < facts.nonce) return { kind: 'send', nonce: facts.nonce, ...freshFees(facts) };
  if (facts.head - last.sentAt < STUCK_AFTER_BLOCKS) return { kind: 'wait' };
  return { kind: 'send', nonce: last.nonce, ...replacementFees(last, facts) };
}
