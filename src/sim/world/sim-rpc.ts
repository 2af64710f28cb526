/**
 * The RPC endpoint of one node. It answers JSON-RPC through a simulated `fetch`, so that the product's code for reads and claims runs
 * unchanged. Each node has its own endpoint with several backends. A fault of one endpoint does not affect the others.
 */
import { numberToHex, parseTransaction, toFunctionSelector, type Hex } from 'viem';
import type { Hash32, Wallet } from '../../domain/ids.ts';
import { MULTICALL3 } from '../../registry/views.ts';
import { UNDERPRICED_WORDS, type BackendFault, type RpcBehaviour } from './rpc-behaviour.ts';
import type { SeededRandom } from './seeded.ts';
import { BASE_FEE, CHAIN_ID, timeOfBlock, TIP, type SimChain } from './sim-chain.ts';
import { KMS_REGISTRY, NOBODY, NOVA_APP_REGISTRY, type ContractAnswers } from './sim-contracts.ts';
import type { Owner, Timeline } from './timeline.ts';

const LATENCY_MS = 20;
/** Maximum age of an old block, in blocks below the head. */
const OLD_BLOCKS = 30;
/** Number of blocks by which the head of a wrong chain is ahead of the true head. */
const OTHER_CHAIN_BLOCKS = 1_000_000;
/** Number of the most recent blocks whose state a pruned backend still has. */
const KEPT_BLOCKS = 2;
const CLAIM_GAS = 300_000n;

interface Question {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

interface CallParams {
  readonly to?: string;
  readonly data?: Hex;
  readonly from?: string;
}

export interface RpcModules {
  readonly chain: SimChain;
  readonly timeline: Timeline;
  readonly owner: Owner;
  readonly random: SeededRandom;
  readonly onFault: (kind: string) => void;
  /** Called after each check of a rule, with what broke the rule; null if the rule was kept. */
  readonly onRule: (invariant: string, wrong: string | null) => void;
  readonly answers: ContractAnswers;
}

export class SimRpc {
  readonly behaviour: RpcBehaviour;
  readonly #modules: RpcModules;
  /** Number of round trips: how many requests began while no other request was under way. It shows the cost of a node_tick. */
  waves = 0;
  /** Number of calls that read only the hash at a numbered block, without other values. */
  singleHashReads = 0;
  /** The last block that the endpoint returned, with its time. Unix milliseconds. */
  lastBlock: { readonly number: number; readonly timeMs: number } | null = null;
  #underWay = 0;
  /**
   * For each request that a busy backend has put off: when the backend answered, and the time before which the request must not be sent
   * again. Simulated milliseconds.
   */
  readonly #putOff = new Map<string, { readonly sinceMs: number; readonly notBeforeMs: number }>();
  /** The last claim that the pool refused because its tip was too low. */
  #refusedClaim: { readonly raw: Hex; readonly nonce: number; readonly tip: bigint } | null = null;

  /** @param behaviour its fields may change during the run */
  constructor(behaviour: RpcBehaviour, modules: RpcModules) {
    this.behaviour = behaviour;
    this.#modules = modules;
  }

  readonly fetch = async (_input: unknown, init?: { readonly body?: unknown; readonly signal?: AbortSignal | null | undefined }): Promise<Response> => {
    const { random, onFault, timeline } = this.#modules;
    const { behaviour } = this;
    const sentAtMs = timeline.nowMs;
    if (this.#underWay === 0) this.waves += 1;
    this.#underWay += 1;
    try {
      await this.#pass(LATENCY_MS + behaviour.delayMs);
      if (behaviour.delayMs > 0) onFault('chain slow');
      if (behaviour.down) {
        onFault('chain down');
        throw new TypeError('fetch failed');
      }
      if (random.chance(behaviour.failShare)) {
        onFault('chain failing');
        return answerOf(random.chance(0.5) ? 503 : 200, { error: 'the backend is not available' });
      }
      const asked = JSON.parse(String(init?.body)) as Question;
      this.#checkPutOff(asked, sentAtMs);
      const backend = this.#chooseBackend();
      const refused = backend === null ? null : await this.#misbehave(backend, asked, init?.signal);
      // As soon as any backend has answered the request, the `Retry-After` of a busy backend no longer applies.
      if (refused === null || refused.status === 200) this.#putOff.delete(textOf(asked));
      if (refused !== null) return refused;
      const result = this.#result(asked.method, asked.params ?? [], backend);
      if (result === LOST) throw new TypeError('fetch failed');
      return answerOf(200, { jsonrpc: '2.0', id: asked.id, ...result });
    } finally {
      this.#underWay -= 1;
    }
  };

  /** Lets time pass on the timeline. A frozen node continues only after the freeze ends. */
  #pass(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#modules.timeline.after(ms, this.#modules.owner, () => resolve(undefined));
    return promise;
  }

