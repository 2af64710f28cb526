/**
 * The chain of a simulation: a block every two seconds, the two contracts' state at each of them, transactions that wait for
 * a block, and reorganisations that take the latest blocks back. What lies CONFIRMATIONS deep never changes; that is what
 * the nodes rely on and what the invariants are held against.
 */
import { keccak256, parseTransaction, type Hex } from 'viem';
import { ZERO_HASH, type Hash32, type Wallet } from '../../domain/ids.ts';
import type { AppStatus, InstanceStatus, VersionStatus } from '../../domain/membership.ts';
import { EPOCH_MS } from './sim-clock.ts';
import type { Timeline } from './timeline.ts';

export const BLOCK_MS = 2_000;
export const CONFIRMATIONS = 6;
/** The head at the start: old enough to be read at depth. */
const FIRST_HEAD = 100;
export const CHAIN_ID = 84_532;
export const KMS_APP_ID = 49n;
export const BASE_FEE = 1_000_000_000n;
export const TIP = 1_000_000n;

export interface SimInstance {
  readonly id: bigint;
  readonly appId: bigint;
  readonly versionId: bigint;
  readonly wallet: Wallet;
  /** Bare hex. */
  readonly teePubkey: string;
  readonly url: string;
  readonly status: InstanceStatus;
  readonly zkVerified: boolean;
}

/** Both contracts at one block. Never changed: a change makes another. */
export interface ContractState {
  readonly id: number;
  readonly hash: Hash32;
  readonly instances: ReadonlyMap<Wallet, SimInstance>;
  /** Versions by `<app id>:<version id>`. */
  readonly versions: ReadonlyMap<string, VersionStatus>;
  readonly apps: ReadonlyMap<bigint, AppStatus>;
}

type Change = (state: ContractState) => Partial<Omit<ContractState, 'id'>>;

/** A claim on its way. */
export interface PendingClaim {
  readonly transactionHash: Hash32;
  readonly sender: Wallet;
  readonly nonce: number;
  readonly tip: bigint;
  readonly hash: Hash32;
  /** Not before this block. */
  readonly notBefore: number;
  /** No block ever takes it; the pool forgets it after `LOST_FOR_BLOCKS`. */
  readonly lost: boolean;
}

interface Mined {
  readonly block: number;
  readonly state: ContractState;
  /** Who set or reset the hash by it; null for all else. */
  readonly claims: readonly PendingClaim[];
  readonly changes: readonly Change[];
}

export interface Receipt {
  readonly block: number;
  readonly succeeded: boolean;
}

/** How long a pool keeps a claim that no block takes. Blocks. */
const LOST_FOR_BLOCKS = 60;

/** What happens to the next claims that reach the chain. */
export type ClaimFate = 'taken' | 'lost' | 'stuck' | 'answer lost' | 'forgotten';

