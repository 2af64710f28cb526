/** Claiming the hash (protocol.md §1, §6, §9.20; §10, A reset hash), with a scripted RPC. */
import { describe, expect, test } from '@jest/globals';
import { encodeErrorResult, keccak256, parseTransaction, type Hex } from 'viem';
import type { Hash32, Wallet } from '../../../src/domain/ids.ts';
import type { ClaimReport } from '../../../src/domain/membership.ts';
import { kmsRegistryAbi } from '../../../src/registry/abi.ts';
import { claimCalldata, ClaimSender } from '../../../src/registry/claim-sender.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { Rpc } from '../../../src/registry/rpc.ts';
import { systemClock } from '../../../src/system/system.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { hastyClock } from '../../support/hasty-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const ZERO = `0x${'0'.repeat(64)}`;
const HASH = `0x${'ab'.repeat(32)}` as Hash32;
const OTHER_HASH = `0x${'cd'.repeat(32)}` as Hash32;
const KMS = `0x${'6a'.repeat(20)}` as Wallet;
const signal = new AbortController().signal;

interface RpcFault {
  readonly code: number;
  readonly message?: string;
  readonly data?: Hex;
}

/** `lost`: the connection breaks, and no answer arrives. */
type Saying = { readonly result: unknown } | { readonly error: RpcFault } | 'lost';

interface Receipt {
  readonly status: 'success' | 'reverted';
}

function startChain() {
  const state = {
    headHash: ZERO,
    head: 100n,
    leastHead: 94n,
    chainId: 84_532,
    nonce: 7,
    baseFee: 1_000_000n,
    tip: 2_000_000n,
    /** The error with which the simulation reverts. */
    revert: null as string | null,
    /** The answers to raw transactions, in order. The last answer is repeated. */
    sayings: [{ result: HASH }] as Saying[],
    receipts: new Map<string, Receipt>(),
    onSend: (): void => undefined,
  };
  const sent: Hex[] = [];
  const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
  const say = (method: string, params: readonly unknown[]): Saying => {
    switch (method) {
      case 'eth_call': {
        const { data } = params[0] as { data: Hex };
        if (!data.startsWith(claimCalldata(HASH).slice(0, 10))) return { result: state.headHash };
        if (state.revert === null) return { result: '0x' };
        const abi = kmsRegistryAbi;
        return { error: { code: 3, message: 'execution reverted', data: encodeErrorResult({ abi, errorName: state.revert as 'NotOwner' }) } };
      }
      case 'eth_getBlockByNumber':
        return { result: { number: hex(state.head), baseFeePerGas: hex(state.baseFee), transactions: [], timestamp: hex(1), hash: ZERO } };
      case 'eth_getTransactionCount':
        return { result: hex(state.nonce) };
      case 'eth_maxPriorityFeePerGas':
        return { result: hex(state.tip) };
      case 'eth_chainId':
        return { result: hex(state.chainId) };
      case 'eth_getTransactionReceipt': {
        const receipt = state.receipts.get(params[0] as string);
        const status = receipt?.status === 'success' ? '0x1' : '0x0';
        return { result: receipt === undefined ? null : { transactionHash: params[0], status, logs: [], blockNumber: '0x1', transactionIndex: '0x0' } };
      }
      case 'eth_sendRawTransaction': {
        sent.push(params[0] as Hex);
        state.onSend();
        return state.sayings.length > 1 ? state.sayings.shift()! : state.sayings[0]!;
      }
      default:
        throw new Error(`this test expects no call of ${method}`);
    }
  };
  const speaking: typeof globalThis.fetch = async (_, init) => {
    const { id, method, params } = JSON.parse(init?.body as string) as { id: number; method: string; params: unknown[] };
    const said = say(method, params);
    if (said === 'lost') throw new TypeError('fetch failed');
    return new Response(JSON.stringify({ jsonrpc: '2.0', id, ...said }), { headers: { 'content-type': 'application/json' } });
  };
  const log = collectingLog();
  const enclaves = ['claimer', 'booted again'].map((seed) =>
    inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom(seed), clock: systemClock }),
  );
  let current: Enclave = enclaves[0]!;
  const enclave: Pick<Enclave, 'address' | 'signTransaction'> = {
    address: (given) => current.address(given),
    signTransaction: (transaction, given) => current.signTransaction(transaction, given),
  };
  const rpc = new Rpc({ url: 'http://rpc.test' }, { clock: hastyClock().clock, fetch: speaking });
  const options = { kmsRegistry: KMS, claimMaxTip: 50_000_000_000n };
  const sender = new ClaimSender(options, { rpc, enclave, log, leastHead: () => state.leastHead, chainId: () => 84_532 });
  /** Every transaction that was sent, without repetitions. */
  const transactions = () => [...new Set(sent)].map((raw) => parseTransaction(raw as `0x02${string}`));
  const lastSent = () => parseTransaction(sent.at(-1) as `0x02${string}`);
  const takeOtherWallet = (): void => void (current = enclaves[1]!);
  return { state, sender, log, transactions, lastSent, takeOtherWallet, lastHash: () => keccak256(sent.at(-1)!) as string, claim: (hash = HASH) => sender.claim(hash, signal) };
}

