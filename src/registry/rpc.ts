/**
 * Reads from the chain's RPC with viem: many views in one round trip, at one block. A view that fails is that view's
 * failure; an RPC that fails is a DependencyError. The RPC's own texts are not passed on.
 */
import {
  BaseError,
  createPublicClient,
  HttpRequestError,
  http,
  RpcRequestError,
  WebSocketRequestError,
  type Abi,
  type Hex,
  type PublicClient,
} from 'viem';
import { DeadlineError, retry, within } from '../domain/deadline.ts';
import { DependencyError } from '../domain/errors.ts';
import { READ_ATTEMPTS } from '../domain/limits.ts';
import type { Clock } from '../domain/ports.ts';
import { limitedFetch, type Fetch } from './limited-fetch.ts';

/** One request to the RPC. Milliseconds. */
export const RPC_LIMIT_MS = 5_000;
/** An answer with the results of many views. Bytes. */
const MAX_ANSWER_BYTES = 10 * 1024 * 1024;
const REQUEST_LIMITS = { what: 'the RPC', limitMs: RPC_LIMIT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
/** Pause before the second try of a round trip; twice that before the third. Milliseconds. */
const RETRY_PAUSE_MS = 200;

/** Multicall3 where a chain has it (the same address everywhere). */
export const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11';
/** Views in one call through Multicall3. */
const CALLS_PER_MULTICALL = 200;
/** Views in one deployless call: nodes refuse to return more than 24,576 bytes from a constructor (EIP-170). */
const CALLS_PER_DEPLOYLESS = 12;

export interface ViewCall {
  readonly address: Hex;
  readonly abi: Abi;
  readonly functionName: string;
  readonly args?: readonly unknown[];
}

/** What a view gave: decoded by its ABI, or why there is nothing. */
export type ViewResult = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: ViewFault };
/** `empty`: the call returned nothing, as from an address without a contract. */
export type ViewFault = 'empty' | 'reverted' | 'undecodable';

export interface RpcOptions {
  readonly url: string;
}

export interface RpcModules {
  readonly clock: Clock;
  readonly fetch: Fetch;
  /** Called once for each round trip that had to wait for the one before. For measurements. */
  readonly onRoundTrip?: () => void;
}

function chainOf(error: unknown, is: (cause: unknown) => boolean): boolean {
  return error instanceof BaseError ? error.walk((cause) => is(cause)) !== null : is(error);
}

/** How nodes in use say that the EVM stopped: Geth writes words (`max code size exceeded`), revm names (`CreateContractSizeLimit`). */
const EVM_STOPPED = /revert|out ?of ?gas|code ?size|contract ?size|initcode|opcode|evm error/i;

/** The contract or the EVM said no; another try says the same. */
export function isExecutionFailure(error: unknown): boolean {
  return chainOf(error, (cause) => cause instanceof RpcRequestError && (cause.code === 3 || EVM_STOPPED.test(cause.details)));
}

function isDecodingFailure(error: unknown): boolean {
  return chainOf(
    error,
    (cause) => cause instanceof Error && /^(Abi|Position|Slice|Invalid|IntegerOut|Bytes|SizeOver)/.test(cause.name),
  );
}

function faultOf(error: unknown): ViewFault {
  if (chainOf(error, (cause) => cause instanceof Error && cause.name === 'AbiDecodingZeroDataError')) return 'empty';
  return isExecutionFailure(error) || !isDecodingFailure(error) ? 'reverted' : 'undecodable';
}

function isTransportFailure(error: unknown): boolean {
  return chainOf(
    error,
    (cause) =>
      cause instanceof HttpRequestError ||
      cause instanceof WebSocketRequestError ||
      (cause instanceof RpcRequestError && !isExecutionFailure(cause)),
  );
}

export class Rpc {
  readonly client: PublicClient;
  readonly #modules: RpcModules;
  #hasMulticall3: boolean | null = null;

  constructor(options: RpcOptions, modules: RpcModules) {
    this.#modules = modules;
    this.client = createPublicClient({
      cacheTime: 0,
      // 0: viem sets no limit; ours is on the injected clock.
      transport: http(options.url, { timeout: 0, retryCount: 0, fetchFn: limitedFetch(REQUEST_LIMITS, modules) }),
    });
  }

  /** One round trip: tried again when the RPC fails, within `signal`. @throws DependencyError */
  async trip<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { clock, onRoundTrip } = this.#modules;
    try {
      return await retry(clock, READ_ATTEMPTS, RETRY_PAUSE_MS, signal, () => {
        onRoundTrip?.();
        return within(clock, 'the RPC', RPC_LIMIT_MS, signal, work);
      });
    } catch (error) {
      if (error instanceof DependencyError) throw error;
      if (signal.aborted) throw new DependencyError('chain', 'aborted', 'the read was aborted');
      if (chainOf(error, (cause) => cause instanceof DeadlineError)) {
        throw new DependencyError('chain', 'timeout', 'the RPC did not answer in time');
      }
      throw new DependencyError('chain', 'unreachable', 'the RPC cannot be read');
    }
  }

  /** Looks once per process whether the chain has Multicall3; to be called beside another request of a trip. */
  async findMulticall(): Promise<void> {
    if (this.#hasMulticall3 !== null) return;
    const code = await this.client.getCode({ address: MULTICALL3 });
    this.#hasMulticall3 = code !== undefined && code !== '0x';
  }

  /** All views at one block, in parallel portions of one multicall each. Part of one trip. */
  async readMany(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const size = this.#hasMulticall3 === true ? CALLS_PER_MULTICALL : CALLS_PER_DEPLOYLESS;
    const portions: (readonly ViewCall[])[] = [];
    for (let at = 0; at < calls.length; at += size) portions.push(calls.slice(at, at + size));
    return (await Promise.all(portions.map((portion) => this.#readPortion(portion, blockNumber)))).flat();
  }

  /** One view by a plain call. */
  async readOne(call: ViewCall, blockNumber?: bigint): Promise<ViewResult> {
    try {
      const at = blockNumber === undefined ? {} : { blockNumber };
      return { ok: true, value: await this.client.readContract({ ...call, ...at }) };
    } catch (error) {
      if (isTransportFailure(error)) throw error;
      return { ok: false, why: faultOf(error) };
    }
  }

  async #readPortion(calls: readonly ViewCall[], blockNumber: bigint): Promise<ViewResult[]> {
    const results = await this.client.multicall({
      contracts: calls,
      allowFailure: true,
      batchSize: 0,
      blockNumber,
      ...(this.#hasMulticall3 === true ? { multicallAddress: MULTICALL3 } : { deployless: true }),
    });
    for (const result of results) if (result.status === 'failure' && isTransportFailure(result.error)) throw result.error;
    // A portion that failed as a whole, such as for its size, is read one by one: one bad entry harms itself only.
    if (calls.length > 1 && results.every(({ status }) => status === 'failure')) {
      return Promise.all(calls.map((call) => this.readOne(call, blockNumber)));
    }
    return results.map((result) =>
      result.status === 'success' ? { ok: true, value: result.result } : { ok: false, why: faultOf(result.error) },
    );
  }
}