export class SimChain {
  readonly #timeline: Timeline;
  readonly #mined: Mined[];
  #states = 1;
  #pendingClaims: PendingClaim[] = [];
  #pendingChanges: Change[] = [];
  readonly #receipts = new Map<Hash32, Receipt>();
  readonly #nonces = new Map<Wallet, number>();
  #miningAt: number | null = null;
  /** Hashes that stood CONFIRMATIONS deep, each with the time since when. */
  readonly deepHashes = new Map<Hash32, number>();
  /** Hashes that an owner has reset, each with the time when last. */
  readonly resetHashes = new Map<Hash32, number>();
  /** Told of each claim that is sent, and by whom. */
  onClaim: (hash: Hash32, sender: Wallet) => void = () => undefined;
  /** Told whenever another state is deep enough. */
  onDeep: () => void = () => undefined;
  /** Claims that took the place of a stuck one. */
  replaced = 0;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    const state: ContractState = { id: 0, hash: ZERO_HASH, instances: new Map(), versions: new Map(), apps: new Map() };
    this.#mined = [{ block: 0, state, claims: [], changes: [] }];
  }

  get head(): number {
    return FIRST_HEAD + Math.floor(this.#timeline.nowMs / BLOCK_MS);
  }

  /** The state at a block; its own number and hash do not matter to anybody. */
  stateAt(block: number): ContractState {
    for (let at = this.#mined.length - 1; ; at -= 1) if (this.#mined[at]!.block <= block) return this.#mined[at]!.state;
  }

  /** What is deep enough now. */
  get deepState(): ContractState {
    return this.stateAt(this.head - CONFIRMATIONS);
  }

  get headState(): ContractState {
    return this.stateAt(this.head);
  }

  receiptOf(transactionHash: Hash32): Receipt | null {
    return this.#receipts.get(transactionHash) ?? null;
  }

  nonceOf(wallet: Wallet): number {
    return this.#nonces.get(wallet) ?? 0;
  }

  /** The next one after all that waits in the pool. */
  pendingNonceOf(wallet: Wallet): number {
    this.#forgetLost();
    const waiting = this.#pendingClaims.filter(({ sender }) => sender === wallet).map(({ nonce }) => nonce + 1);
    return Math.max(this.nonceOf(wallet), ...waiting);
  }

  /** What was deep before the start. */
  get firstState(): ContractState {
    return this.#mined[0]!.state;
  }

  /** Before the start: the state that is deep already. */
  setUp(change: Change): void {
    const { state } = this.#mined[0]!;
    this.#mined[0] = { block: 0, state: this.#derive(state, change), claims: [], changes: [] };
  }

  /** An owner's transaction: it is in the next block. */
  change(change: Change): void {
    this.#pendingChanges.push(change);
    this.#mineNext();
  }

  /** No one can replace a claim at the cap of fees, so a pool that kept it for ever would keep its wallet from claiming for ever. */
  #forgetLost(): void {
    this.#pendingClaims = this.#pendingClaims.filter(({ lost, notBefore }) => !lost || this.head < notBefore + LOST_FOR_BLOCKS);
  }

  /** @returns what the RPC says to it, `null` when it takes it */
  send(raw: Hex, fate: ClaimFate): string | null {
    const transaction = parseTransaction(raw as `0x02${string}`);
    const sender = senderOf(raw, this.#signers);
    const nonce = transaction.nonce ?? 0;
    if (nonce < this.nonceOf(sender)) return 'nonce too low';
    this.#forgetLost();
    const same = this.#pendingClaims.find((claim) => claim.sender === sender && claim.nonce === nonce);
    const tip = transaction.maxPriorityFeePerGas ?? 0n;
    const transactionHash = keccak256(raw) as Hash32;
    if (same?.transactionHash === transactionHash) return 'already known';
    if (same !== undefined && tip * 10n < same.tip * 11n) return 'replacement transaction underpriced';
    if (same !== undefined) this.replaced += 1;
    this.#pendingClaims = this.#pendingClaims.filter((claim) => claim !== same);
    const hash = `0x${(transaction.data ?? '').slice(10)}` as Hash32;
    this.onClaim(hash, sender);
    if (fate === 'forgotten') return null;
    const notBefore = this.head + 1 + (fate === 'stuck' ? STUCK_BLOCKS : 0);
    this.#pendingClaims.push({ transactionHash, sender, nonce, tip, hash, notBefore, lost: fate === 'lost' });
    this.#mineNext();
    return null;
  }

  /** Whose signature a raw transaction carries is known to who made the enclaves. */
  readonly #signers = new Map<Hash32, Wallet>();

  noteSigner(transactionHash: Hash32, wallet: Wallet): void {
    this.#signers.set(transactionHash, wallet);
  }

  /**
   * Takes back the latest blocks, at most CONFIRMATIONS - 1: what they held waits again, claims in the opposite order.
   * @returns how many changes were taken back
   */
  reorganise(depth: number): number {
    const from = this.head - Math.min(depth, CONFIRMATIONS - 1);
    let taken = 0;
    while (this.#mined.at(-1)!.block > from) {
      const { claims, changes } = this.#mined.pop()!;
      this.#pendingChanges.unshift(...changes);
      for (const claim of claims) {
        this.#receipts.delete(claim.transactionHash);
        this.#nonces.set(claim.sender, claim.nonce);
        this.#pendingClaims.unshift({ ...claim, notBefore: this.head + 1 });
      }
      taken += claims.length + changes.length;
    }
    if (taken > 0) this.#mineNext();
    return taken;
  }

  /** Lets the next block be when there is something to be in it. */
  #mineNext(): void {
    const waiting = this.#pendingClaims.filter(({ lost }) => !lost);
    if (waiting.length + this.#pendingChanges.length === 0) return;
    const block = this.#pendingChanges.length > 0 ? this.head + 1 : Math.max(this.head + 1, Math.min(...waiting.map(({ notBefore }) => notBefore)));
    if (this.#miningAt !== null && this.#miningAt <= block) return;
    this.#miningAt = block;
    this.#timeline.at((block - FIRST_HEAD) * BLOCK_MS, null, () => {
      if (this.#miningAt !== block) return;
      this.#miningAt = null;
      this.#mine(block);
      this.#mineNext();
    });
  }

  #mine(block: number): void {
    const changes = this.#pendingChanges;
    this.#pendingChanges = [];
    const ready = this.#pendingClaims.filter((claim) => !claim.lost && claim.notBefore <= block && claim.nonce === this.nonceOf(claim.sender));
    this.#pendingClaims = this.#pendingClaims.filter((claim) => !ready.includes(claim));
    let state = this.#mined.at(-1)!.state;
    for (const change of changes) {
      const { hash } = state;
      state = this.#derive(state, change);
      if (state.hash !== hash) this.resetHashes.set(hash, this.#timeline.nowMs);
    }
    for (const claim of ready) {
      const succeeded = mayClaim(state, claim.sender) === null;
      if (succeeded) state = this.#derive(state, () => ({ hash: claim.hash }));
      this.#nonces.set(claim.sender, claim.nonce + 1);
      this.#receipts.set(claim.transactionHash, { block, succeeded });
    }
    this.#mined.push({ block, state, claims: ready, changes });
    // Deep as soon as so many blocks lie on it, unless it is taken back before.
    this.#timeline.at((block + CONFIRMATIONS - FIRST_HEAD) * BLOCK_MS, null, () => {
      const { hash } = this.deepState;
      if (!this.deepHashes.has(hash)) this.deepHashes.set(hash, this.#timeline.nowMs);
      this.onDeep();
    });
  }

  #derive(state: ContractState, change: Change): ContractState {
    return { ...state, ...change(state), id: this.#states++ };
  }
}