const refusing = (message: string, code = -32_000): Saying => ({ error: { code, message } });
const pending = (transactionHash: string): ClaimReport => ({ kind: 'pending', transactionHash: transactionHash as Hash32 });

describe('a claim', () => {
  test('is an EIP-1559 transaction with gas limit 300000 and a maximum fee equal to the tip plus twice the base fee', async () => {
    const { claim, transactions, lastHash } = startChain();
    expect(await claim()).toEqual(pending(lastHash()));
    expect(transactions()).toEqual([
      expect.objectContaining({
        type: 'eip1559',
        chainId: 84_532,
        nonce: 7,
        gas: 300_000n,
        maxFeePerGas: 4_000_000n,
        maxPriorityFeePerGas: 2_000_000n,
        to: KMS,
        data: claimCalldata(HASH),
      }),
    ]);
  });

  test.each([HASH, OTHER_HASH])('is not sent when the head already shows a hash', async (shown) => {
    const { state, claim, transactions } = startChain();
    state.headHash = shown;
    expect(await claim()).toEqual({ kind: 'head_shows', hash: shown });
    expect(transactions()).toEqual([]);
  });

  test.each(['MasterSecretHashAlreadySet', 'NotAuthorizedToSetHash'])('that would revert with %s is not sent but refused with that reason', async (errorName) => {
    const { state, claim, transactions } = startChain();
    state.revert = errorName;
    expect(await claim()).toEqual({ kind: 'refused', detail: errorName });
    expect(transactions()).toEqual([]);
  });

  test('that waits in the pool is not changed until it is stuck, and is then replaced with raised fees', async () => {
    const { state, claim, transactions, lastHash } = startChain();
    await claim();
    const first = lastHash();
    state.head += 9n;
    expect(await claim()).toEqual(pending(first));
    expect(transactions()).toHaveLength(1);
    state.head += 1n;
    expect(await claim()).toEqual(pending(lastHash()));
    expect(transactions()[1]).toMatchObject({ nonce: 7, maxFeePerGas: 4_500_001n, maxPriorityFeePerGas: 2_250_001n });
  });

  test('from a new wallet neither waits for the transaction of the old wallet nor replaces it', async () => {
    const { state, claim, transactions, takeOtherWallet } = startChain();
    await claim();
    takeOtherWallet();
    state.nonce = 0;
    await claim();
    expect(transactions().map(({ nonce }) => nonce ?? 0)).toEqual([7, 0]);
    expect(transactions()[1]).toMatchObject({ maxFeePerGas: 4_000_000n, maxPriorityFeePerGas: 2_000_000n });
  });

  test('that the old wallet sent, and whose hash was reset, is never sent again by the new wallet', async () => {
    const { state, claim, lastHash, takeOtherWallet } = startChain();
    await claim();
    state.receipts.set(lastHash(), { status: 'success' });
    takeOtherWallet();
    state.nonce = 0;
    expect(await claim()).toEqual({ kind: 'was_reset', transactionHash: lastHash() });
  });

  test('that is mined while it is being replaced is not sent again with the next nonce', async () => {
    const { state, claim, transactions } = startChain();
    await claim();
    state.head += 10n;
    state.sayings = [refusing('nonce too low'), { result: HASH }];
    state.onSend = () => {
      state.nonce = 8;
      state.headHash = HASH;
    };
    expect(await claim()).toEqual({ kind: 'head_shows', hash: HASH });
    expect(transactions().map(({ nonce }) => nonce)).toEqual([7, 7]);
  });

  test('for another hash does not wait for the previous claim', async () => {
    const { claim, transactions } = startChain();
    await claim();
    await claim(OTHER_HASH);
    expect(transactions().map(({ data }) => data)).toEqual([claimCalldata(HASH), claimCalldata(OTHER_HASH)]);
  });
});

