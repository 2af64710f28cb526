/**
 * Reads the chain for `nova-kms doctor`. Each fact is read separately, so a failed read does not hide other facts. All facts except
 * `deepState` are read at the head. The caller judges the facts. A node itself reads the chain through `view-reader.ts`.
 */
import type { Hex } from 'viem';
import { DependencyError } from '../domain/errors.ts';
import { parseHash32, type Hash32, type Wallet } from '../domain/ids.ts';
import type { AppStatus } from '../domain/membership.ts';
import type { Clock } from '../domain/ports.ts';
import { kmsRegistryAbi, novaAppRegistryAbi } from './abi.ts';
import { toApp, toWallet } from './records.ts';
import type { Rpc, RpcTrip } from './rpc.ts';
import type { ViewCall, ViewResult } from './view-call.ts';

/** A fact, or why it could not be read. */
export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

export interface InspectionOptions {
  readonly novaAppRegistry: Wallet;
  readonly kmsRegistry: Wallet;
  readonly kmsAppId: number;
  /** Nodes read the block that is this many blocks behind the head. */
  readonly confirmations: number;
}

export interface InspectionModules {
  readonly rpc: Rpc;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

export interface InspectedHead {
  readonly number: bigint;
  /** Unix milliseconds. */
  readonly timestampMs: number;
  /** How long the answer took. Milliseconds. */
  readonly tookMs: number;
}

export interface InspectedContracts {
  /** Whether there is code at the configured address of NovaAppRegistry. */
  readonly hasNovaAppRegistry: Reading<boolean>;
  readonly hasKmsRegistry: Reading<boolean>;
  /** The app id in KMSRegistry; 0 until its owner sets it. */
  readonly kmsAppId: Reading<bigint>;
  /** The address of NovaAppRegistry that is stored in KMSRegistry. */
  readonly wiredRegistry: Reading<Wallet>;
  readonly secretHash: Reading<Hash32>;
  /** The record of the KMS app in NovaAppRegistry. */
  readonly app: Reading<{ readonly exists: boolean; readonly status: AppStatus; readonly dappContract: Wallet }>;
}

export interface InspectedFunds {
  readonly balanceWei: bigint;
  readonly gasPriceWei: bigint;
}

type RawApp = Parameters<typeof toApp>[0] & { readonly dappContract: string };

export class Inspection {
  readonly #options: InspectionOptions;
  readonly #modules: InspectionModules;

  constructor(options: InspectionOptions, modules: InspectionModules) {
    this.#options = options;
    this.#modules = modules;
  }

  async head(signal: AbortSignal): Promise<Reading<InspectedHead>> {
    const { clock } = this.#modules;
    const startedMs = clock.monotonicMs();
    return this.#read(signal, async ({ client }) => {
      const { number, timestamp } = await client.getBlock();
      return { number, timestampMs: Number(timestamp) * 1000, tookMs: Math.round(clock.monotonicMs() - startedMs) };
    });
  }

  chainId(signal: AbortSignal): Promise<Reading<number>> {
    return this.#read(signal, ({ client }) => client.getChainId());
  }

  /**
   * Checks that the RPC still has the state of the block that nodes read.
   * @param head the head's number
   * @returns the number of that block
   */
  deepState(head: bigint, signal: AbortSignal): Promise<Reading<bigint>> {
    const depth = BigInt(this.#options.confirmations);
    const blockNumber = head > depth ? head - depth : 0n;
    return this.#read(signal, async ({ client }) => {
      await client.getCode({ address: this.#options.kmsRegistry as Hex, blockNumber });
      return blockNumber;
    });
  }

  async contracts(signal: AbortSignal): Promise<InspectedContracts> {
    const { novaAppRegistry, kmsRegistry, kmsAppId } = this.#options;
    const hasCode = (address: Wallet): Promise<Reading<boolean>> =>
      this.#read(signal, async ({ client }) => ((await client.getCode({ address: address as Hex })) ?? '0x') !== '0x');
    const ofKmsRegistry = <T>(functionName: string, form: (value: unknown) => T): Promise<Reading<T>> =>
      this.#view(signal, { address: kmsRegistry as Hex, abi: kmsRegistryAbi, functionName }, form);
    const appCall: ViewCall = { address: novaAppRegistry as Hex, abi: novaAppRegistryAbi, functionName: 'getApp', args: [BigInt(kmsAppId)] };
    const [hasNovaAppRegistry, hasKmsRegistry, appId, wiredRegistry, secretHash, app] = await Promise.all([
      hasCode(novaAppRegistry),
      hasCode(kmsRegistry),
      ofKmsRegistry('kmsAppId', (value) => value as bigint),
      ofKmsRegistry('novaAppRegistry', (value) => toWallet(value as string)),
      ofKmsRegistry('masterSecretHash', (value) => parseHash32(value as string)!),
      this.#view(signal, appCall, (value) => {
        const raw = value as RawApp;
        const { id, status } = toApp(raw);
        return { exists: id !== 0n, status, dappContract: toWallet(raw.dappContract) };
      }),
    ]);
    return { hasNovaAppRegistry, hasKmsRegistry, kmsAppId: appId, wiredRegistry, secretHash, app };
  }

  funds(wallet: Wallet, signal: AbortSignal): Promise<Reading<InspectedFunds>> {
    return this.#read(signal, async ({ client }) => {
      const [balanceWei, gasPriceWei] = await Promise.all([client.getBalance({ address: wallet as Hex }), client.getGasPrice()]);
      return { balanceWei, gasPriceWei };
    });
  }

  #view<T>(signal: AbortSignal, call: ViewCall, form: (value: unknown) => T): Promise<Reading<T>> {
    return this.#read(signal, async ({ views }) => form(valueOf(await views.readOne(call), call)));
  }

  async #read<T>(signal: AbortSignal, work: (trip: RpcTrip) => Promise<T>): Promise<Reading<T>> {
    try {
      return { ok: true, value: await this.#modules.rpc.trip(signal, work) };
    } catch (error) {
      if (error instanceof DependencyError) return { ok: false, why: error.message };
      throw error;
    }
  }
}

const FAULTS = { empty: 'returned no bytes', reverted: 'reverted', undecodable: 'returned bytes in an unexpected form' } as const;

function valueOf(result: ViewResult, call: ViewCall): unknown {
  if (result.ok) return result.value;
  throw new DependencyError('chain', 'malformed', `${call.functionName} ${FAULTS[result.why]}`, { call: call.functionName });
}
