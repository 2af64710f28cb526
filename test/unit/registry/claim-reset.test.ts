/** A claim that was mined, and whose hash was reset before the next read of the head (protocol.md §10, A reset hash), on a real chain. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Hash32, Wallet } from '../../../src/domain/ids.ts';
import { ClaimSender } from '../../../src/registry/claim-sender.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { countingRpc, runningChain, type RunningChain } from '../../support/running-chain.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const HASH = `0x${'ab'.repeat(32)}` as Hash32;
const OTHER_HASH = `0x${'cd'.repeat(32)}` as Hash32;
const signal = new AbortController().signal;

let running: RunningChain;
let count = 0;

beforeAll(async () => {
  running = await runningChain();
});

afterAll(async () => {
  await running.close();
});

beforeEach(async () => {
  await running.chain.test.setAutomine(true);
  if ((await running.chain.masterSecretHash()) !== `0x${'0'.repeat(64)}`) await running.chain.resetMasterSecretHash();
});

/** A claim sender of a registered node that may claim. */
async function startSender() {
  count += 1;
  const enclave = inProcessEnclave(
    { info: 'capsule-ecdh-aes256gcm-v1' },
    { random: new SeededRandom(`claimer ${count}`), clock: new ManualClock() },
  );
  const wallet: Wallet = enclave.emulated.wallet;
  await running.chain.register({ url: `http://node-${count}.test`, teePubkey: enclave.emulated.teePubkey, wallet });
  await running.chain.fund(wallet);
  const { rpc } = countingRpc(running.url);
  return new ClaimSender({ kmsRegistry: running.chain.kmsRegistry, claimMaxTip: 50_000_000_000n }, { rpc, enclave, log: collectingLog(), leastHead: () => 0n, chainId: () => null });
}

/** Claims, and then waits until the claim is mined, because the chain answers before it mines. */
async function claimAndMine(sender: ClaimSender, hash: Hash32) {
  const sent = await sender.claim(hash, signal);
  if (sent.kind !== 'pending') throw new Error(`the claim was not sent: ${sent.kind}`);
  await running.chain.untilMined(sent.transactionHash);
  return sent;
}

test('a claim whose hash was reset is recognized from its receipt, and is not sent again', async () => {
  const sender = await startSender();
  const sent = await claimAndMine(sender, HASH);
  const before = await running.chain.claimsMined();
  await running.chain.resetMasterSecretHash();
  expect(await sender.claim(HASH, signal)).toEqual({ ...sent, kind: 'was_reset' });
  expect(await running.chain.claimsMined()).toBe(before);
});

test('a claim whose hash was reset does not affect the claim for another secret', async () => {
  const sender = await startSender();
  await claimAndMine(sender, HASH);
  await running.chain.resetMasterSecretHash();
  await claimAndMine(sender, OTHER_HASH);
  expect(await running.chain.masterSecretHash()).toBe(OTHER_HASH);
});

test('a claim that the chain reverted is not treated as reset, but is sent again', async () => {
  const [first, second] = [await startSender(), await startSender()];
  await running.chain.test.setAutomine(false);
  await first.claim(HASH, signal);
  await second.claim(OTHER_HASH, signal);
  await running.chain.mine(1);
  await running.chain.test.setAutomine(true);
  const shown = await running.chain.masterSecretHash();
  const [loser, lost] = shown === HASH ? [second, OTHER_HASH] : [first, HASH];
  await running.chain.resetMasterSecretHash();
  await claimAndMine(loser, lost);
  expect(await running.chain.masterSecretHash()).toBe(lost);
});

test('a claim whose hash was reset is recognized even if the node has sent a replacement for it', async () => {
  const sender = await startSender();
  await running.chain.test.setAutomine(false);
  const sent = await sender.claim(HASH, signal);
  const { transactionHash } = sent as { transactionHash: Hash32 };
  // The first transaction leaves the pool. After ten blocks the claim is stuck and is replaced. Then the first transaction is mined.
  const raw = await running.chain.client.request({ method: 'eth_getRawTransactionByHash' as never, params: [transactionHash] as never });
  await running.chain.test.dropTransaction({ hash: transactionHash });
  await running.chain.mine(10);
  const replacement = await sender.claim(HASH, signal);
  expect(replacement).toMatchObject({ kind: 'pending' });
  await running.chain.test.dropTransaction({ hash: (replacement as { transactionHash: Hash32 }).transactionHash });
  await running.chain.client.request({ method: 'eth_sendRawTransaction', params: [raw as `0x${string}`] });
  await running.chain.mine(1);
  await running.chain.test.setAutomine(true);
  expect(await running.chain.masterSecretHash()).toBe(HASH);
  await running.chain.resetMasterSecretHash();
  expect(await sender.claim(HASH, signal)).toEqual({ kind: 'was_reset', transactionHash });
});
