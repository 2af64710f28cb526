/**
 * Which transaction to send for a claim (protocol.md §6): pure. EIP-1559, max fee = 2 x base fee + tip, the tip within its
 * bounds. What the RPC suggests as a tip may be absurd, so a cap binds. A claim of ours that still waits is left alone for a
 * while, then replaced under the same nonce; one that was refused for its price is raised by an eighth at each further try, until
 * it is taken or the cap is reached. From the cap on, tries begin again with fresh fees: the pool may have forgotten what was in the
 * way, and a node that gave up permanently would never claim.
 */

/** Gas limit of a claim. */
export const CLAIM_GAS = 300_000n;
/** The least tip. Wei per gas. */
export const MIN_TIP = 1_000_000n;
/** The most that a claim may cost: 0.05 ether. Wei. */
export const MAX_CLAIM_FEE = 50_000_000_000_000_000n;
const MAX_FEE_PER_GAS = MAX_CLAIM_FEE / CLAIM_GAS;
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

/** The last try under a nonce, of whichever hash. */
export interface LastTry extends ClaimFees {
  readonly nonce: number;
  /** The head when it was sent. */
  readonly sentAt: bigint;
  /** `refused`: for its price; the next try offers more. */
  readonly became: 'taken' | 'refused';
  /** It claims the hash that is to be claimed now. */
  readonly isSameHash: boolean;
}

export interface ChainFacts {
  readonly head: bigint;
  /** Transactions of this wallet that are on the chain. */
  readonly nonce: number;
  readonly baseFee: bigint;
  /** As the RPC suggests it. */
  readonly tip: bigint;
}

export type ClaimPlan =
  | { readonly kind: 'wait' }
  | ({ readonly kind: 'send'; readonly nonce: number } & ClaimFees)
  /** What would be mined now is over the cap. */
  | { readonly kind: 'too_dear' };

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const raised = (fee: bigint): bigint => (fee * RAISE_NUMERATOR) / RAISE_DENOMINATOR + 1n;

/** @param maxTip `CLAIM_MAX_TIP_GWEI` in wei, MIN_TIP or more; null: no claim within the caps would be mined */
export function freshFees({ baseFee, tip }: Pick<ChainFacts, 'baseFee' | 'tip'>, maxTip: bigint): ClaimFees | null {
  const maxPriorityFeePerGas = min(max(tip, MIN_TIP), maxTip);
  return withinCap({ maxPriorityFeePerGas, maxFeePerGas: 2n * baseFee + maxPriorityFeePerGas }, baseFee);
}

/** Fees that replace `last`, each raised by an eighth at least, and are no lower than fresh ones; null: over the cap. */
export function raisedFees(last: ClaimFees, facts: Pick<ChainFacts, 'baseFee' | 'tip'>, maxTip: bigint): ClaimFees | null {
  const fresh = freshFees(facts, maxTip);
  const maxPriorityFeePerGas = max(raised(last.maxPriorityFeePerGas), fresh?.maxPriorityFeePerGas ?? 0n);
  const maxFeePerGas = max(max(raised(last.maxFeePerGas), fresh?.maxFeePerGas ?? 0n), maxPriorityFeePerGas);
  const isOver = fresh === null || maxPriorityFeePerGas > maxTip || maxFeePerGas > MAX_FEE_PER_GAS;
  return isOver ? null : { maxPriorityFeePerGas, maxFeePerGas };
}

/** A base fee that has room above it may rise no more than the cap allows. */
function withinCap({ maxPriorityFeePerGas, maxFeePerGas }: ClaimFees, baseFee: bigint): ClaimFees | null {
  const capped = min(maxFeePerGas, MAX_FEE_PER_GAS);
  return capped < baseFee + maxPriorityFeePerGas ? null : { maxPriorityFeePerGas, maxFeePerGas: capped };
}

/** @param last the last try under a nonce that is not used yet; null when this process made none */
export function planClaim(last: LastTry | null, facts: ChainFacts, maxTip: bigint): ClaimPlan {
  if (last === null || last.nonce < facts.nonce) return send(facts.nonce, freshFees(facts, maxTip));
  if (last.became === 'taken' && last.isSameHash && facts.head - last.sentAt < STUCK_AFTER_BLOCKS) return { kind: 'wait' };
  return send(last.nonce, raisedFees(last, facts, maxTip) ?? freshFees(facts, maxTip));
}

function send(nonce: number, fees: ClaimFees | null): ClaimPlan {
  return fees === null ? { kind: 'too_dear' } : { kind: 'send', nonce, ...fees };
}
