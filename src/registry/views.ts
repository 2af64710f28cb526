/**
 * Views of contracts, many in one round trip and all at one block. A view that fails is that view's failure; an RPC that fails is
 * a DependencyError. A contract's revert is an answer; an empty answer (no bytes, a bare revert, bytes of another form) may be
 * a bad backend's word and is asked for again first.
 */
import { BaseError, ContractFunctionExecutionError, RpcRequestError, type Abi, type Hex, type PublicClient } from 'viem';
import { dependencyIn } from '../domain/failure-facts.ts';
import { isFormRefused, isTooLargeForEvm } from './rpc-answer.ts';

/** Multicall3 where a chain has it (the same address everywhere). */
export const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11';
/** Views in one call through Multicall3. */
const CALLS_PER_MULTICALL = 200;
/** Views in one deployless call: nodes refuse to return more than 24,576 bytes from a constructor (EIP-170). */
const CALLS_PER_DEPLOYLESS = 12;
/** How often a view is asked for that gets an empty answer: of two backends one may be bad, and six bad answers in a row are rare. */
const ASKED = 6;
/** How often many views are asked for at once before they are one by one. */
const ASKED_AT_ONCE = 4;

export interface ViewCall {
  readonly address: Hex;
  readonly abi: Abi;
  readonly functionName: string;
  readonly args?: readonly unknown[];
}

/** What a view gave: decoded by its ABI, or why there is nothing. */
export type ViewResult = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: ViewFault };
/**
 * `reverted`: the contract's answer. `empty`: the call returned nothing, as from an address without a contract. That and
 * `undecodable` are not answers.
 */
export type ViewFault = 'empty' | 'reverted' | 'undecodable';

/** How the RPC takes many views in one call; learnt while it is asked. */
export interface MulticallSupport {
  /** Multicall3 was seen on the chain. */
  hasMulticall3: boolean;
  /** The RPC refuses calls that create a contract. */
  refusesDeployless: boolean;
}

/** `bare`: it gives no reason. */
type Failed = { readonly ok: false; readonly why: ViewFault; readonly bare: boolean };

/** An error of the RPC that is an answer. */
export function rpcErrorIn(error: unknown): RpcRequestError | null {
  return error instanceof BaseError ? (error.walk((cause) => cause instanceof RpcRequestError) as RpcRequestError | null) : null;
}

function revertIn(error: unknown): RpcRequestError | null {
  const found = rpcErrorIn(error);
  return found?.code === 3 ? found : null;
}

/** The contract or the EVM said no. */
export function isExecutionFailure(error: unknown): boolean {
  return revertIn(error) !== null;
}

function faultOf(error: unknown): Failed {
  const named = (names: RegExp): boolean =>
    error instanceof BaseError && error.walk((cause) => cause instanceof Error && names.test(cause.name)) !== null;
  if (named(/^(AbiDecodingZeroData|ContractFunctionZeroData)Error$/)) return { ok: false, why: 'empty', bare: true };
  const revert = revertIn(error);
  if (revert !== null) return { ok: false, why: 'reverted', bare: typeof revert.data !== 'string' || revert.data.length <= 2 };
  if (named(/^(Abi|Position|Slice|Invalid|IntegerOut|Bytes|SizeOver)/)) return { ok: false, why: 'undecodable', bare: true };
  return { ok: false, why: 'reverted', bare: false };
}

export class Views {
  readonly #client: PublicClient;
  readonly #support: MulticallSupport;

  constructor(client: PublicClient, support: MulticallSupport) {
    this.#client = client;
    this.#support = support;
  }

  /** Looks for Multicall3 until it is found; to be called beside another request of a trip. */
  async findMulticall(): Promise<void> {
    if (this.#support.hasMulticall3) return;
    const code = await this.#client.getCode({ address: MULTICALL3 });
    this.#support.hasMulticall3 = code !== undefined && code !== '0x';
  }

  /** All views at one block, in parallel portions of one multicall each. @throws DependencyError */
  async readMany(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const size = this.#support.hasMulticall3 ? CALLS_PER_MULTICALL : CALLS_PER_DEPLOYLESS;
    const portions: (readonly ViewCall[])[] = [];
    for (let at = 0; at < calls.length; at += size) portions.push(calls.slice(at, at + size));
    return (await Promise.all(portions.map((portion) => this.#readPortion(portion, blockNumber)))).flat();
  }

  /** One view by a plain call. @throws DependencyError */
  async readOne(call: ViewCall, blockNumber?: bigint): Promise<ViewResult> {
    for (let asked = 1; ; asked += 1) {
      const result = await this.#readOnce(call, blockNumber);
      if (result.ok) return result;
      const { why, bare } = result;
      if (!bare || asked >= ASKED) return { ok: false, why };
    }
  }

  async #readOnce(call: ViewCall, blockNumber: bigint | undefined): Promise<{ readonly ok: true; readonly value: unknown } | Failed> {
    try {
      const at = blockNumber === undefined ? {} : { blockNumber };
      return { ok: true, value: await this.#client.readContract({ ...call, ...at }) };
    } catch (error) {
      throwDependency(error);
      return faultOf(error);
    }
  }

  async #readPortion(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const results = this.#support.refusesDeployless && !this.#support.hasMulticall3 ? null : await this.#readAtOnce(calls, blockNumber);
    // What cannot be read at once, such as for its size, is read one by one: one bad entry harms itself only.
    return results ?? Promise.all(calls.map((call) => this.readOne(call, blockNumber)));
  }

  /** Null when the call as a whole fails. */
  async #readAtOnce(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[] | null> {
    const { hasMulticall3 } = this.#support;
    const how = hasMulticall3 ? { multicallAddress: MULTICALL3 as Hex } : { deployless: true };
    for (let asked = 1; asked <= ASKED_AT_ONCE; asked += 1) {
      const results = await this.#client.multicall({ contracts: calls, allowFailure: true, batchSize: 0, blockNumber, ...how });
      const whole = wholeFailure(results[0]?.error);
      if (whole === null) {
        return results.map(({ status, result, error }) => (status === 'success' ? { ok: true, value: result } : { ok: false, why: faultOf(error).why }));
      }
      const failed = dependencyIn(whole);
      if (failed !== null && isFormRefused(failed) && !hasMulticall3) {
        this.#support.refusesDeployless = true;
        return null;
      }
      if (failed?.failure === 'too_large') return null;
      if (failed !== null) throw failed;
      if (isTooLargeForEvm(revertIn(whole)?.details ?? '')) return null;
    }
    return null;
  }
}

/** The error of the multicall itself, which stands in place of each view's; null when it worked. */
function wholeFailure(error: unknown): Error | null {
  if (!(error instanceof Error)) return null;
  const isWhole = error instanceof ContractFunctionExecutionError && error.functionName === 'aggregate3';
  return isWhole || dependencyIn(error) !== null ? error : null;
}

function throwDependency(error: unknown): void {
  const failed = dependencyIn(error);
  if (failed !== null) throw failed;
}
