/**
 * Calls views of contracts, many in one round trip and all at one block. A view that fails affects only its own result; an RPC that
 * fails leads to a DependencyError. A revert with a reason is an answer. An uninformative answer (no bytes, a revert without a reason, or
 * bytes in the wrong form) may come from a bad backend, so `readOne` calls the view again before it returns such an answer.
 */
import { BaseError, ContractFunctionExecutionError, RpcRequestError, type Client, type Hex } from 'viem';
import { call, getCode, multicall, readContract, type CallParameters } from 'viem/actions';
import { dependencyIn } from '../domain/failure-facts.ts';
import type { LastViews } from './last-views.ts';
import { isFormRefused, isTooLargeForEvm } from './rpc-answer.ts';
import type { ViewCall, ViewFault, ViewResult } from './view-call.ts';

/** The address of Multicall3, the same on every chain that has it. */
export const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11';
/** Maximum number of views in one call through Multicall3. */
const CALLS_PER_MULTICALL = 200;
/** Maximum number of views in one deployless call: Ethereum nodes refuse to return more than 24,576 bytes from a constructor (EIP-170). */
const CALLS_PER_DEPLOYLESS = 12;
/**
 * Maximum number of times that a view is called while every answer is uninformative. One of two backends may be bad, but six bad answers in
 * a row are rare.
 */
const ASKED = 6;
/** Maximum number of attempts to make a multicall before its views are called one by one. */
const ASKED_AT_ONCE = 4;

/** What the RPC's answers have shown about ways to call many views at once. */
export interface MulticallSupport {
  /** Whether Multicall3 has been found on the chain. */
  hasMulticall3: boolean;
  /** Whether the RPC refuses calls that create a contract. */
  refusesDeployless: boolean;
}

/** `bare`: the answer gives no reason. */
type Failed = { readonly ok: false; readonly why: ViewFault; readonly bare: boolean };

/** The RPC error inside viem's error; null if viem's error contains none. */
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
  readonly #client: Client;
  readonly #support: MulticallSupport;
  readonly #last: LastViews;

  /** @param last the remembered answers, which all trips to one RPC share */
  constructor(client: Client, support: MulticallSupport, last: LastViews) {
    this.#client = client;
    this.#support = support;
    this.#last = last;
  }

  /** Looks for Multicall3, unless it was found earlier. Call this in the same trip as another request, to save a trip. */
  async findMulticall(): Promise<void> {
    if (this.#support.hasMulticall3) return;
    const code = await getCode(this.#client, { address: MULTICALL3 });
    this.#support.hasMulticall3 = code !== undefined && code !== '0x';
  }

  /** Calls all views at one block, in parallel multicalls. @throws DependencyError */
  async readMany(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const size = this.#support.hasMulticall3 ? CALLS_PER_MULTICALL : CALLS_PER_DEPLOYLESS;
    const portions: (readonly ViewCall[])[] = [];
    for (let at = 0; at < calls.length; at += size) portions.push(calls.slice(at, at + size));
    return (await Promise.all(portions.map((portion) => this.#readPortion(portion, blockNumber)))).flat();
  }

  /** Calls one view separately. @throws DependencyError */
  async readOne(view: ViewCall, blockNumber?: bigint): Promise<ViewResult> {
    for (let asked = 1; ; asked += 1) {
      const result = await this.#readOnce(view, blockNumber);
      if (result.ok) return result;
      const { why, bare } = result;
      if (!bare || asked >= ASKED) return { ok: false, why };
    }
  }

  async #readOnce(view: ViewCall, blockNumber: bigint | undefined): Promise<{ readonly ok: true; readonly value: unknown } | Failed> {
    try {
      const at = blockNumber === undefined ? {} : { blockNumber };
      return { ok: true, value: await readContract(this.#client, { ...view, ...at }) };
    } catch (error) {
      throwDependency(error);
      return faultOf(error);
    }
  }

  async #readPortion(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const results = this.#support.refusesDeployless && !this.#support.hasMulticall3 ? null : await this.#readAtOnce(calls, blockNumber);
    // If one call for all views fails, each view is called separately, so that a bad entry affects only itself.
    return results ?? Promise.all(calls.map((view) => this.readOne(view, blockNumber)));
  }

  /** Null when the call as a whole fails. */
  async #readAtOnce(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[] | null> {
    const { hasMulticall3 } = this.#support;
    for (let asked = 1; asked <= ASKED_AT_ONCE; asked += 1) {
      const read = hasMulticall3 ? await this.#readByMulticall3(calls, blockNumber) : await multicallOf(this.#client, calls, { blockNumber, deployless: true });
      if (!(read instanceof Error)) return read;
      const failed = dependencyIn(read);
      if (failed !== null && isFormRefused(failed) && !hasMulticall3) {
        this.#support.refusesDeployless = true;
        return null;
      }
      if (failed?.failure === 'too_large') return null;
      if (failed !== null) throw failed;
      if (isTooLargeForEvm(revertIn(read)?.details ?? '')) return null;
    }
    return null;
  }

  /** Like `multicallOf`, but does not decode an answer again if it has the same bytes as the last answer to these calls. */
  async #readByMulticall3(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[] | Error> {
    const last = this.#last.find(calls);
    const early = last === undefined ? null : call(this.#client, { to: MULTICALL3, data: last.sent, blockNumber });
    if (last !== undefined && early !== null && (await bytesOf(early)) === last.answer) return [...last.results];
    let sent: Hex | undefined;
    let answer: Hex | undefined;
    const listening = {
      ...this.#client,
      // viem makes the multicall through this function. If `early` has already made the same call, its outcome is used.
      call: async (parameters: CallParameters) => {
        const answered = await (early ?? call(this.#client, parameters));
        sent = parameters.data;
        answer = answered.data;
        return answered;
      },
    };
    const read = await multicallOf(listening, calls, { blockNumber, multicallAddress: MULTICALL3 });
    if (!(read instanceof Error) && sent !== undefined && answer !== undefined) this.#last.remember({ calls, sent, answer, results: read });
    return read;
  }
}

type HowAtOnce = { readonly blockNumber: bigint } & ({ readonly multicallAddress: Hex } | { readonly deployless: true });

/** Returns the error when the call as a whole fails. */
async function multicallOf(client: Client, calls: readonly ViewCall[], how: HowAtOnce): Promise<ViewResult[] | Error> {
  const read = await multicall(client, { contracts: calls, allowFailure: true, batchSize: 0, ...how });
  return (
    wholeFailure(read[0]?.error) ??
    read.map(({ status, result, error }) => (status === 'success' ? { ok: true, value: result } : { ok: false, why: faultOf(error).why }))
  );
}

/** The bytes of an answer; undefined if it has none. */
function bytesOf(answered: ReturnType<typeof call>): Promise<Hex | undefined> {
  return answered.then(
    ({ data }) => data,
    () => undefined,
  );
}

/** The error of the multicall itself, which viem reports for each view; null when the multicall succeeded. */
function wholeFailure(error: unknown): Error | null {
  if (!(error instanceof Error)) return null;
  const isWhole = error instanceof ContractFunctionExecutionError && error.functionName === 'aggregate3';
  return isWhole || dependencyIn(error) !== null ? error : null;
}

function throwDependency(error: unknown): void {
  const failed = dependencyIn(error);
  if (failed !== null) throw failed;
}
