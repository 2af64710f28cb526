/**
 * Chooses the pinned block of a view (protocol.md §6, Freshness): usually the block that is CHAIN_CONFIRMATIONS blocks behind the head.
 * Replicas behind a load balancer show heads that differ by a few blocks. The pinned block never moves back, because an older view would
 * bring revoked members back. This module is pure.
 */

export interface ChainRules {
  /** `CHAIN_CONFIRMATIONS`: how many blocks behind the head the pinned block usually is. */
  readonly confirmations: number;
  /** `CHAIN_ID`. If undefined, the first chain ID that is seen becomes the expected one. */
  readonly chainId?: number | undefined;
  /** `MAX_CLOCK_SKEW_MS`. */
  readonly maxClockSkewMs: number;
}

/** What good views have shown; null before the first good view. */
export interface SeenChain {
  readonly chainId: number | null;
  /** The highest block at which a view was read. */
  readonly highest: bigint | null;
}

export type PinnedBlock =
  | { readonly ok: true; readonly block: bigint }
  /** `how` completes a sentence that begins with the RPC's name. If `again` is true, reading again may help: another backend may answer. */
  | { readonly ok: false; readonly how: string; readonly again: boolean };

export function pinBlock(rules: ChainRules, seen: SeenChain, shown: { readonly chainId: number; readonly head: bigint }): PinnedBlock {
  const chainId = rules.chainId ?? seen.chainId;
  if (chainId !== null && shown.chainId !== chainId) {
    return { ok: false, how: `reports the chain ID ${shown.chainId}, not ${chainId}: NODE_URL or CHAIN_ID is wrong`, again: false };
  }
  const confirmations = BigInt(rules.confirmations);
  const block = shown.head - confirmations;
  if (block < 0n) return { ok: false, how: `shows a chain that is younger than ${rules.confirmations} blocks`, again: true };
  if (seen.highest === null || block >= seen.highest) return { ok: true, block };
  const behind = seen.highest - block;
  if (behind <= confirmations) return { ok: true, block: seen.highest };
  return { ok: false, how: `shows a head that is ${behind} blocks behind one that it showed before: it or its backend has to catch up`, again: true };
}

/** Completes a sentence that begins with the RPC's name; null when the block's time is plausible. @param timestampMs Unix milliseconds */
export function clockFault(rules: ChainRules, block: { readonly number: bigint; readonly timestampMs: number }, nowMs: number): string | null {
  const aheadMs = block.timestampMs - nowMs;
  if (aheadMs <= rules.maxClockSkewMs) return null;
  return `shows block ${block.number} with a time ${Math.ceil(aheadMs / 1000)} s ahead of this node's clock: the clock of this node is behind, or the RPC is wrong`;
}
