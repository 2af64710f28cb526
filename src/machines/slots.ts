/**
 * The actor slots of the machine: what each step of node_tick finds out, and the replication that hears of each sync_tick. Facts only: hashes, wallets, counts and reasons; no key bytes, since inspectors show all of it.
 *
 * The slots here throw. The composition root fills them (`machine.provide({ actors })`).
 */
import { fromCallback, fromPromise } from 'xstate';
import { InvariantError } from '../domain/errors.ts';
import type { Reason } from '../domain/reasons.ts';
import type { SnapshotRound } from './first-snapshot.ts';
import type { SecretStanding, StoreOrigin } from './secret-life.ts';

/**
 * Step 1: what the chain shows at one block, looked at once. Eligibility, claim, fetch and withdrawal follow from it.
 */
export interface ChainFacts {
  readonly block: number;
  /** Unix milliseconds of the block. */
  readonly blockMs: number;
  readonly members: number;
  readonly hash: HashFacts;
}

/** What the hash asks of this tick. `shallow`: the contract is not there yet at that depth. */
export type HashFacts = SecretStanding | { readonly kind: 'shallow' };

/** Step 1 failed: what the view before said stays. The reason names what could not be read. */
export interface ChainFailure {
  readonly failed: Reason;
}

/** Step 2. */
export type EligibilityFacts = { readonly eligible: true } | { readonly eligible: false; readonly reason: Reason };

/** Step 3, zero: why the node still waits, and what the backoff takes for progress. */
export interface ClaimFacts {
  readonly reason: Reason;
  readonly progress: string;
}

/** Step 4. */
export type SecretFacts =
  | { readonly kind: 'installed'; readonly store: StoreOrigin }
  | { readonly kind: 'failed'; readonly reason: Reason };

/** Step 5. `stale`: the node was cut off for too long to vouch for what it holds, and asks for a snapshot again. */
export interface SyncKeyFacts {
  readonly stale: boolean;
}

/** A sync_tick as the replication hears it. `nudged`: by a write, between two of the interval. */
export interface SyncTick {
  readonly type: 'sync_tick';
  readonly nudged?: boolean;
}

function slot<Facts>(name: string) {
  return fromPromise<Facts>(() => {
    throw new InvariantError(`the actor slot ${name} was not filled`);
  });
}

export const slots = {
  readChain: slot<ChainFacts | ChainFailure>('readChain'),
  checkEligibility: slot<EligibilityFacts>('checkEligibility'),
  claimHash: slot<ClaimFacts>('claimHash'),
  fetchSecret: slot<SecretFacts>('fetchSecret'),
  installSyncKey: slot<SyncKeyFacts>('installSyncKey'),
  fetchSnapshot: slot<SnapshotRound>('fetchSnapshot'),
  /** Lives as long as the node is ready; what it has under way ends with it. */
  replicate: fromCallback<SyncTick>(() => {
    throw new InvariantError('the actor slot replicate was not filled');
  }),
  probePeers: slot<undefined>('probePeers'),
};

export type Slots = typeof slots;
