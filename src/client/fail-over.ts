/**
 * Asks one node after another until one returns the answer. Within a call, a node that gave a wrong answer is not asked again. Unready,
 * slow or unreachable nodes are asked again after a pause, whose length a node's `Retry-After` may set.
 *
 * Most refusals are not signed, so a single lying or outdated node must not decide the outcome. A refusal is final when a second node
 * returns the same error code, or when no other node is left to ask. It is also final when its code is one of `FINAL_REFUSALS`, or when the
 * node accepted this client's last write to the key and now says that the key is absent. Each call has a timeout and a maximum number of
 * attempts.
 */
import { withJitter } from '../domain/backoff.ts';
import { DeadlineError, sleep, within } from '../domain/deadline.ts';
import type { ErrorCode } from '../domain/errors.ts';
import { parseWallet, type Wallet } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/ports.ts';
import { AttemptError, KmsClientError, type AttemptFailure, type KmsAttempt } from './errors.ts';
import type { KmsRequest, NodeExchange } from './node-exchange.ts';
import type { KmsNode, NodeList } from './node-list.ts';
import { FailureBook, orderNodes } from './node-order.ts';
import { OwnWrites } from './own-writes.ts';
import { ROUND_PAUSE_MS, type CallOptions } from './options.ts';

/** Failures after which a call does not ask the same node again. */
const PROVED_WRONG: readonly AttemptFailure[] = ['bad_key', 'bad_answer_signature', 'bad_answer'];
/**
 * Error codes of refused writes after which no other node is asked. With `not_replicated`, the node has stored the write, and a second node would
 * write the value again. With `insufficient_storage`, the node has no room for the write.
 */
const FINAL_REFUSALS: readonly (string | undefined)[] = ['not_replicated', 'insufficient_storage'] satisfies ErrorCode[];

export interface FailOverOptions {
  readonly timeoutMs: number;
  readonly maxAttempts: number;
}

export interface FailOverModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly nodes: NodeList;
  readonly exchange: Pick<NodeExchange, 'request'>;
}

export interface Answered<Answer> {
  readonly answer: Answer;
  readonly node: KmsNode;
}

/** A call in progress. */
interface Call<Answer> {
  readonly request: KmsRequest<Answer>;
  readonly options: CallOptions;
  readonly turn: number;
  /** Monotonic milliseconds. */
  readonly endsAtMs: number;
  readonly signal: AbortSignal;
  readonly attempts: KmsAttempt[];
  /** Nodes that gave a wrong answer or refused: this call does not ask them again. */
  readonly done: Set<string>;
  /** The refusal from each node that refused. All these refusals have different error codes. */
  readonly refusals: Map<Wallet, KmsClientError>;
}

export class FailOver {
  readonly #options: FailOverOptions;
  readonly #modules: FailOverModules;
  readonly #failures = new FailureBook();
  readonly #ownWrites = new OwnWrites();
  #turn = 0;

