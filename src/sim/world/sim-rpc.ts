/**
 * The chain's RPC as one node sees it: JSON-RPC over a `fetch` of its own, so that all of the product's reading and claiming
 * runs as it is. Each node has an endpoint, and each endpoint fails in its own way.
 */
import { decodeFunctionData, encodeErrorResult, encodeFunctionResult, multicall3Abi, numberToHex, type Hex } from 'viem';
import type { Hash32, Wallet } from '../../domain/ids.ts';
import { kmsRegistryAbi, novaAppRegistryAbi } from '../../registry/abi.ts';
import { MULTICALL3 } from '../../registry/rpc.ts';
import type { SeededRandom } from './seeded.ts';
import { BASE_FEE, CHAIN_ID, mayClaim, timeOfBlock, TIP, type ClaimFate, type ContractState, type SimChain, type SimInstance } from './sim-chain.ts';
import type { Owner, Timeline } from './timeline.ts';

export const NOVA_APP_REGISTRY = `0x${'a0'.repeat(20)}` as Wallet;
export const KMS_REGISTRY = `0x${'b0'.repeat(20)}` as Wallet;

/** How an endpoint behaves now. */
export interface RpcBehaviour {
  down: boolean;
  /** Blocks that it is behind. */
  lagBlocks: number;
  /** Share of answers from an older block still. */
  oldBlockShare: number;
  /** Share of requests that fail. */
  failShare: number;
  /** Share of calls that the contract seems to revert. */
  revertShare: number;
  delayMs: number;
  claimFate: ClaimFate;
}

export const GOOD_RPC: RpcBehaviour = { down: false, lagBlocks: 0, oldBlockShare: 0, failShare: 0, revertShare: 0, delayMs: 0, claimFate: 'taken' };

const LATENCY_MS = 20;
/** How much older than the head an old block is at most. */
const OLD_BLOCKS = 30;
const STATUS = { ACTIVE: 0, STOPPED: 1, FAILED: 2, UNKNOWN: 9, ENROLLED: 0, DEPRECATED: 1, REVOKED: 2, INACTIVE: 1 } as const;
const APP_STATUS = { ACTIVE: 0, INACTIVE: 1, REVOKED: 2, UNKNOWN: 9 } as const;
const NOBODY = `0x${'00'.repeat(20)}` as Wallet;
const ZERO_BYTES32: Hex = `0x${'00'.repeat(32)}`;

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

/** What a contract answers with: bytes, or an error's bytes. */
type CallResult = { readonly data: Hex } | { readonly reverted: Hex };

export interface RpcModules {
  readonly chain: SimChain;
  readonly timeline: Timeline;
  readonly owner: Owner;
  readonly random: SeededRandom;
  readonly onFault: (kind: string) => void;
  /** Answers known already, shared by all endpoints. */
  readonly answers: Map<string, CallResult>;
}

export class SimRpc {
  readonly behaviour: RpcBehaviour;
  readonly #modules: RpcModules;
  /** Waves of requests: how often one had to wait for another. For the cost of a node_tick. */
  waves = 0;
  #underWay = 0;

  /** @param behaviour may change while it runs */
  constructor(behaviour: RpcBehaviour, modules: RpcModules) {
    this.behaviour = behaviour;
    this.#modules = modules;
  }

