/**
 * Judges what the chain's RPC answered (protocol.md §6). A result and a revert are real answers. A result in the wrong form (such as
 * empty or null), an RPC error and an HTTP status other than 2xx are unreadable: the caller may repeat the call, and must not conclude
 * that something is absent. This module is pure.
 */
import { malformedAnswer, nameOf, statusFailure, type DependencyCall } from '../domain/dependency-failures.ts';
import { DependencyError } from '../domain/errors.ts';
import { readRetryAfterMs } from '../domain/retry-after.ts';

/** The answer to one HTTP request, with its whole body. */
export interface HttpAnswer {
  readonly status: number;
  /** The target of a redirect. */
  readonly location: string | null;
  readonly retryAfter: string | null;
  readonly text: string;
}

/** A JSON-RPC error. The message is the RPC's own text: it is compared with patterns, never shown. */
export interface RpcErrorAnswer {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export type RpcAnswer =
  | { readonly kind: 'result'; readonly result: unknown }
  /** The contract or the EVM reverted. */
  | { readonly kind: 'reverted'; readonly error: RpcErrorAnswer }
  | { readonly kind: 'unreadable'; readonly failure: DependencyError; readonly error?: RpcErrorAnswer };

type Form = (result: unknown) => boolean;

const isText = (form: RegExp): Form => (result) => typeof result === 'string' && form.test(result);
const isQuantity = isText(/^0x[0-9a-f]{1,64}$/i);
const isData = isText(/^0x(?:[0-9a-f]{2})*$/i);

/** The form of each method's result (execution-apis, JSON-RPC). It is checked because a bad backend answers `0x` to every call. */
const FORMS: Readonly<Record<string, Form>> = {
  eth_chainId: isQuantity,
  eth_blockNumber: isQuantity,
  eth_getTransactionCount: isQuantity,
  eth_maxPriorityFeePerGas: isQuantity,
  eth_gasPrice: isQuantity,
  eth_estimateGas: isQuantity,
  // `0x` passes here, because a call to an address without a contract returns it. The caller decides what it means.
  eth_call: isData,
  eth_getCode: isData,
  eth_sendRawTransaction: isText(/^0x[0-9a-f]{64}$/i),
  eth_getBlockByNumber: (result) => isObject(result) && isQuantity(result['number']) && isQuantity(result['timestamp']),
  eth_getTransactionReceipt: (result) => result === null || isObject(result),
};

/** Methods that run contract code and can therefore revert. */
const RUNS_CODE: ReadonlySet<string> = new Set(['eth_call', 'eth_estimateGas']);

/**
 * How common Ethereum nodes say that the EVM stopped: Geth uses words (`max code size exceeded`), revm uses names
 * (`CreateContractSizeLimit`).
 */
const EVM_STOPPED = /revert|out ?of ?gas|code ?size|contract ?size|initcode|opcode|evm error/i;

/** Maximum value of `Retry-After`. Milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** JSON-RPC codes with which an RPC refuses a request, its method or the form of its parameters. */
const FORM_REFUSED: ReadonlySet<number | undefined> = new Set([-32_600, -32_601, -32_602]);

export function isFormRefused({ status }: DependencyError): boolean {
  return FORM_REFUSED.has(status);
}

/** Whether the call was too large for the EVM: a retry would fail too, but a smaller call may succeed. */
export function isTooLargeForEvm(message: string): boolean {
  return /out ?of ?gas|code ?size|contract ?size|initcode/i.test(message);
}

export function judgeRpcAnswer(call: DependencyCall, { status, location, retryAfter, text }: HttpAnswer): RpcAnswer {
  const parsed = parseOrUndefined(text);
  const error = errorIn(parsed);
  if (error !== null && RUNS_CODE.has(call.call) && (error.code === 3 || EVM_STOPPED.test(error.message))) return { kind: 'reverted', error };
  if (status < 200 || status >= 300) {
    const wait = readRetryAfterMs(retryAfter ?? undefined, MAX_RETRY_AFTER_MS);
    return { kind: 'unreadable', failure: statusFailure(call, status, location, wait) };
  }
  if (error !== null) {
    const message = `${nameOf(call)} answered ${call.call} with the error ${error.code}`;
    return { kind: 'unreadable', failure: new DependencyError('chain', 'malformed', message, { call: call.call, endpoint: call.endpoint, status: error.code }), error };
  }
  if (parsed === undefined) return { kind: 'unreadable', failure: malformedAnswer(call, `gave an answer to ${call.call} that is not JSON`) };
  const result = isObject(parsed) ? parsed['result'] : undefined;
  const hasForm = FORMS[call.call] ?? ((other: unknown) => other !== null && other !== '');
  if (result !== undefined && hasForm(result)) return { kind: 'result', result };
  const isEmpty = result === undefined || result === null || result === '' || result === '0x';
  const how = isEmpty ? `gave an empty answer to ${call.call}` : `gave an answer to ${call.call} in an unexpected form`;
  return { kind: 'unreadable', failure: malformedAnswer(call, how) };
}

function errorIn(parsed: unknown): RpcErrorAnswer | null {
  const error = isObject(parsed) ? parsed['error'] : undefined;
  if (error === undefined || error === null) return null;
  if (!isObject(error)) return { code: 0, message: typeof error === 'string' ? error : '' };
  const { code, message, data } = error;
  return { code: Number.isSafeInteger(code) ? (code as number) : 0, message: typeof message === 'string' ? message : '', data };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