  /** @returns the fault of the chosen backend; null for a good backend */
  #chooseBackend(): BackendFault | null {
    const { random } = this.#modules;
    const { backends } = this.behaviour;
    return backends.length === 0 || random.chance(0.5) ? null : random.pick(backends);
  }

  /** The bad answer from a faulty backend; null when the backend answers this request correctly. */
  async #misbehave({ kind, amount }: BackendFault, asked: Question, signal: AbortSignal | null | undefined): Promise<Response | null> {
    const { onFault, timeline } = this.#modules;
    const answer = (body: object): Response => {
      onFault(kind);
      return answerOf(200, { jsonrpc: '2.0', id: asked.id, ...body });
    };
    const isCall = asked.method === 'eth_call';
    switch (kind) {
      case 'backend dead':
        onFault(kind);
        throw new TypeError('fetch failed');
      case 'backend hanging':
        onFault(kind);
        await aborted(signal);
        throw new TypeError('fetch failed');
      case 'backend of web pages':
        onFault(kind);
        return answerOf(200, '<!doctype html><title>Sign in</title>', 'text/html');
      case 'backend busy':
        onFault(kind);
        this.#putOff.set(textOf(asked), { sinceMs: timeline.nowMs, notBeforeMs: timeline.nowMs + amount * 1_000 });
        return answerOf(429, { error: 'slow down' }, 'application/json', { 'retry-after': String(amount) });
      case 'backend null':
        return answer({ result: null });
      case 'backend empty':
        return isCall ? answer({ result: '0x' }) : null;
      case 'backend reverting':
        return isCall ? answer({ error: { code: 3, message: 'execution reverted', data: '0x' } }) : null;
      case 'backend without code':
        return asked.method === 'eth_getCode' ? answer({ result: '0x' }) : null;
      case 'backend pruned': {
        const at = Number(asked.params?.[1] ?? NaN);
        if (!isCall || !(at < this.#modules.chain.head - KEPT_BLOCKS)) return null;
        return answer({ error: { code: -32_000, message: 'missing trie node 5fa2 (path ) state is not available' } });
      }
      case 'backend lagging':
        onFault(kind);
        return null;
    }
  }

  /**
   * Checks that a request is not sent again before its `Retry-After` has passed (protocol.md §6). A request that was sent before the
   * `Retry-After` arrived is not checked.
   */
  #checkPutOff(asked: Question, sentAtMs: number): void {
    const { onRule, owner } = this.#modules;
    const putOff = this.#putOff.get(textOf(asked));
    if (putOff === undefined || sentAtMs < putOff.sinceMs) return;
    const tooSoonByMs = Math.round(putOff.notBeforeMs - sentAtMs);
    if (tooSoonByMs <= 0) this.#putOff.delete(textOf(asked));
    onRule("an RPC's Retry-After is obeyed", tooSoonByMs > 0 ? `${owner.name} sends ${asked.method} again ${tooSoonByMs} ms too soon` : null);
  }

