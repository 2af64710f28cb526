/**
 * What the chain shows, as data (protocol.md §6): the instances that are members, the chain hash, the outcome of a claim, and the three
 * records that authorize an app.
 */
import type { AppId, Hash32, TeePubkey, Wallet } from './ids.ts';

export type VersionStatus = 'ENROLLED' | 'DEPRECATED' | 'REVOKED' | 'UNKNOWN';
export type InstanceStatus = 'ACTIVE' | 'STOPPED' | 'FAILED' | 'UNKNOWN';
export type AppStatus = 'ACTIVE' | 'INACTIVE' | 'REVOKED' | 'UNKNOWN';

/** A RuntimeInstance of NovaAppRegistry. An `id` of 0n means that there is no such instance. */
export interface Instance {
  readonly id: bigint;
  readonly appId: bigint;
  readonly versionId: bigint;
  readonly operator: Wallet;
  /** The URL exactly as it was registered. It may be invalid. */
  readonly url: string;
  /** Hex of the registered bytes without `0x`; empty if none are registered. It is not necessarily a valid key. */
  readonly teePubkey: TeePubkey | '';
  readonly wallet: Wallet;
  readonly zkVerified: boolean;
  readonly status: InstanceStatus;
  /** Unix seconds. */
  readonly registeredAt: bigint;
}

/** An instance that passed every membership rule. Whether its URL is allowed depends on whether this node runs in an enclave. */
export interface Member {
  readonly instance: Instance;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey | '';
  readonly url: string;
  readonly versionStatus: 'ENROLLED' | 'DEPRECATED';
  /**
   * The member is on the list, but its instance or version could not be read at this block. Its data is from the last good read, at most
   * `PEER_CACHE_TTL_SECONDS` ago. Such a member gets no secret (protocol.md §6). Absent if the data was read at this block.
   */
  readonly asLastRead?: true;
}

export interface Membership {
  /** The pinned block at which everything here was read. */
  readonly block: bigint;
  readonly members: readonly Member[];
  /** Entries that were dropped, each with the reason; for `/status` and logs. */
  readonly dropped: readonly { readonly wallet: Wallet; readonly why: string }[];
}

/** The chain hash at the pinned block. `shallow`: the contract does not exist yet at that block. */
export type HashReading =
  | { readonly kind: 'read'; readonly hash: Hash32 }
  | { readonly kind: 'shallow' }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** Everything that one node_tick reads, at one block. */
export interface ChainView {
  /** The pinned block at which everything here was read. */
  readonly block: bigint;
  /** The pinned block's time, as the chain reports it. Unix milliseconds. */
  readonly timestampMs: number;
  readonly head: bigint;
  readonly membership: Membership;
  readonly hash: HashReading;
}

/** The outcome of one attempt to claim. */
export type ClaimReport =
  /** The head already shows a hash; nothing was sent. */
  | { readonly kind: 'head_shows'; readonly hash: Hash32 }
  /** A claim is in the mempool (sent now, or earlier and still pending). */
  | { readonly kind: 'pending'; readonly transactionHash: Hash32 }
  /** An earlier claim of this hash succeeded, but the head shows zero: the owner has reset it. The hash is not claimed again. */
  | { readonly kind: 'was_reset'; readonly transactionHash: Hash32 }
  /** The contract or the chain rejected the claim; `detail` names the error. */
  | { readonly kind: 'refused'; readonly detail: string };

/** What authorizes an app (protocol.md §3). `app` and `version` are null when the instance is unknown. */
export interface AppRecord {
  readonly instance: Instance;
  readonly app: { readonly id: bigint; readonly status: AppStatus } | null;
  readonly version: { readonly id: bigint; readonly status: VersionStatus } | null;
}

/** An authorized app caller. */
export interface AuthorizedApp {
  readonly appId: AppId;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
}

/** The instance URL without trailing slashes, plus `path`. */
export function memberEndpoint(url: string, path: `/${string}`): string {
  return url.replace(/\/+$/, '') + path;
}

/** The entry of a member in a later membership. An instance with the same wallet but a different teePubkey is a different member. */
export function entryOf({ wallet, teePubkey }: Member, membership: Membership | null): Member | undefined {
  return membership?.members.find((member) => member.wallet === wallet && member.teePubkey === teePubkey);
}
