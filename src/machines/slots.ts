/**
 * The actor slots of the machine: the steps of node_tick, the probes of peers, and the replication, which receives each sync_tick. Their
 * results contain only facts (hashes, wallets, counts and reasons) and no key bytes, because inspectors show every result.
 *
 * A slot that is not filled throws. The composition root fills them (`machine.provide({ actors })`).
 */
import { fromCallback, fromPromise } from 'xstate';
import { InvariantError } from '../domain/errors.ts';
import type { Reason } from '../domain/reasons.ts';
import type { SnapshotRound } from './first-snapshot.ts';
import type { SecretStanding, StoreOrigin } from './secret-life.ts';

/** Step 1: what the chain shows at one block. The chain is read once, and all later steps use the result. */
export interface ChainFacts {
  readonly block: number;
  /** Unix milliseconds of the block. */
  readonly blockMs: number;
  readonly members: number;
  readonly hash: HashFacts;
}

/** What this tick has to do about the chain hash. `shallow`: the contract does not exist yet at the pinned block. */
export type HashFacts = SecretStanding | { readonly kind: 'shallow' };

/** Step 1 failed, and the previous view remains in use. The reason says what could not be read. */
export interface ChainFailure {
  readonly failed: Reason;
}

/** Step 2: whether this node is an eligible member, and if it is not, the reason. */
export type EligibilityFacts = { readonly eligible: true } | { readonly eligible: false; readonly reason: Reason };

/** Step 3, if the chain hash is zero: why the node still waits, and how far the claim has got. New progress restarts the backoff. */
export interface ClaimFacts {
  readonly reason: Reason;
  readonly progress: string;
}

/** Step 4, secret: whether the step has installed the secret whose hash the chain shows. */
export type SecretFacts =
  | { readonly kind: 'installed'; readonly store: StoreOrigin }
  | { readonly kind: 'failed'; readonly reason: Reason };

/**
 * The result of step 5, which installs the sync key. `stale`: the node was cut off for so long that its store may be incomplete, so it asks
 * for a snapshot again.
 */
export interface SyncKeyFacts {
  readonly stale: boolean;
}

/** The event that replication receives for each sync_tick. `nudged`: caused by a write, not by the interval. */
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
  /** Runs while the node is ready. When the node leaves `ready`, the work of this actor is aborted. */
  replicate: fromCallback<SyncTick>(() => {
    throw new InvariantError('the actor slot replicate was not filled');
  }),
  probePeers: slot<undefined>('probePeers'),
};

export type Slots = typeof slots;