  #result(method: string, params: readonly unknown[], backend: BackendFault | null): object | typeof LOST {
    const { chain, onFault } = this.#modules;
    const { isOtherChain, tipFactor } = this.behaviour;
    if (isOtherChain) onFault('another chain');
    switch (method) {
      case 'eth_chainId':
        return { result: numberToHex(isOtherChain ? CHAIN_ID + 1 : CHAIN_ID) };
      case 'eth_blockNumber':
        return { result: numberToHex(this.#shownHead(backend)) };
      case 'eth_getBlockByNumber':
        return { result: this.#block(params[0], backend) };
      case 'eth_maxPriorityFeePerGas':
        if (tipFactor !== 1) onFault('absurd tip');
        return { result: numberToHex(TIP * BigInt(tipFactor)) };
      case 'eth_getCode':
        return { result: [NOVA_APP_REGISTRY, KMS_REGISTRY, MULTICALL3].includes(String(params[0]).toLowerCase()) ? '0x01' : '0x' };
      case 'eth_getTransactionCount': {
        const wallet = String(params[0]).toLowerCase() as Wallet;
        return { result: numberToHex(params[1] === 'pending' ? chain.pendingNonceOf(wallet) : chain.nonceOf(wallet)) };
      }
      case 'eth_getTransactionReceipt':
        return { result: receipt(chain, params[0] as Hash32) };
      case 'eth_sendRawTransaction':
        return this.#send(params[0] as Hex);
      case 'eth_call':
        return this.#call(params[0] as CallParams, params[1], backend);
      default:
        return { error: { code: -32_601, message: `the method ${method} does not exist` } };
    }
  }

  #shownHead(backend: BackendFault | null): number {
    const { chain, random, onFault } = this.#modules;
    const { lagBlocks, oldBlockShare, frozenHead, isOtherChain } = this.behaviour;
    if (isOtherChain) return chain.head + OTHER_CHAIN_BLOCKS;
    if (frozenHead !== null) {
      onFault('chain head stands still');
      return frozenHead;
    }
    if (lagBlocks > 0) onFault('chain lagging');
    if (random.chance(oldBlockShare)) {
      onFault('chain old block');
      return chain.head - random.between(1, OLD_BLOCKS);
    }
    return Math.max(0, chain.head - lagBlocks - (backend?.kind === 'backend lagging' ? backend.amount : 0));
  }

  /** @param tag a number in hex, or a word such as `latest` @returns null when the backend does not have this block */
  #blockOf(tag: unknown, backend: BackendFault | null): number | null {
    const head = this.#shownHead(backend);
    if (typeof tag !== 'string' || !tag.startsWith('0x')) return head;
    // A lagging backend may lack a block that another backend has shown.
    return backend?.kind === 'backend lagging' && Number(tag) > head ? null : Number(tag);
  }

  #block(tag: unknown, backend: BackendFault | null): object | null {
    const { chain, onFault } = this.#modules;
    const { isOtherChain, blockTimeOffset } = this.behaviour;
    const number = this.#blockOf(tag, backend);
    if (number === null) return null;
    if (blockTimeOffset !== 0) onFault('block times off');
    const timeMs = timeOfBlock(isOtherChain ? Math.min(number, chain.head + OTHER_CHAIN_BLOCKS) - OTHER_CHAIN_BLOCKS : number);
    this.lastBlock = { number, timeMs: timeMs + blockTimeOffset * 1_000 };
    return block(number, timeMs / 1_000 + blockTimeOffset);
  }

  #send(raw: Hex): object | typeof LOST {
    const { chain, onFault, random } = this.#modules;
    const { claimFate, isOtherChain } = this.behaviour;
    if (isOtherChain) return { error: { code: -32_000, message: `invalid chain id for signer: have ${CHAIN_ID} want ${CHAIN_ID + 1}` } };
    if (claimFate !== 'taken') onFault(`claim ${claimFate}`);
    if (this.#isUnderpriced(raw)) return { error: { code: -32_000, message: random.pick(UNDERPRICED_WORDS) } };
    const { replaced } = chain;
    const refusal = chain.send(raw, claimFate);
    if (chain.replaced > replaced) onFault('claim replaced');
    if (refusal !== null) return { error: { code: -32_000, message: refusal } };
    return claimFate === 'answer lost' ? LOST : { result: `0x${'00'.repeat(32)}` };
  }

  /**
   * Whether the pool refuses a claim because its tip is too low. Checks that a retry raises the tip and that no claim exceeds the cap
   * (protocol.md §6).
   */
  #isUnderpriced(raw: Hex): boolean {
    const { onFault, onRule, owner } = this.#modules;
    const { leastTip, tipFactor } = this.behaviour;
    const { nonce = 0, maxPriorityFeePerGas: tip = 0n, maxFeePerGas = 0n } = parseTransaction(raw as `0x02${string}`);
    const isOverCap = tip > MAX_TIP || maxFeePerGas * CLAIM_GAS > MAX_FEE;
    onRule('a claim offers no more than its cap', isOverCap ? `${owner.name} offers a tip of ${tip} wei and a maximum fee of ${maxFeePerGas}` : null);
    // The same transaction may be sent twice because of a slow answer; that is not a retry.
    const before = this.#refusedClaim?.nonce === nonce && this.#refusedClaim.raw !== raw ? this.#refusedClaim : null;
    if (before !== null) {
      const isRaised = tip * 8n >= before.tip * 9n || before.tip * 9n > MAX_TIP * 8n;
      onRule('a claim that was refused for its price is sent again with a higher price', isRaised ? null : `${owner.name} offers a tip of ${tip} after ${before.tip}`);
    }
    const isRefused = tip < TIP * BigInt(leastTip) && tipFactor === 1;
    this.#refusedClaim = isRefused ? { raw, nonce, tip } : null;
    if (isRefused) onFault('claim underpriced');
    return isRefused;
  }

  #call({ to = '', data = '0x', from }: CallParams, tag: unknown, backend: BackendFault | null): object {
    const { chain, random, onFault, answers } = this.#modules;
    if (random.chance(this.behaviour.revertShare)) {
      onFault('chain reverting');
      return { error: { code: 3, message: 'execution reverted', data: '0x' } };
    }
    // Some providers refuse a call without `to`, so the product must be able to read many values without such a call.
    if (to === '') return { error: { code: -32_602, message: "missing field 'to'" } };
    const at = this.#blockOf(tag, backend);
    if (at === null) return { error: { code: -32_000, message: 'header not found' } };
    if (data.startsWith(HASH_SELECTOR) && String(tag).startsWith('0x')) this.singleHashReads += 1;
    const state = this.behaviour.isOtherChain ? chain.firstState : chain.stateAt(at);
    const result = answers.call(state, to.toLowerCase(), data, from?.toLowerCase()) ?? { data: '0x' };
    return 'data' in result ? { result: result.data } : { error: { code: 3, message: 'execution reverted', data: result.reverted } };
  }
}