  constructor(options: FailOverOptions, modules: FailOverModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** @throws KmsClientError */
  async call<Answer>(request: KmsRequest<Answer>, options: CallOptions): Promise<Answered<Answer>> {
    const { clock } = this.#modules;
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs + (request.extraMs ?? 0);
    const attempts: KmsAttempt[] = [];
    const refusals = new Map<Wallet, KmsClientError>();
    try {
      return await within(clock, 'the call', timeoutMs, options.signal, (signal) =>
        this.#perform({
          request,
          options,
          turn: this.#turn++,
          endsAtMs: clock.monotonicMs() + timeoutMs,
          signal,
          attempts,
          done: new Set(),
          refusals,
        }),
      );
    } catch (error) {
      if (error instanceof KmsClientError) throw error;
      if (options.signal?.aborted === true) throw new KmsClientError('aborted', 'the call was aborted', { attempts });
      if (error instanceof DeadlineError && refusals.size > 0) throw exhausted({ attempts, refusals });
      if (error instanceof DeadlineError) {
        throw new KmsClientError('timeout', `no node answered within ${timeoutMs} ms`, { attempts });
      }
      throw error;
    }
  }

  async #perform<Answer>(call: Call<Answer>): Promise<Answered<Answer>> {
    for (;;) {
      const round = await this.#round(call);
      if ('answer' in round) return round;
      await this.#pause(call, round.pauseMs);
    }
  }

  /** Asks every remaining node once. @returns the answer, or how long to wait before the next round */
  async #round<Answer>(call: Call<Answer>): Promise<Answered<Answer> | { readonly pauseMs: number }> {
    const { clock } = this.#modules;
    let pauseMs = Infinity;
    for (const node of await this.#candidates(call)) {
      if (call.attempts.length >= this.#options.maxAttempts) throw exhausted(call);
      try {
        const answer = await this.#modules.exchange.request(node, call.request, call.signal);
        this.#failures.forgive(node.wallet);
        this.#noteWrite(call.request, node);
        // One node answered this request, so for a while the nodes that refused the request are asked only after the others.
        for (const refuser of call.refusals.keys()) this.#failures.note(refuser, clock.monotonicMs(), undefined);
        return { answer, node };
      } catch (error) {
        const failed = await this.#judge(error, node, call);
        call.attempts.push({ node: node.wallet, url: node.url, failure: failed.failure, status: failed.status });
        if (failed.failure === 'refused') {
          call.done.add(node.wallet);
          continue;
        }
        this.#failures.note(node.wallet, clock.monotonicMs(), failed.retryAfterMs);
        if (PROVED_WRONG.includes(failed.failure)) call.done.add(node.wallet);
        else pauseMs = Math.min(pauseMs, failed.retryAfterMs ?? (failed.failure === 'stale_registration' ? 0 : ROUND_PAUSE_MS));
      }
    }
    // Every node has been asked. A refusal ends the call: the call does not wait for nodes that may come back later.
    if (pauseMs === Infinity || call.refusals.size > 0) throw exhausted(call);
    return { pauseMs };
  }

  async #candidates(call: Call<unknown>): Promise<readonly KmsNode[]> {
    const { clock, nodes } = this.#modules;
    const wanted = call.options.node;
    let all = await nodes.current(call.signal);
    if (all.length === 0) throw new KmsClientError('no_nodes', 'the registry lists no usable node', call);
    if (wanted !== undefined) {
      all = selectNode(all, wanted);
      if (all.length === 0) all = selectNode(await nodes.refresh(call.signal), wanted);
      if (all.length === 0) throw new KmsClientError('no_nodes', 'the registry does not list the specified node', call);
    }
    const nowMs = clock.monotonicMs();
    const left = all.filter(({ wallet }) => !call.done.has(wallet));
    if (left.length === 0) throw exhausted(call);
    const failedUntilMs = (wallet: Wallet): number => this.#failures.untilMs(wallet, nowMs);
    // A node that failed recently is asked last, even if it accepted this client's last write. Otherwise every read would wait for that node.
    return orderNodes(left, call.turn, failedUntilMs, (node) => failedUntilMs(node.wallet) === 0 && this.#tookWhatIsAsked(call.request, node));
  }

  #tookWhatIsAsked({ key, listing }: KmsRequest<unknown>, node: KmsNode): boolean {
    if (key !== undefined) return this.#ownWrites.took(key, node);
    return listing !== undefined && this.#ownWrites.tookLast(node);
  }

  #noteWrite({ key, op }: KmsRequest<unknown>, node: KmsNode): void {
    if (key !== undefined && (op === 'put' || op === 'delete')) this.#ownWrites.note(key, node, op);
  }

  /**
   * Decides whether the call continues after a failed attempt. After a 400 or 403, the list of nodes is read again, because the node's
   * enclave may have rebooted with a new key; if the node's registration has changed, the call continues. Otherwise a refusal ends the call
   * only if its error code is final by itself, if a second node has returned the same code, or if the node accepted this client's last
   * write to the key and now says that the key is absent.
   * @throws KmsClientError refused, when the refusal is final
   */
  async #judge(error: unknown, node: KmsNode, call: Call<unknown>): Promise<AttemptError> {
    if (error instanceof AttemptError) return error;
    if (!(error instanceof KmsClientError) || error.code !== 'refused') throw error;
    if (error.status === 400 || error.status === 403) {
      const now = (await this.#modules.nodes.refresh(call.signal)).find(({ wallet }) => wallet === node.wallet);
      if (now?.teePubkey !== node.teePubkey || now.url !== node.url) {
        return new AttemptError('stale_registration', { status: error.status });
      }
    }
    // The node has stored the write, although its answer is an error.
    if (error.serverCode === 'not_replicated') this.#noteWrite(call.request, node);
    const { key } = call.request;
    const absent = error.serverCode === 'not_found' && key !== undefined && this.#ownWrites.isFinallyAbsent(key, node, error.proven);
    const seconded = [...call.refusals.values()].some(({ serverCode }) => serverCode === error.serverCode);
    if (absent || seconded || FINAL_REFUSALS.includes(error.serverCode)) throw withAttempts(error, call.attempts);
    call.refusals.set(node.wallet, error);
    return new AttemptError('refused', { status: error.status });
  }

  /** Waits with jitter, so that callers that failed together do not retry together. */
  async #pause(call: Call<unknown>, pauseMs: number): Promise<void> {
    const { clock, random } = this.#modules;
    const waitMs = Math.ceil(withJitter(pauseMs, random.unit()));
    const attemptsLeft = call.attempts.length < this.#options.maxAttempts;
    if (!attemptsLeft || clock.monotonicMs() + pauseMs >= call.endsAtMs) throw exhausted(call);
    await sleep(clock, waitMs, call.signal);
  }
}

/** Matches a wallet in upper or lower case, or a URL with or without a trailing slash. */
function selectNode(nodes: readonly KmsNode[], wanted: string): readonly KmsNode[] {
  const wallet = parseWallet(wanted);
  const bareUrl = (url: string): string => url.replace(/\/+$/, '');
  return nodes.filter((node) => (wallet === null ? bareUrl(node.url) === bareUrl(wanted) : node.wallet === wallet));
}

function withAttempts({ message, status, serverCode, proven }: KmsClientError, attempts: readonly KmsAttempt[]): KmsClientError {
  return new KmsClientError('refused', message, { status, serverCode, proven, attempts });
}

/**
 * The error of a failed call: the first refusal if a node refused, otherwise `bad_answer_signature` or `bad_answer` if every node that was
 * asked proved to be wrong, otherwise `unavailable`.
 */
function exhausted({ attempts, refusals }: Pick<Call<unknown>, 'attempts' | 'refusals'>): KmsClientError {
  const [refusal] = refusals.values();
  if (refusal !== undefined) return withAttempts(refusal, attempts);
  const only = (failure: AttemptFailure): boolean => attempts.every((attempt) => attempt.failure === failure);
  if (only('bad_answer_signature')) {
    return new KmsClientError('bad_answer_signature', 'no answer was signed by the wallet of the node that it came from', { attempts });
  }
  if (attempts.every(({ failure }) => PROVED_WRONG.includes(failure))) {
    return new KmsClientError('bad_answer', 'no node returned a valid answer', { attempts });
  }
  return new KmsClientError('unavailable', `no node answered; number of attempts: ${attempts.length}`, { attempts });
}
