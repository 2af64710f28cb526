/**
 * Calls views of contracts, many in one round trip and all at one block. A view that fails affects only its own result; an RPC that
 * fails is a DependencyError. A revert with a reason is an answer. An empty answer (no bytes, a bare revert, bytes of another form)
 * may come from a bad backend, so `readOne` first calls the view again.
 */
import { BaseError, ContractFunctionExecutionError, RpcRequestError, type Abi, type Hex, type PublicClient } from 'viem';
import { dependencyIn } from '../domain/failure-facts.ts';
import { isFormRefused, isTooLargeForEvm } from './rpc-answer.ts';

/** The address of Multicall3, the same on every chain that has it. */
export const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11';
/** Limit of views in one call through Multicall3. */
const CALLS_PER_MULTICALL = 200;
/** Limit of views in one deployless call: nodes refuse to return more than 24,576 bytes from a constructor (EIP-170). */
const CALLS_PER_DEPLOYLESS = 12;
/** Limit of calls of a view that gives empty answers: one of two backends may be bad, and six bad answers in a row are rare. */
const ASKED = 6;
/** Attempts of a multicall before its views are called one by one. */
const ASKED_AT_ONCE = 4;

export interface ViewCall {
  readonly address: Hex;
  readonly abi: Abi;
  readonly functionName: string;
  readonly args?: readonly unknown[];
}

/** What a view gave, decoded by its ABI, or why it gave nothing. */
export type ViewResult = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: ViewFault };
/**
 * `reverted`: the contract's answer. `empty`: no bytes, as from an address without a contract. `empty` and `undecodable` are not
 * answers.
 */
export type ViewFault = 'empty' | 'reverted' | 'undecodable';

/** How the RPC accepts many views in one call; learnt from its answers. */
export interface MulticallSupport {
  /** Multicall3 was seen on the chain. */
  hasMulticall3: boolean;
  /** The RPC refuses calls that create a contract. */
  refusesDeployless: boolean;
}

/** `bare`: the answer gives no reason. */
type Failed = { readonly ok: false; readonly why: ViewFault; readonly bare: boolean };

/** The RPC error inside viem's error, which is an answer; null when there is none. */
export function rpcErrorIn(error: unknown): RpcRequestError | null {
  return error instanceof BaseError ? (error.walk((cause) => cause instanceof RpcRequestError) as RpcRequestError | null) : null;
}

function revertIn(error: unknown): RpcRequestError | null {
  const found = rpcErrorIn(error);
  return found?.code === 3 ? found : null;
}

/** Whether the contract or the EVM reverted. */
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

  /** Looks for Multicall3 until it is found. Call it beside another request of a trip: it then costs no trip. */
  async findMulticall(): Promise<void> {
    if (this.#support.hasMulticall3) return;
    const code = await this.#client.getCode({ address: MULTICALL3 });
    this.#support.hasMulticall3 = code !== undefined && code !== '0x';
  }

  /** Calls all views at one block, in parallel multicalls. @throws DependencyError */
  async readMany(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const size = this.#support.hasMulticall3 ? CALLS_PER_MULTICALL : CALLS_PER_DEPLOYLESS;
    const portions: (readonly ViewCall[])[] = [];
    for (let at = 0; at < calls.length; at += size) portions.push(calls.slice(at, at + size));
    return (await Promise.all(portions.map((portion) => this.#readPortion(portion, blockNumber)))).flat();
  }

  /** Calls one view by itself. @throws DependencyError */
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
    // Views that do not fit one call are called one by one, so that a bad entry affects only itself.
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

/** The error of the multicall itself, which viem gives for each view; null when it worked. */
function wholeFailure(error: unknown): Error | null {
  if (!(error instanceof Error)) return null;
  const isWhole = error instanceof ContractFunctionExecutionError && error.functionName === 'aggregate3';
  return isWhole || dependencyIn(error) !== null ? error : null;
}

function throwDependency(error: unknown): void {
  const failed = dependencyIn(error);
  if (failed !== null) throw failed;
}