describe("when the RPC's answer to a transaction is", () => {
  test.each([
    ['replacement transaction underpriced', -32_000],
    ['transaction underpriced', -32_000],
    ['max fee per gas less than block base fee', -32_000],
    ['replacement transaction underpriced', -32_003],
  ])('"%s", the claim is sent again with the same nonce and both fees raised', async (message, code) => {
    const { state, claim, transactions, lastHash } = startChain();
    state.sayings = [refusing(message, code), { result: HASH }];
    expect(await claim()).toEqual(pending(lastHash()));
    expect(transactions().map(({ nonce, maxFeePerGas }) => [nonce, maxFeePerGas])).toEqual([[7, 4_000_000n], [7, 4_500_001n]]);
  });

  test.each(['nonce too low', 'nonce too low: next nonce 8, tx nonce 7'])('"%s", the claim is sent again with the current nonce', async (message) => {
    const { state, claim, transactions } = startChain();
    state.sayings = [refusing(message), { result: HASH }];
    state.onSend = () => (state.nonce = 8);
    expect((await claim()).kind).toBe('pending');
    expect(transactions().map(({ nonce }) => nonce)).toEqual([7, 8]);
  });

  test.each(['already known', 'transaction already imported', 'known transaction: abc'])('"%s", the claim is pending', async (message) => {
    const { state, claim, transactions, lastHash } = startChain();
    state.sayings = [refusing(message)];
    expect(await claim()).toEqual(pending(lastHash()));
    expect(transactions()).toHaveLength(1);
  });

  test('lost, the node waits, because the claim may be pending', async () => {
    const { state, claim, transactions, lastHash } = startChain();
    state.sayings = ['lost'];
    expect(await claim()).toEqual(pending(lastHash()));
    state.head += 3n;
    expect(await claim()).toEqual(pending(lastHash()));
    expect(transactions()).toHaveLength(1);
  });

  test.each<[Saying, string, number]>([
    [refusing('transaction underpriced'), 'the claim is underpriced', 6],
    [refusing('insufficient funds for gas * price + value'), 'the wallet cannot pay for the claim', 1],
    [refusing('secret internal trouble'), 'the RPC did not accept the claim', 1],
    [{ error: { code: -32_000 } }, 'the RPC did not accept the claim', 1],
  ])('%j each time, the claim is refused with a reason that does not quote the RPC, and is sent again at the next tick', async (saying, detail, sends) => {
    const { state, claim, transactions, log } = startChain();
    state.sayings = [saying];
    expect(await claim()).toEqual({ kind: 'refused', detail });
    expect(transactions()).toHaveLength(sends);
    expect(JSON.stringify(log.lines)).not.toContain('secret internal');
    state.sayings = [{ result: HASH }];
    expect((await claim()).kind).toBe('pending');
  });
});

