/**
 * The chain of a simulation: a block every two seconds, the state of both contracts at each block, transactions that wait for a block, and
 * reorganisations that undo the latest blocks. A block that is `CONFIRMATIONS` blocks deep is never undone. Therefore the nodes rely on
 * the state at that depth, and the invariants are checked against it.
 */
import { keccak256, parseTransaction, type Hex } from 'viem';
import { ZERO_HASH, type Hash32, type Wallet } from '../../domain/ids.ts';
import type { AppStatus, InstanceStatus, VersionStatus } from '../../domain/membership.ts';
import { EPOCH_MS } from './sim-clock.ts';
import type { Timeline } from './timeline.ts';

export const BLOCK_MS = 2_000;
export const CONFIRMATIONS = 6;
/** The head at the start. It is high enough that some blocks are already `CONFIRMATIONS` blocks deep. */
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
  /** Hex without a prefix. */
  readonly teePubkey: string;
  readonly url: string;
  readonly status: InstanceStatus;
  readonly zkVerified: boolean;
}

/** The state of both contracts at one block. It is immutable: each change creates a new state. */
export interface ContractState {
  readonly id: number;
  readonly hash: Hash32;
  readonly instances: ReadonlyMap<Wallet, SimInstance>;
  /** The status of each version, with the key `<app id>:<version id>`. */
  readonly versions: ReadonlyMap<string, VersionStatus>;
  readonly apps: ReadonlyMap<bigint, AppStatus>;
}

type Change = (state: ContractState) => Partial<Omit<ContractState, 'id'>>;

/** A claim in the pool. */
export interface PendingClaim {
  readonly transactionHash: Hash32;
  readonly sender: Wallet;
  readonly nonce: number;
  readonly tip: bigint;
  readonly hash: Hash32;
  /** The first block that may include the claim. */
  readonly notBefore: number;
  /** Whether the claim is lost: no block ever includes it, and the pool forgets it after `LOST_FOR_BLOCKS`. */
  readonly lost: boolean;
}

interface Mined {
  readonly block: number;
  readonly state: ContractState;
  /** The claims that the block includes, whether they succeeded or not. */
  readonly claims: readonly PendingClaim[];
  readonly changes: readonly Change[];
}

export interface Receipt {
  readonly block: number;
  readonly succeeded: boolean;
}

/** How long the pool keeps a lost claim. Blocks. */
const LOST_FOR_BLOCKS = 60;

/** What happens to a claim that reaches the pool. */
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
  /** Hashes that were ever `CONFIRMATIONS` blocks deep, each with the time when it first reached that depth. Simulated milliseconds. */
  readonly deepHashes = new Map<Hash32, number>();
  /** Hashes that the owner has reset, each with the time of its last reset. Simulated milliseconds. */
  readonly resetHashes = new Map<Hash32, number>();
  /** Called for each claim that the pool accepts, with the claimed hash and the sender. */
  onClaim: (hash: Hash32, sender: Wallet) => void = () => undefined;
  /** Called each time a block with transactions becomes `CONFIRMATIONS` blocks deep. */
  onDeep: () => void = () => undefined;
  /** Number of claims that replaced a waiting claim. */
  replaced = 0;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    const state: ContractState = { id: 0, hash: ZERO_HASH, instances: new Map(), versions: new Map(), apps: new Map() };
    this.#mined = [{ block: 0, state, claims: [], changes: [] }];
  }

  get head(): number {
    return FIRST_HEAD + Math.floor(this.#timeline.nowMs / BLOCK_MS);
  }

  /** The state of both contracts at a block. */
  stateAt(block: number): ContractState {
    for (let at = this.#mined.length - 1; ; at -= 1) if (this.#mined[at]!.block <= block) return this.#mined[at]!.state;
  }

  /** The state of both contracts at the block that is `CONFIRMATIONS` blocks below the head. */
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

  /** The wallet's next nonce: above the nonces of all its claims in the pool. */
  pendingNonceOf(wallet: Wallet): number {
    this.#forgetLost();
    const waiting = this.#pendingClaims.filter(({ sender }) => sender === wallet).map(({ nonce }) => nonce + 1);
    return Math.max(this.nonceOf(wallet), ...waiting);
  }

  /** The state before the first block with transactions. */
  get firstState(): ContractState {
    return this.#mined[0]!.state;
  }

  /** Changes the first state, which is `CONFIRMATIONS` blocks deep from the start. */
  setUp(change: Change): void {
    const { state } = this.#mined[0]!;
    this.#mined[0] = { block: 0, state: this.#derive(state, change), claims: [], changes: [] };
  }

  /** Sends a transaction that makes this change. The next block includes it. */
  change(change: Change): void {
    this.#pendingChanges.push(change);
    this.#mineNext();
  }

  /**
   * Drops lost claims after a while. A lost claim whose fee is at the cap cannot be replaced. If such a claim stayed in the pool, its
   * wallet could never claim again.
   */
  #forgetLost(): void {
    this.#pendingClaims = this.#pendingClaims.filter(({ lost, notBefore }) => !lost || this.head < notBefore + LOST_FOR_BLOCKS);
  }

  /** Sends a claim to the pool. @returns the error of the RPC; null when the pool accepts the claim */
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

  /** The signer of each transaction. The simulated enclave reports the signer, so the chain does not recover it from the signature. */
  readonly #signers = new Map<Hash32, Wallet>();

  noteSigner(transactionHash: Hash32, wallet: Wallet): void {
    this.#signers.set(transactionHash, wallet);
  }

  /**
   * Undoes the latest blocks, at most `CONFIRMATIONS - 1` of them. Their transactions wait for a block again. The claims of each block wait
   * in reverse order.
   * @returns the number of claims and changes that were undone
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

  /** Schedules the next block that includes a waiting transaction, if there is one. */
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
    // When this runs, the block is `CONFIRMATIONS` blocks deep, unless a reorganisation has undone it.
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

/** The true time of a block. Unix milliseconds, always whole seconds. */
export function timeOfBlock(block: number): number {
  return EPOCH_MS + (block - FIRST_HEAD) * BLOCK_MS;
}

/** How long a stuck claim waits: long enough for its sender to replace it. Blocks. */
const STUCK_BLOCKS = 30;

function senderOf(raw: Hex, signers: ReadonlyMap<Hash32, Wallet>): Wallet {
  const sender = signers.get(keccak256(raw) as Hash32);
  if (sender === undefined) throw new Error('no enclave of this simulation has signed this transaction');
  return sender;
}

/** The name of the error with which the contract refuses a claim; null when it accepts the claim. */
export function mayClaim(state: ContractState, sender: Wallet): 'MasterSecretHashAlreadySet' | 'NotAuthorizedToSetHash' | null {
  if (state.hash !== ZERO_HASH) return 'MasterSecretHashAlreadySet';
  const instance = state.instances.get(sender);
  const version = instance === undefined ? undefined : state.versions.get(`${instance.appId}:${instance.versionId}`);
  const may = instance?.appId === KMS_APP_ID && instance.status === 'ACTIVE' && version === 'ENROLLED';
  return may ? null : 'NotAuthorizedToSetHash';
}

/** The change that adds an instance or changes its fields. */
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