  readonly fetch = async (_input: unknown, init?: { readonly body?: unknown }): Promise<Response> => {
    const { random, onFault } = this.#modules;
    const { behaviour } = this;
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
        return answerOf(random.chance(0.5) ? 503 : 200, { error: 'the backend is not there' });
      }
      const asked = JSON.parse(String(init?.body)) as Question | readonly Question[];
      const answered = Array.isArray(asked) ? (asked as readonly Question[]).map((question) => this.#answer(question)) : this.#answer(asked as Question);
      if (answered === null) throw new TypeError('fetch failed');
      return answerOf(200, answered);
    } finally {
      this.#underWay -= 1;
    }
  };

  /** Time on the way: it is the network's, so that a frozen node hears of it when it runs again. */
  #pass(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#modules.timeline.after(ms, this.#modules.owner, () => resolve(undefined));
    return promise;
  }

  #answer(question: Question): object | null {
    const result = this.#result(question.method, question.params ?? []);
    if (result === LOST) return null;
    return { jsonrpc: '2.0', id: question.id, ...(result) };
  }

  #result(method: string, params: readonly unknown[]): object | typeof LOST {
    const { chain } = this.#modules;
    switch (method) {
      case 'eth_chainId':
        return { result: numberToHex(CHAIN_ID) };
      case 'eth_blockNumber':
        return { result: numberToHex(this.#seenHead()) };
      case 'eth_getBlockByNumber':
        return { result: block(this.#blockOf(params[0])) };
      case 'eth_maxPriorityFeePerGas':
        return { result: numberToHex(TIP) };
      case 'eth_getCode':
        return { result: [NOVA_APP_REGISTRY, KMS_REGISTRY, MULTICALL3].includes(String(params[0]).toLowerCase()) ? '0x01' : '0x' };
      case 'eth_getTransactionCount':
        return { result: numberToHex(chain.nonceOf(String(params[0]).toLowerCase() as Wallet)) };
      case 'eth_getTransactionReceipt':
        return { result: receipt(chain, params[0] as Hash32) };
      case 'eth_sendRawTransaction':
        return this.#send(params[0] as Hex);
      case 'eth_call':
        return this.#call(params[0] as CallParams, params[1] as string | undefined);
      default:
        return { error: { code: -32_601, message: `the method ${method} is not there` } };
    }
  }

  #seenHead(): number {
    const { chain, random, onFault } = this.#modules;
    const { lagBlocks, oldBlockShare } = this.behaviour;
    if (lagBlocks > 0) onFault('chain lagging');
    if (random.chance(oldBlockShare)) {
      onFault('chain old block');
      return chain.head - random.between(1, OLD_BLOCKS);
    }
    return chain.head - lagBlocks;
  }

  /** @param tag a number in hex, or a word such as `latest` */
  #blockOf(tag: unknown): number {
    return typeof tag === 'string' && tag.startsWith('0x') ? Number(tag) : this.#seenHead();
  }

  #send(raw: Hex): object | typeof LOST {
    const { chain, onFault } = this.#modules;
    const { claimFate } = this.behaviour;
    if (claimFate !== 'taken') onFault(`claim ${claimFate}`);
    const { replaced } = chain;
    const refusal = chain.send(raw, claimFate);
    if (chain.replaced > replaced) onFault('claim replaced');
    if (refusal !== null) return { error: { code: -32_000, message: refusal } };
    return claimFate === 'answer lost' ? LOST : { result: `0x${'00'.repeat(32)}` };
  }

  #call({ to = '', data = '0x', from }: CallParams, tag: string | undefined): object {
    const { chain, random, onFault } = this.#modules;
    if (random.chance(this.behaviour.revertShare)) {
      onFault('chain reverting');
      return { error: { code: 3, message: 'execution reverted', data: '0x' } };
    }
    const at = this.#blockOf(tag);
    const result = this.#contract(chain.stateAt(at), to.toLowerCase(), data, from?.toLowerCase());
    return 'data' in result ? { result: result.data } : { error: { code: 3, message: 'execution reverted', data: result.reverted } };
  }

  #contract(state: ContractState, to: string, data: Hex, from: string | undefined): CallResult {
    const id = `${state.id} ${to} ${from ?? ''} ${data}`;
    const known = this.#modules.answers.get(id);
    if (known !== undefined) return known;
    const answer = to === MULTICALL3 ? this.#multicall(state, data) : to === KMS_REGISTRY ? kmsRegistry(state, data, from) : novaAppRegistry(state, data);
    if (this.#modules.answers.size >= MAX_ANSWERS) this.#modules.answers.clear();
    this.#modules.answers.set(id, answer);
    return answer;
  }

  #multicall(state: ContractState, data: Hex): CallResult {
    const { args } = decodeFunctionData({ abi: multicall3Abi, data });
    const calls = args[0] as readonly { readonly target: string; readonly callData: Hex }[];
    const results = calls.map(({ target, callData }) => {
      const result = this.#contract(state, target.toLowerCase(), callData, undefined);
      return 'data' in result ? { success: true, returnData: result.data } : { success: false, returnData: result.reverted };
    });
    return { data: encodeFunctionResult({ abi: multicall3Abi, functionName: 'aggregate3', result: results }) };
  }
}

