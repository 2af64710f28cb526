/**
 * Random answers of an RPC: a read must return a view whose parts have the correct form, or fail with an expected error. A claim must
 * return a report or fail with an expected error.
 */
import fc from 'fast-check';
import type { Hash32, Wallet } from '../../src/domain/ids.ts';
import { createAppReader } from '../../src/registry/app-reader.ts';
import { ClaimSender } from '../../src/registry/claim-sender.ts';
import { Rpc } from '../../src/registry/rpc.ts';
import { ViewReader } from '../../src/registry/view-reader.ts';
import { collectingLog } from '../../test/support/collecting-log.ts';
import { expected } from './expected.ts';
import { anyJson, jsonOf, tears, torn } from './hostile.ts';
import { InstantClock } from './instant-clock.ts';
import { caller } from './node-under-test.ts';
import { target } from './target.ts';

const REGISTRY = `0x${'01'.repeat(20)}` as Wallet;
const KMS = `0x${'02'.repeat(20)}` as Wallet;
const word = (value: number | string): string => (typeof value === 'number' ? value.toString(16) : value).padStart(64, '0');
const WORDS = [word(0), word(1), word(32), word(64), word(320), word('ff'.repeat(32)), word('ab'.repeat(20)), 'ff'.repeat(32)];
const hexWords = fc.array(fc.constantFrom(...WORDS), { maxLength: 40 }).map((words) => `0x${words.join('')}`);
/** The block that is read: six blocks below the head. */
const BLOCK = { number: '0xfa', hash: `0x${'00'.repeat(32)}`, timestamp: '0x6ab13b80', baseFeePerGas: '0x3b9aca00', transactions: [] };

/** The valid answers of an RPC to these methods. */
const GOOD: Readonly<Record<string, unknown>> = {
  eth_blockNumber: '0x100',
  eth_getBlockByNumber: BLOCK,
  eth_chainId: '0x14a34',
  eth_getTransactionCount: '0x7',
  eth_maxPriorityFeePerGas: '0x1',
  eth_getTransactionReceipt: null,
  eth_sendRawTransaction: `0x${'ab'.repeat(32)}`,
  eth_getCode: '0x',
};

const error = fc.record({ code: fc.constantFrom<unknown>(3, -32_000, -32_005, -32_601, 429, 'x', null), message: fc.oneof(fc.string(), anyJson), data: fc.oneof(hexWords, anyJson) });

const answer = fc.oneof(
  { weight: 8, arbitrary: fc.constant('good' as const) },
  { weight: 6, arbitrary: hexWords.map((result) => ({ result })) },
  { weight: 2, arbitrary: anyJson.map((result) => ({ result })) },
  { weight: 2, arbitrary: error.map((each) => ({ error: each })) },
  { weight: 1, arbitrary: anyJson.map((whole) => ({ whole })) },
);

const cases = fc.record({
  work: fc.constantFrom('view', 'app', 'claim', 'head hash', 'hash'),
  answers: fc.array(answer, { minLength: 1, maxLength: 12 }),
  status: fc.oneof({ weight: 12, arbitrary: fc.constant(200) }, fc.constantFrom(204, 301, 400, 401, 404, 413, 429, 500, 502, 503)),
  tears: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, tears),
  headers: fc.oneof({ weight: 8, arbitrary: fc.constant({}) }, fc.record({ 'retry-after': fc.constantFrom('0', '1', '-1', '1e9', 'soon', 'Wed, 21 Oct 2026 07:28:00 GMT') })),
});

export const rpcAnswers = target({
  name: 'rpc-answers',
  cases,
  batch: 100,
  async start() {
    return {
      async check({ work, answers, status, tears: rips, headers }) {
        let count = 0;
        const fetch: typeof globalThis.fetch = async (_, init) => {
          const asked = JSON.parse(init?.body as string) as { id: number; method: string } | readonly { id: number; method: string }[];
          const say = ({ id, method }: { id: number; method: string }): unknown => {
            const given = answers[count++ % answers.length]!;
            if (given === 'good') return { jsonrpc: '2.0', id, result: GOOD[method] ?? `0x${word(0)}` };
            return 'whole' in given ? given.whole : { jsonrpc: '2.0', id, ...given };
          };
          const text = jsonOf(Array.isArray(asked) ? asked.map(say) : say(asked as { id: number; method: string }));
          const hasBody = status !== 204;
          return new Response(hasBody ? torn(Buffer.from(text), rips) : null, { status, headers: { 'content-type': 'application/json', ...headers } });
        };
        const clock = new InstantClock();
        const rpc = new Rpc({ url: 'http://rpc.test' }, { clock, fetch });
        const { signal } = new AbortController();
        const viewReader = new ViewReader({ kmsAppId: 49, inEnclave: true, confirmations: 6, novaAppRegistry: REGISTRY, kmsRegistry: KMS, maxClockSkewMs: Infinity, lastReadTtlMs: 180_000 }, { rpc, clock });
        const sender = new ClaimSender({ kmsRegistry: KMS, claimMaxTip: 50_000_000_000n }, { rpc, enclave: caller, log: collectingLog(), leastHead: () => 0n, chainId: () => null });
        if (work === 'view') {
          const view = await expected(work, () => viewReader.readView(signal));
          const wallets = view?.membership.members.map(({ wallet }) => wallet) ?? [];
          if (new Set(wallets).size !== wallets.length) throw new Error('a member occurs twice');
          if (!wallets.every((wallet) => /^0x[0-9a-f]{40}$/.test(wallet))) throw new Error('a member without a wallet');
        } else if (work === 'app') await expected(work, () => createAppReader({ novaAppRegistry: REGISTRY }, { rpc }).read(KMS, signal));
        else if (work === 'claim') await expected(work, () => sender.claim(`0x${'ab'.repeat(32)}` as Hash32, signal));
        else if (work === 'head hash') await expected(work, () => sender.readHeadHash(signal));
        else await expected(work, () => viewReader.readHash(5n, signal));
      },
      close: async () => undefined,
    };
  },
});
