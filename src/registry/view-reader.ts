/**
 * The view of the chain that one node_tick works with (protocol.md §6): membership and chain hash, all at one block
 * CHAIN_CONFIRMATIONS behind the head, in three round trips whatever the number of instances (§9.11):
 *
 *   1  the head's number; beside it the list of instances at the head, as a hint of whom trip 2 should ask for
 *   2  at the pinned block: its time, the list, the chain hash, and the instances hinted at
 *   3  at the pinned block: the versions of those, and instances that the hint lacked
 *
 * One trip more is made where the pinned block lists an instance that nobody hinted at and whose version no other shares: rare,
 * and better than to drop a member for a tick.
 */
import type { Hex } from 'viem';
import { DependencyError } from '../domain/errors.ts';
import { parseHash32, type Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { ChainView, HashReading, Instance, VersionStatus } from '../domain/membership.ts';
import { kmsRegistryAbi, novaAppRegistryAbi } from './abi.ts';
import { judgeMembership, type MembershipRules } from './membership-rules.ts';
import { toInstance, toVersion, toWallet } from './records.ts';
import type { Rpc, ViewCall, ViewResult } from './rpc.ts';

export interface ViewReaderOptions extends MembershipRules {
  readonly novaAppRegistry: Wallet;
  readonly kmsRegistry: Wallet;
  /** Blocks between the head and the block that is read. */
  readonly confirmations: number;
}

type RawInstance = Parameters<typeof toInstance>[0];
type RawVersion = Parameters<typeof toVersion>[0];

export class ViewReader {
  readonly #options: ViewReaderOptions;
  readonly #rpc: Rpc;
  #lastListed: readonly Wallet[] = [];

  constructor(options: ViewReaderOptions, modules: { readonly rpc: Rpc }) {
    this.#options = options;
    this.#rpc = modules.rpc;
  }

  /** @throws DependencyError when the list cannot be read: a failed refresh is no empty list (§9.18) */
  async readView(signal: AbortSignal): Promise<ChainView> {
    const { confirmations } = this.#options;
    const { head, hinted } = await this.#rpc.trip(signal, () => this.#readHead());
    if (head < BigInt(confirmations)) {
      throw new DependencyError('chain', 'malformed', `the chain is younger than ${confirmations} blocks`);
    }
    const block = head - BigInt(confirmations);
    const first = await this.#rpc.trip(signal, () => this.#readListed(hinted, block));
    const hash = await this.#judgeHash(first.hash, block, signal);
    if (!first.list.ok) return this.#failList(first.list, block, signal);
    const listed = (first.list.value as readonly string[]).slice(0, 2 * MAX_MEMBERS).map(toWallet);
    const versions = await this.#readRest(listed, first.instances, block, signal);
    this.#lastListed = listed;
    const membership = judgeMembership(this.#options, { block, listed, instances: first.instances, versions });
    return { block, timestampMs: first.timestampMs, head, membership, hash };
  }

  async readHash(block: bigint, signal: AbortSignal): Promise<HashReading> {
    const result = await this.#rpc.trip(signal, () => this.#rpc.readOne(this.#hashCall(), block));
    return this.#judgeHash(result, block, signal);
  }

  /** Trip 1. The contract may refuse the hint: then the last tick's list serves. An answer that is lost fails the trip. */
  async #readHead(): Promise<{ head: bigint; hinted: readonly Wallet[] }> {
    const [head, latest] = await Promise.all([
      this.#rpc.client.getBlockNumber({ cacheTime: 0 }),
      this.#rpc.readOne(this.#listCall()),
      this.#rpc.findMulticall(),
    ]);
    const now = latest.ok ? (latest.value as readonly string[]).map(toWallet) : [];
    return { head, hinted: [...new Set([...now, ...this.#lastListed])].slice(0, 2 * MAX_MEMBERS) };
  }

  /** Trip 2. */
  async #readListed(hinted: readonly Wallet[], block: bigint) {
    const calls = [this.#listCall(), this.#hashCall(), ...hinted.map((wallet) => this.#instanceCall(wallet))];
    const [header, [list, hash, ...rest]] = await Promise.all([
      this.#rpc.client.getBlock({ blockNumber: block }),
      this.#rpc.readMany(calls, block),
    ]);
    const instances = new Map<Wallet, Instance>();
    hinted.forEach((wallet, index) => noteInstance(instances, wallet, rest[index]));
    return { timestampMs: Number(header.timestamp) * 1000, list: list!, hash: hash!, instances };
  }

  /** Trip 3, and the rare one after it: adds to `instances` what the hint lacked, and returns the versions. */
  async #readRest(
    listed: readonly Wallet[],
    instances: Map<Wallet, Instance>,
    block: bigint,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<bigint, VersionStatus>> {
    const versionIds = this.#versionsOf(listed, instances);
    const unhinted = [...new Set(listed)].filter((wallet) => !instances.has(wallet));
    const versions = new Map<bigint, VersionStatus>();
    if (versionIds.length + unhinted.length === 0) return versions;
    const calls = [...versionIds.map((id) => this.#versionCall(id)), ...unhinted.map((wallet) => this.#instanceCall(wallet))];
    const results = await this.#rpc.trip(signal, () => this.#rpc.readMany(calls, block));
    versionIds.forEach((id, index) => noteVersion(versions, id, results[index]));
    unhinted.forEach((wallet, index) => noteInstance(instances, wallet, results[versionIds.length + index]));
    const unshared = this.#versionsOf(unhinted, instances).filter((id) => !versionIds.includes(id));
    if (unshared.length > 0) await this.#readUnsharedVersions(unshared, versions, block, signal);
    return versions;
  }

  /** The rare trip: versions that only instances have which nobody hinted at. */
  async #readUnsharedVersions(ids: readonly bigint[], versions: Map<bigint, VersionStatus>, block: bigint, signal: AbortSignal): Promise<void> {
    const results = await this.#rpc.trip(signal, () => this.#rpc.readMany(ids.map((id) => this.#versionCall(id)), block));
    ids.forEach((id, index) => noteVersion(versions, id, results[index]));
  }

  /** The versions of these wallets' instances, as far as those are of the KMS app. */
  #versionsOf(wallets: readonly Wallet[], instances: ReadonlyMap<Wallet, Instance>): readonly bigint[] {
    const found = wallets.map((wallet) => instances.get(wallet)).filter((instance) => instance?.appId === BigInt(this.#options.kmsAppId));
    return [...new Set(found.map((instance) => instance!.versionId))];
  }

  /** An answer of no bytes is `shallow` while the head has the contract, else unreadable; never zero. */
  async #judgeHash(result: ViewResult, block: bigint, signal: AbortSignal): Promise<HashReading> {
    if (result.ok) {
      const hash = parseHash32(result.value as string);
      return hash === null ? { kind: 'unreadable', detail: 'the hash is malformed' } : { kind: 'read', hash };
    }
    if (result.why === 'empty' && (await this.#appearedSince(this.#options.kmsRegistry, block, signal))) return { kind: 'shallow' };
    const detail = result.why === 'empty' ? 'there is no KMSRegistry at its address' : `the answer is ${result.why}`;
    return { kind: 'unreadable', detail };
  }

  async #failList(result: ViewResult & { ok: false }, block: bigint, signal: AbortSignal): Promise<never> {
    const shallow = result.why === 'empty' && (await this.#appearedSince(this.#options.novaAppRegistry, block, signal));
    const message = shallow ? 'NovaAppRegistry is not deep enough yet' : `the list of instances is ${result.why}`;
    throw new DependencyError('chain', 'malformed', message);
  }

  async #appearedSince(address: Wallet, block: bigint, signal: AbortSignal): Promise<boolean> {
    const [then, now] = await this.#rpc.trip(signal, () =>
      Promise.all([
        this.#rpc.client.getCode({ address: address as Hex, blockNumber: block }),
        this.#rpc.client.getCode({ address: address as Hex }),
      ]),
    );
    return (then ?? '0x') === '0x' && (now ?? '0x') !== '0x';
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

function noteVersion(versions: Map<bigint, VersionStatus>, id: bigint, result: ViewResult | undefined): void {
  if (result?.ok !== true) return;
  const version = toVersion(result.value as RawVersion);
  if (version.id === id) versions.set(id, version.status);
}

function noteInstance(instances: Map<Wallet, Instance>, wallet: Wallet, result: ViewResult | undefined): void {
  if (result?.ok === true) instances.set(wallet, toInstance(result.value as RawInstance));
}