const LOST = Symbol('the answer is lost');
/** Answers of contracts kept. */
const MAX_ANSWERS = 20_000;

/** As much of a Response as is read. */
function answerOf(status: number, body: unknown): Response {
  const text = JSON.stringify(body);
  const answer = {
    status,
    ok: status === 200,
    statusText: '',
    headers: new Headers({ 'content-type': 'application/json' }),
    text: async () => text,
    json: async () => JSON.parse(text) as unknown,
    arrayBuffer: async () => new TextEncoder().encode(text).buffer,
  };
  return answer as unknown as Response;
}

function block(number: number): object {
  return {
    number: numberToHex(number),
    hash: numberToHex(number, { size: 32 }),
    baseFeePerGas: numberToHex(BASE_FEE),
    timestamp: numberToHex(timeOfBlock(number) / 1000),
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

function kmsRegistry(state: ContractState, data: Hex, from: string | undefined): CallResult {
  const { functionName } = decodeFunctionData({ abi: kmsRegistryAbi, data });
  if (functionName === 'masterSecretHash') {
    return { data: encodeFunctionResult({ abi: kmsRegistryAbi, functionName, result: state.hash }) };
  }
  if (functionName === 'setMasterSecretHash') {
    const refusal = mayClaim(state, (from ?? NOBODY) as Wallet);
    return refusal === null ? { data: '0x' } : { reverted: encodeErrorResult({ abi: kmsRegistryAbi, errorName: refusal }) };
  }
  return { reverted: '0x' };
}

function novaAppRegistry(state: ContractState, data: Hex): CallResult {
  const abi = novaAppRegistryAbi;
  const call = decodeFunctionData({ abi, data });
  switch (call.functionName) {
    case 'getActiveInstances': {
      const [appId] = call.args;
      const active = [...state.instances.values()].filter((instance) => instance.appId === appId && instance.status === 'ACTIVE');
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result: active.map(({ wallet }) => wallet as Hex) }) };
    }
    case 'getInstanceByWallet': {
      const instance = state.instances.get(call.args[0].toLowerCase() as Wallet);
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result: rawInstance(instance) }) };
    }
    case 'getVersion': {
      const [appId, versionId] = call.args;
      const status = state.versions.get(`${appId}:${versionId}`);
      const result = {
        id: status === undefined ? 0n : versionId,
        versionName: 'v',
        codeMeasurement: ZERO_BYTES32,
        imageUri: '',
        auditUrl: '',
        auditHash: '',
        githubRunId: '',
        status: STATUS[status ?? 'UNKNOWN'],
        enrolledAt: 0n,
        enrolledBy: NOBODY as Hex,
      };
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result }) };
    }
    case 'getApp': {
      const [appId] = call.args;
      const status = state.apps.get(appId);
      const result = {
        id: status === undefined ? 0n : appId,
        owner: NOBODY as Hex,
        teeArch: ZERO_BYTES32,
        dappContract: NOBODY as Hex,
        metadataUri: '',
        latestVersionId: 1n,
        createdAt: 0n,
        status: APP_STATUS[status ?? 'UNKNOWN'],
        appWallet: NOBODY as Hex,
      };
      return { data: encodeFunctionResult({ abi, functionName: call.functionName, result }) };
    }
    case 'getInstance':
    case 'getInstancesForVersion':
      return { reverted: '0x' };
  }
}

function rawInstance(instance: SimInstance | undefined) {
  const teePubkey: Hex = `0x${instance?.teePubkey ?? ''}`;
  return {
    id: instance?.id ?? 0n,
    appId: instance?.appId ?? 0n,
    versionId: instance?.versionId ?? 0n,
    operator: NOBODY as Hex,
    instanceUrl: instance?.url ?? '',
    teePubkey,
    teeWalletAddress: (instance?.wallet ?? NOBODY) as Hex,
    zkVerified: instance?.zkVerified ?? false,
    status: instance === undefined ? 0 : STATUS[instance.status],
    registeredAt: 0n,
  };
}