describe('a claim that is refused because of its price', () => {
  test('keeps its nonce, and gets a tip that is at least an eighth higher with each new attempt, even in later ticks, until the RPC accepts it', async () => {
    const { state, claim, transactions } = startChain();
    state.sayings = [refusing('could not replace existing tx')];
    for (let tick = 0; tick < 3; tick += 1) expect((await claim()).kind).toBe('refused');
    state.sayings = [{ result: HASH }];
    expect((await claim()).kind).toBe('pending');
    const tips = transactions().map(({ maxPriorityFeePerGas }) => maxPriorityFeePerGas!);
    expect(tips).toHaveLength(19);
    tips.slice(1).forEach((tip, at) => expect(tip * 8n).toBeGreaterThanOrEqual(tips[at]! * 9n));
    expect(new Set(transactions().map(({ nonce }) => nonce))).toEqual(new Set([7]));
  });

  test('keeps its nonce when it replaces the transaction that an earlier process left in the pool', async () => {
    const { state, claim, transactions, lastHash } = startChain();
    const left = 1_000_000_000n;
    state.sayings = [{ result: HASH }];
    state.onSend = () => {
      const { maxPriorityFeePerGas = 0n } = transactions().at(-1)!;
      state.sayings = [maxPriorityFeePerGas * 10n >= left * 11n ? { result: HASH } : refusing('replacement transaction underpriced')];
    };
    let report = await claim();
    for (let tick = 0; tick < 20 && report.kind === 'refused'; tick += 1) report = await claim();
    expect(report).toEqual(pending(lastHash()));
    expect(transactions().at(-1)!.nonce).toBe(7);
  });

  test('never exceeds the cap, fails with a reason that mentions the cap, and then starts again with fresh fees', async () => {
    const { state, claim, transactions, lastSent, lastHash } = startChain();
    state.sayings = [refusing('transaction underpriced')];
    let report = await claim();
    for (let tick = 0; tick < 200 && !JSON.stringify(report).includes('CLAIM_MAX_TIP_GWEI'); tick += 1) report = await claim();
    expect(report).toEqual({ kind: 'refused', detail: 'a claim that miners would include needs a higher tip than CLAIM_MAX_TIP_GWEI, or more than 0.05 ether in all' });
    const [first] = transactions();
    // The pool has dropped the transaction that had to be replaced.
    state.sayings = [{ result: HASH }];
    expect(await claim()).toEqual(pending(lastHash()));
    expect(lastSent()).toEqual(first);
    for (const { maxPriorityFeePerGas, maxFeePerGas } of transactions()) {
      expect(maxPriorityFeePerGas).toBeLessThanOrEqual(50_000_000_000n);
      expect(maxFeePerGas! * 300_000n).toBeLessThanOrEqual(50_000_000_000_000_000n);
    }
  });

  test('does not pay an absurd tip that the RPC suggests', async () => {
    const { state, claim, transactions } = startChain();
    state.tip = 10n ** 17n;
    await claim();
    expect(transactions()[0]!.maxPriorityFeePerGas).toBe(50_000_000_000n);
  });
});

test('a claim is not sent while the head is older than the block of an earlier view', async () => {
  const { state, claim, transactions } = startChain();
  state.leastHead = 101n;
  expect(await claim()).toEqual({ kind: 'refused', detail: 'the RPC shows an older block than before' });
  expect(transactions()).toEqual([]);
});

test('a claim is signed only for the chain of the last view, even after a backend of another chain has answered', async () => {
  const { state, claim, transactions } = startChain();
  state.chainId = 1;
  await expect(claim()).rejects.toMatchObject({ dependency: 'chain', message: 'the RPC reports the chain ID 1, not 84532' });
  expect(transactions()).toEqual([]);
  state.chainId = 84_532;
  expect((await claim()).kind).toBe('pending');
  expect(transactions().map(({ chainId }) => chainId)).toEqual([84_532]);
});

describe('a claim that was mined', () => {
  test('and reverted is sent again with the next nonce', async () => {
    const { state, claim, transactions, lastHash } = startChain();
    await claim();
    state.receipts.set(lastHash(), { status: 'reverted' });
    state.nonce = 8;
    expect((await claim()).kind).toBe('pending');
    expect(transactions().map(({ nonce }) => nonce)).toEqual([7, 8]);
  });

  test('is treated as successful only if its receipt shows success', async () => {
    const { state, sender, claim, lastHash } = startChain();
    expect(await sender.hasClaimed(HASH, signal)).toBe(false);
    await claim();
    expect(await sender.hasClaimed(HASH, signal)).toBe(false);
    state.receipts.set(lastHash(), { status: 'reverted' });
    expect(await sender.hasClaimed(HASH, signal)).toBe(false);
    state.receipts.set(lastHash(), { status: 'success' });
    expect(await sender.hasClaimed(HASH, signal)).toBe(true);
    expect(await sender.hasClaimed(OTHER_HASH, signal)).toBe(false);
  });

  test('and whose hash is no longer at the head is treated as reset, and is never sent again', async () => {
    const { state, claim, transactions, lastHash } = startChain();
    await claim();
    state.receipts.set(lastHash(), { status: 'success' });
    state.nonce = 8;
    expect(await claim()).toEqual({ kind: 'was_reset', transactionHash: lastHash() });
    expect(transactions()).toHaveLength(1);
  });
});

describe('the hash at the head', () => {
  test('is never treated as zero if it cannot be read, because an unreadable hash is a failure of the chain', async () => {
    const { state, sender, claim, transactions } = startChain();
    state.headHash = '0x';
    await expect(sender.readHeadHash(signal)).rejects.toMatchObject({ dependency: 'chain', failure: 'malformed' });
    await expect(claim()).rejects.toMatchObject({ dependency: 'chain' });
    expect(transactions()).toEqual([]);
  });
});
