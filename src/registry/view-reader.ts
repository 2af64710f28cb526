/**
 * Reads the view of the chain for one node_tick (protocol.md §6): the membership and the chain hash, at one block, CHAIN_CONFIRMATIONS
 * blocks behind the head. This takes three round trips, regardless of the number of instances (§9.11):
 *
 *   1  the head's number, the chain's id, and the list of instances at the head, which is a hint for trip 2
 *   2  at the pinned block: its time, the list, the chain hash, and the hinted instances
 *   3  at the pinned block: their versions, and the instances that the hint lacked
 *
 * Each trip after the first asks for the chain's id again, because an RPC may switch to another chain between two trips. A fourth trip is
 * made when an instance that the hint lacked has a version that no hinted instance has. This extra trip is rare, and without it a member
 * could be left out for one tick. A head that is too far back is read again, because the load balancer may then choose a different backend.
 */
import type { Hex } from 'viem';
import { nameOf } from '../domain/dependency-failures.ts';
import { elapsedMs } from '../domain/elapsed.ts';
import { DependencyError } from '../domain/errors.ts';
import { parseHash32, type Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { ChainView, HashReading, Instance, VersionStatus } from '../domain/membership.ts';
import type { Clock } from '../domain/ports.ts';
import { kmsRegistryAbi, novaAppRegistryAbi } from './abi.ts';
import { LastRead } from './last-read.ts';
import { judgeMembership, type Entry, type MembershipRules } from './membership-rules.ts';
import { clockFault, pinBlock, type ChainRules, type SeenChain } from './pinned-block.ts';
import { toInstance, toVersion, toWallet } from './records.ts';
import type { Rpc, RpcTrip } from './rpc.ts';
import type { ViewCall, ViewResult } from './view-call.ts';

/** Maximum number of times that the head is read while it is too far back. */
const HEAD_ASKED = 4;
const MAX_LISTED = 2 * MAX_MEMBERS;

export interface ViewReaderOptions extends MembershipRules, ChainRules {
  readonly novaAppRegistry: Wallet;
  readonly kmsRegistry: Wallet;
  /** How long the last reading of an entry is used when the entry cannot be read: `PEER_CACHE_TTL_SECONDS` in milliseconds. */
  readonly lastReadTtlMs: number;
}

export interface ViewReaderModules {
  readonly rpc: Rpc;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
}

type RawInstance = Parameters<typeof toInstance>[0];
type RawVersion = Parameters<typeof toVersion>[0];

interface Head {
  readonly block: bigint;
  readonly head: bigint;
  readonly chainId: number;
  readonly hinted: readonly Wallet[];
}

/** Results of the calls for one view of the chain, by wallet and by version id. */
interface Found {
  readonly instances: Map<Wallet, ViewResult>;
  readonly versions: Map<bigint, ViewResult>;
}

export class ViewReader {
  readonly #options: ViewReaderOptions;
  readonly #rpc: Rpc;
  readonly #clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly #instances: LastRead<Wallet, Instance>;
  readonly #versions: LastRead<bigint, VersionStatus>;
  #seen: SeenChain = { chainId: null, highest: null };
  #lastListed: readonly Wallet[] = [];

  constructor(options: ViewReaderOptions, modules: ViewReaderModules) {
    this.#options = options;
    this.#rpc = modules.rpc;
    this.#clock = modules.clock;
    const elapsed = { elapsedMs: elapsedMs(modules.clock) };
    this.#instances = new LastRead(options.lastReadTtlMs, elapsed);
    this.#versions = new LastRead(options.lastReadTtlMs, elapsed);
  }

  /** The chain ID that the last good view showed; null before the first good view. */
  get chainId(): number | null {
    return this.#seen.chainId;
  }

  /** The highest block at which a good view was read; 0 before the first good view. */
  get highestBlock(): bigint {
    return this.#seen.highest ?? 0n;
  }

  /** @throws DependencyError when the view cannot be read: a failed refresh is not an empty list (§9.18) */
  async readView(signal: AbortSignal): Promise<ChainView> {
    const pinned = await this.#readHead(signal);
    const { block, head, chainId } = pinned;
    const first = await this.#readListed(pinned, signal);
    const wrongTime = clockFault(this.#options, { number: block, timestampMs: first.timestampMs }, this.#clock.nowMs());
    if (wrongTime !== null) throw this.#failure(wrongTime);
    const hash = await this.#judgeHash(first.hash, block, signal);
    if (!first.list.ok) return this.#failList(first.list, block, signal);
    const listed = (first.list.value as readonly string[]).slice(0, MAX_LISTED).map(toWallet);
    const found: Found = { instances: first.instances, versions: new Map() };
    await this.#readRest(listed, found, pinned, signal);
    const membership = judgeMembership(this.#options, { block, listed, ...this.#entriesOf(listed, found) });
    this.#lastListed = listed;
    this.#seen = { chainId, highest: block };
    return { block, timestampMs: first.timestampMs, head, membership, hash };
  }

  async readHash(block: bigint, signal: AbortSignal): Promise<HashReading> {
    const result = await this.#tripOn(this.#seen.chainId, signal, ({ views }) => views.readOne(this.#hashCall(), block));
    return this.#judgeHash(result, block, signal);
  }

  /**
   * Trip 1: reads the head's number, the chain's id and the list at the head. The list of the last view is a hint too. It is the only hint
   * when the list at the head cannot be read.
   */
  async #readHead(signal: AbortSignal): Promise<Head> {
    for (let asked = 1; ; asked += 1) {
      const [head, chainId, latest] = await this.#rpc.trip(signal, ({ client, views }) =>
        Promise.all([client.getBlockNumber({ cacheTime: 0 }), client.getChainId(), views.readOne(this.#listCall()), views.findMulticall()]),
      );
      const pinned = pinBlock(this.#options, this.#seen, { chainId, head });
      if (pinned.ok) {
        const now = latest.ok ? (latest.value as readonly string[]).map(toWallet) : [];
        return { block: pinned.block, head, chainId, hinted: [...new Set([...now, ...this.#lastListed])].slice(0, MAX_LISTED) };
      }
      if (!pinned.again || asked >= HEAD_ASKED) throw this.#failure(pinned.how);
    }
  }

  /** Makes a trip, and fails if another chain answers, because the head of that chain could otherwise stay the highest block seen. */
  async #tripOn<T>(chainId: number | null, signal: AbortSignal, work: (trip: RpcTrip) => Promise<T>): Promise<T> {
    const [chainIdNow, found] = await this.#rpc.trip(signal, (trip) => Promise.all([trip.client.getChainId(), work(trip)]));
    if (chainId !== null && chainIdNow !== chainId) {
      throw this.#failure(`reports the chain ID ${chainId} in one answer and ${chainIdNow} in the next: its backends belong to different chains`);
    }
    return found;
  }

  /** Trip 2: reads the time, the list, the chain hash and the hinted instances, all at the pinned block. */
  async #readListed({ hinted, block, chainId }: Omit<Head, 'head'>, signal: AbortSignal) {
    const calls = [this.#listCall(), this.#hashCall(), ...hinted.map((wallet) => this.#instanceCall(wallet))];
    const [header, [list, hash, ...rest]] = await this.#tripOn(chainId, signal, ({ client, views }) =>
      Promise.all([client.getBlock({ blockNumber: block }), views.readMany(calls, block)]),
    );
    if (header.number !== block) throw this.#failure('returned a block other than the one requested');
    const instances = new Map(hinted.map((wallet, index) => [wallet, rest[index]!]));
    return { timestampMs: Number(header.timestamp) * 1000, list: list!, hash: hash!, instances };
  }

  /** Trips 3 and 4: add the versions and the unhinted instances to `found`. */
  async #readRest(listed: readonly Wallet[], found: Found, at: Pick<Head, 'block' | 'chainId'>, signal: AbortSignal): Promise<void> {
    const versionIds = this.#versionsOf(listed, found);
    const unhinted = [...new Set(listed)].filter((wallet) => !found.instances.has(wallet));
    if (versionIds.length + unhinted.length === 0) return;
    const calls = [...versionIds.map((id) => this.#versionCall(id)), ...unhinted.map((wallet) => this.#instanceCall(wallet))];
    const results = await this.#tripOn(at.chainId, signal, ({ views }) => views.readMany(calls, at.block));
    versionIds.forEach((id, index) => found.versions.set(id, results[index]!));
    unhinted.forEach((wallet, index) => found.instances.set(wallet, results[versionIds.length + index]!));
    const unshared = this.#versionsOf(unhinted, found).filter((id) => !found.versions.has(id));
    if (unshared.length > 0) await this.#readUnsharedVersions(unshared, found, at, signal);
  }

  /** Trip 4: reads the versions that only unhinted instances have. */
  async #readUnsharedVersions(ids: readonly bigint[], found: Found, at: Pick<Head, 'block' | 'chainId'>, signal: AbortSignal): Promise<void> {
    const results = await this.#tripOn(at.chainId, signal, ({ views }) => views.readMany(ids.map((id) => this.#versionCall(id)), at.block));
    ids.forEach((id, index) => found.versions.set(id, results[index]!));
  }

  /** The version ids of these wallets' instances, from this read or the last good one. Instances of other apps are left out. */
  #versionsOf(wallets: readonly Wallet[], { instances }: Found): readonly bigint[] {
    const known = wallets.map((wallet) => this.#instanceOf(wallet, instances.get(wallet))?.value);
    const own = known.filter((instance) => instance?.appId === BigInt(this.#options.kmsAppId));
    return [...new Set(own.map((instance) => instance!.versionId))];
  }

  #instanceOf(wallet: Wallet, result: ViewResult | undefined): Entry<Instance> | undefined {
    return this.#instances.resolve(wallet, result, (raw) => toInstance(raw as RawInstance));
  }

  /** @throws DependencyError when no instance or no version can be read, because the fault is then in the RPC, not in the entries */
  #entriesOf(listed: readonly Wallet[], found: Found) {
    const instances = new Map<Wallet, Entry<Instance>>();
    for (const wallet of listed) {
      const entry = this.#instanceOf(wallet, found.instances.get(wallet));
      if (entry !== undefined) instances.set(wallet, entry);
    }
    const versions = new Map<bigint, Entry<VersionStatus>>();
    for (const [id, result] of found.versions) {
      const entry = this.#versions.resolve(id, result, (raw) => {
        const version = toVersion(raw as RawVersion);
        return version.id === id ? version.status : null;
      });
      if (entry !== undefined) versions.set(id, entry);
    }
    if (listed.length > 0 && !isAnyRead(listed.map((wallet) => instances.get(wallet)))) throw this.#failure('returns no instance of any member');
    if (found.versions.size > 0 && !isAnyRead([...found.versions.keys()].map((id) => versions.get(id)))) {
      throw this.#failure('returns no version of any member');
    }
    this.#instances.keepOnly(listed);
    this.#versions.keepOnly(found.versions.keys());
    return { instances, versions };
  }

  /** An empty answer never means a zero hash. It means `shallow` if the contract exists only at the head, otherwise `unreadable`. */
  async #judgeHash(result: ViewResult, block: bigint, signal: AbortSignal): Promise<HashReading> {
    if (result.ok) {
      const hash = parseHash32(result.value as string);
      return hash === null ? { kind: 'unreadable', detail: 'the hash is malformed' } : { kind: 'read', hash };
    }
    if (result.why === 'empty' && (await this.#appearedSince(this.#options.kmsRegistry, block, signal))) return { kind: 'shallow' };
    const detail = result.why === 'empty' ? 'there is no KMSRegistry at its address' : `the call failed: ${result.why}`;
    return { kind: 'unreadable', detail };
  }

  async #failList(result: ViewResult & { ok: false }, block: bigint, signal: AbortSignal): Promise<never> {
    const shallow = result.why === 'empty' && (await this.#appearedSince(this.#options.novaAppRegistry, block, signal));
    const message = shallow ? 'NovaAppRegistry was deployed too recently: its deployment does not have enough confirmations yet' : `the list of instances cannot be read: ${result.why}`;
    throw new DependencyError('chain', 'malformed', message, { endpoint: this.#rpc.endpoint, call: 'getActiveInstances' });
  }

  async #appearedSince(address: Wallet, block: bigint, signal: AbortSignal): Promise<boolean> {
    const [then, now] = await this.#tripOn(this.#seen.chainId, signal, ({ client }) =>
      Promise.all([client.getCode({ address: address as Hex, blockNumber: block }), client.getCode({ address: address as Hex })]),
    );
    return (then ?? '0x') === '0x' && (now ?? '0x') !== '0x';
  }

  #failure(how: string): DependencyError {
    const { endpoint } = this.#rpc;
    return new DependencyError('chain', 'malformed', `${nameOf({ dependency: 'chain', endpoint })} ${how}`, { endpoint });
  }

  #listCall(): ViewCall {
    return this.#registryCall('getActiveInstances', [BigInt(this.#options.kmsAppId)]);
  }

  #instanceCall(wallet: Wallet): ViewCall {
    return this.#registryCall('getInstanceByWallet', [wallet]);
  }

  #versionCall(versionId: bigint): ViewCall {
    return this.#registryCall('getVersion', [BigInt(this.#options.kmsAppId), versionId]);
  }

  #registryCall(functionName: string, args: readonly unknown[]): ViewCall {
    return { address: this.#options.novaAppRegistry as Hex, abi: novaAppRegistryAbi, functionName, args };
  }

  #hashCall(): ViewCall {
    return { address: this.#options.kmsRegistry as Hex, abi: kmsRegistryAbi, functionName: 'masterSecretHash' };
  }
}

function isAnyRead(entries: readonly (Entry<unknown> | undefined)[]): boolean {
  return entries.some((entry) => entry?.asLastRead === false);
}
