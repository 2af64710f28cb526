/**
 * Makes one call to the chain's RPC (protocol.md §6). Behind a load balancer, every second answer may be bad, so a call makes up to six
 * attempts before it fails. The second attempt starts immediately, and later attempts start after growing pauses. No attempt starts before
 * `Retry-After` allows it. A backend may hang, so when an attempt has had no answer for a second, the next one starts in parallel. The
 * first answer is used.
 */
import { RpcRequestError } from 'viem';
import { backoffMs } from '../domain/backoff.ts';
import { readBoundedBody } from '../domain/bounded-body.ts';
import { sleep, within } from '../domain/deadline.ts';
import { nameOf, noAnswer, secondsText, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';
import { endpointOf } from '../domain/endpoint.ts';
import { DependencyError } from '../domain/errors.ts';
import type { CallOutcome, Meter } from '../domain/meter.ts';
import type { Clock, Fetch } from '../domain/ports.ts';
import { judgeRpcAnswer, type HttpAnswer, type RpcAnswer, type RpcErrorAnswer } from './rpc-answer.ts';

/** Timeout of one attempt. Milliseconds. */
export const RPC_TIMEOUT_MS = 5_000;
/** Maximum number of attempts for one call. */
export const CALL_ATTEMPTS = 6;
/** How long an attempt may go unanswered before the next one starts in parallel. Milliseconds. */
export const COMPANY_AFTER_MS = 1_000;
/** The longest `Retry-After` that a call waits for; the steps that call the RPC have timeouts of 20 s or more. Milliseconds. */
export const MAX_PAUSE_MS = 10_000;
/** Pauses before the third and each later attempt. */
const PAUSES = { firstMs: 100, lastMs: 800 };
/** Maximum time without calls after the RPC has asked for a pause longer than MAX_PAUSE_MS. Milliseconds. */
const MAX_REST_MS = 60_000;
/** Maximum size of an answer, which may contain the results of many views. Bytes. */
const MAX_ANSWER_BYTES = 10 * 1024 * 1024;

export interface RpcCallerOptions {
  /** `NODE_URL`, unchanged, because the RPC may need its path, query, user name and password. */
  readonly url: string;
}

export interface RpcCallerModules {
  readonly clock: Clock;
  /** Must not follow redirects. */
  readonly fetch: Fetch;
  /** Called for each attempt that failed, unless it was aborted. */
  readonly onFailure?: (error: DependencyError) => void;
  /** Called when an attempt has ended. */
  readonly onTry?: Meter['rpcEnded'] | undefined;
}

/** Whether an RPC error that is not a revert counts as an answer. */
export type IsAnswer = (error: RpcErrorAnswer) => boolean;

const NO_ERROR_IS: IsAnswer = () => false;

/** Shared by all calls, because `abort` without a reason creates an error with a stack for each call. */
const CALL_ENDED = new Error('the call has ended');

/** The pause that `Retry-After` requests. It applies to all attempts of one call. */
interface PutOff {
  /** Monotonic milliseconds before which no further attempt may start. */
  untilMs: number;
}

/** How an attempt ended. The promise of a failed attempt does not reject, but resolves with the failure. */
type Outcome = { readonly kind: 'answered'; readonly answer: RpcAnswer } | { readonly kind: 'failed'; readonly failure: DependencyError };

export class RpcCaller {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #modules: RpcCallerModules;
  readonly endpoint: string;
  /** The RPC has asked not to be called before this time. Monotonic milliseconds. */
  #restsUntilMs = -Infinity;
  #ids = 0;

  constructor(options: RpcCallerOptions, modules: RpcCallerModules) {
    const { url, authorization } = withoutLogin(options.url);
    this.#url = url;
    this.#headers = { 'content-type': 'application/json', ...(authorization === null ? {} : { authorization }) };
    this.#modules = modules;
    this.endpoint = endpointOf(options.url);
  }

  /**
   * @returns the `result` of the answer
   * @throws RpcRequestError for a revert (code 3) and for an error that `isAnswer` accepts; DependencyError when no attempt gets an answer
   */
  async call(method: string, params: unknown, signal: AbortSignal, isAnswer: IsAnswer = NO_ERROR_IS): Promise<unknown> {
    const asked: DependencyCall = { dependency: 'chain', endpoint: this.endpoint, call: method, setting: 'NODE_URL' };
    this.#ids += 1;
    const id = this.#ids;
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const tries = new AbortController();
    const onAbort = (): void => tries.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#persist(asked, body, tries.signal, isAnswer);
    } catch (error) {
      throw error instanceof RpcRequestError ? error : noAnswer(asked, error, signal.aborted);
    } finally {
      signal.removeEventListener('abort', onAbort);
      // Ends the attempts that are still under way.
      tries.abort(CALL_ENDED);
    }
  }

  async #persist(asked: DependencyCall, body: string, signal: AbortSignal, isAnswer: IsAnswer): Promise<unknown> {
    const underWay = new Set<Promise<Outcome>>();
    const putOff = { untilMs: -Infinity };
    let failures = 0;
    let last: DependencyError | null = null;
    for (let tries = 0; ; ) {
      if (tries < CALL_ATTEMPTS) {
        await this.#pause(asked, failures, last, putOff, signal);
        tries += 1;
        const attempt: Promise<Outcome> = this.#try(asked, body, putOff, signal).finally(() => underWay.delete(attempt));
        underWay.add(attempt);
      }
      const outcome = await this.#first(underWay, tries < CALL_ATTEMPTS);
      if (outcome === 'silent') continue;
      const { answer } = outcome.kind === 'answered' ? outcome : { answer: null };
      if (answer?.kind === 'result') return answer.result;
      if (answer?.kind === 'reverted') throw this.#errorOf(asked, { ...answer.error, code: 3 });
      if (answer?.error !== undefined && isAnswer(answer.error)) throw this.#errorOf(asked, answer.error);
      last = failureOf(outcome)!;
      signal.throwIfAborted();
      failures += 1;
      this.#modules.onFailure?.(last);
      // Another attempt would get the same answer.
      if (last.failure === 'too_large') throw last;
      if (tries >= CALL_ATTEMPTS && underWay.size === 0) throw last;
    }
  }

  /** Waits until the next attempt may start. @throws DependencyError when the RPC requests a pause of more than MAX_PAUSE_MS */
  async #pause(asked: DependencyCall, failures: number, last: DependencyError | null, putOff: PutOff, signal: AbortSignal): Promise<void> {
    const { clock } = this.#modules;
    const untilMs = clock.monotonicMs() + (failures < 2 ? 0 : backoffMs(PAUSES, failures - 2, 0));
    // This is a loop, because an attempt under way may get a `Retry-After` during the sleep.
    for (;;) {
      const nowMs = clock.monotonicMs();
      const askedMs = putOff.untilMs - nowMs;
      if (askedMs > MAX_PAUSE_MS) this.#restsUntilMs = nowMs + Math.min(askedMs, MAX_REST_MS);
      const restMs = this.#restsUntilMs - nowMs;
      if (restMs > 0) {
        const why = `${last?.message ?? nameOf(asked)}${last === null ? '' : ' and'} asks callers to wait ${secondsText(restMs)}`;
        throw new DependencyError('chain', 'unreachable', why, { call: asked.call, endpoint: asked.endpoint, status: last?.status, retryAfterMs: restMs, cause: last ?? undefined });
      }
      const waitMs = Math.max(untilMs, putOff.untilMs) - nowMs;
      if (waitMs <= 0) return;
      await sleep(clock, waitMs, signal);
    }
  }

  /** The outcome of the first attempt to end; `silent` if none ends within COMPANY_AFTER_MS and `mayCompany` allows another attempt. */
  async #first(underWay: ReadonlySet<Promise<Outcome>>, mayCompany: boolean): Promise<Outcome | 'silent'> {
    if (!mayCompany) return Promise.race(underWay);
    const { clock } = this.#modules;
    const silence = Promise.withResolvers<'silent'>();
    const timer = clock.setTimeout(() => silence.resolve('silent'), COMPANY_AFTER_MS);
    try {
      return await Promise.race([...underWay, silence.promise]);
    } finally {
      clock.clearTimeout(timer);
    }
  }

  async #try(asked: DependencyCall, body: string, putOff: PutOff, signal: AbortSignal): Promise<Outcome> {
    const { clock, onTry } = this.#modules;
    const startedMs = clock.monotonicMs();
    const outcome = await this.#outcomeOf(asked, body, signal);
    onTry?.(asked.call, outcomeWord(outcome), clock.monotonicMs() - startedMs);
    const askedMs = failureOf(outcome)?.retryAfterMs ?? 0;
    if (askedMs > 0) putOff.untilMs = Math.max(putOff.untilMs, clock.monotonicMs() + askedMs);
    return outcome;
  }

  async #outcomeOf(asked: DependencyCall, body: string, signal: AbortSignal): Promise<Outcome> {
    try {
      const answer = await within(this.#modules.clock, nameOf(asked), RPC_TIMEOUT_MS, signal, (deadline) => this.#exchange(asked, body, deadline));
      return { kind: 'answered', answer: judgeRpcAnswer(asked, answer) };
    } catch (error) {
      return { kind: 'failed', failure: noAnswer(asked, error, signal.aborted) };
    }
  }

  async #exchange(asked: DependencyCall, body: string, signal: AbortSignal): Promise<HttpAnswer> {
    const answer = await this.#modules.fetch(this.#url, { method: 'POST', headers: this.#headers, body, signal, redirect: 'manual' });
    const { status, headers } = answer;
    const facts = { status, location: headers.get('location'), retryAfter: headers.get('retry-after') };
    // An injected `fetch` may have read the body already.
    if (!answer.body) return { ...facts, text: await answer.text() };
    const chunks = answer.body as AsyncIterable<Uint8Array>;
    const bytes = await readBoundedBody(chunks, MAX_ANSWER_BYTES, () => tooLargeAnswer(asked, MAX_ANSWER_BYTES));
    return { ...facts, text: bytes.toString('utf8') };
  }

  /** The error that viem's actions expect. It contains the RPC's own text, so it must not leave `registry`. */
  #errorOf(asked: DependencyCall, error: RpcErrorAnswer): RpcRequestError {
    return new RpcRequestError({ body: { method: asked.call }, url: this.endpoint, error });
  }
}

/** Null when the attempt got an answer. A revert is an answer; an unreadable response is not. */
function failureOf(outcome: Outcome): DependencyError | null {
  if (outcome.kind === 'failed') return outcome.failure;
  return outcome.answer.kind === 'unreadable' ? outcome.answer.failure : null;
}

function outcomeWord(outcome: Outcome): CallOutcome {
  return failureOf(outcome)?.failure ?? 'ok';
}

/** Moves a user name and password from the URL into a header, because `fetch` refuses a URL that contains them. */
function withoutLogin(text: string): { readonly url: string; readonly authorization: string | null } {
  if (!URL.canParse(text)) return { url: text, authorization: null };
  const url = new URL(text);
  if (url.username === '' && url.password === '') return { url: text, authorization: null };
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url: url.href, authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}