/** When a block was made, by the true time. Unix milliseconds, of whole seconds as the chain has them. */
export function timeOfBlock(block: number): number {
  return EPOCH_MS + (block - FIRST_HEAD) * BLOCK_MS;
}

/** How long a stuck claim waits: longer than a node leaves it alone. */
const STUCK_BLOCKS = 30;

function senderOf(raw: Hex, signers: ReadonlyMap<Hash32, Wallet>): Wallet {
  const sender = signers.get(keccak256(raw) as Hash32);
  if (sender === undefined) throw new Error('a transaction came that no enclave of this simulation has signed');
  return sender;
}

/** Why the contract would refuse a claim, by the name of its error; null when it takes it. */
export function mayClaim(state: ContractState, sender: Wallet): 'MasterSecretHashAlreadySet' | 'NotAuthorizedToSetHash' | null {
  if (state.hash !== ZERO_HASH) return 'MasterSecretHashAlreadySet';
  const instance = state.instances.get(sender);
  const version = instance === undefined ? undefined : state.versions.get(`${instance.appId}:${instance.versionId}`);
  const may = instance?.appId === KMS_APP_ID && instance.status === 'ACTIVE' && version === 'ENROLLED';
  return may ? null : 'NotAuthorizedToSetHash';
}

/** A state with one instance put in or changed. */
export function withInstance(state: ContractState, wallet: Wallet, fields: Partial<SimInstance>): Partial<ContractState> {
  const known = state.instances.get(wallet);
  const fresh: SimInstance = {
    id: BigInt(state.instances.size + 1),
    appId: KMS_APP_ID,
    versionId: 1n,
    wallet,
    teePubkey: '',
    url: '',
    status: 'ACTIVE',
    zkVerified: true,
  };
  return { instances: new Map(state.instances).set(wallet, { ...fresh, ...known, ...fields }) };
}