/** Caps on a claim's tip and on its total cost (protocol.md §8, `CLAIM_MAX_TIP_GWEI`). Wei. */
const MAX_TIP = 50_000_000_000n;
const MAX_FEE = 50_000_000_000_000_000n;

const HASH_SELECTOR = toFunctionSelector('masterSecretHash()');

/** Identifies a request. A retry keeps the id. Another request may have the same method and parameters, but has its own id. */
const textOf = ({ id, method, params }: Question): string => `${id} ${method} ${JSON.stringify(params ?? [])}`;

function aborted(signal: AbortSignal | null | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  if (signal?.aborted === true) resolve(undefined);
  else signal?.addEventListener('abort', () => resolve(undefined), { once: true });
  return promise;
}

const LOST = Symbol('the answer is lost');

/** The parts of a Response that the product reads. */
function answerOf(status: number, body: unknown, type = 'application/json', headers: Readonly<Record<string, string>> = {}): Response {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const given = new Map(Object.entries({ ...headers, 'content-type': type }));
  const answer = {
    status,
    ok: status === 200,
    statusText: '',
    headers: { get: (name: string) => given.get(name) ?? null },
    text: async () => text,
    json: async () => JSON.parse(text) as unknown,
    arrayBuffer: async () => new TextEncoder().encode(text).buffer,
  };
  return answer as unknown as Response;
}

function block(number: number, seconds: number): object {
  return {
    number: numberToHex(number),
    hash: numberToHex(number, { size: 32 }),
    baseFeePerGas: numberToHex(BASE_FEE),
    timestamp: numberToHex(seconds),
    transactions: [],
    gasLimit: '0x1c9c380',
    gasUsed: '0x0',
    size: '0x1',
    difficulty: '0x0',
    totalDifficulty: '0x0',
  };
}

function receipt(chain: SimChain, hash: Hash32): object | null {
  const known = chain.receiptOf(hash);
  if (known === null) return null;
  const place = numberToHex(known.block);
  return {
    transactionHash: hash,
    blockHash: numberToHex(known.block, { size: 32 }),
    blockNumber: place,
    status: known.succeeded ? '0x1' : '0x0',
    transactionIndex: '0x0',
    gasUsed: '0x1',
    cumulativeGasUsed: '0x1',
    effectiveGasPrice: '0x1',
    contractAddress: null,
    logs: [],
    logsBloom: '0x',
    type: '0x2',
    from: NOBODY,
    to: KMS_REGISTRY,
  };
}
