/**
 * The view of the chain that each node_tick reads (protocol.md §6, §9.10, §9.11, §9.18), on a real chain. The hint is the list of
 * instances at the head. It tells the reader early which instances it probably has to read at the pinned block.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { toFunctionSelector, type Hex } from 'viem';
import { INSTANCE_STATUS, KMS_APP_ID, VERSION_STATUS } from '../../../src/dev/dev-chain.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { ViewReader, type ViewReaderOptions } from '../../../src/registry/view-reader.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { countingRpc, installMulticall3, runningChain, type Mar, type RunningChain } from '../../support/running-chain.ts';

const CONFIRMATIONS = 6;
const signal = new AbortController().signal;
const TTL_MS = 180_000;
const KEY = 'ab'.repeat(120) as TeePubkey;

let running: RunningChain;
let snapshot: Hex;

beforeAll(async () => {
  running = await runningChain();
});

afterAll(async () => {
  await running.close();
});

beforeEach(async () => {
  snapshot = await running.chain.test.snapshot();
});

afterEach(async () => {
  await running.chain.test.revert({ id: snapshot });
});

function wallet(number: number): Wallet {
  return `0x${(0xa0_0000 + number).toString(16).padStart(40, '0')}` as Wallet;
}

async function register(number: number, more: Partial<Parameters<RunningChain['chain']['register']>[0]> = {}): Promise<Wallet> {
  await running.chain.register({ url: `http://node-${number}.test`, teePubkey: KEY, wallet: wallet(number), ...more });
  return wallet(number);
}

async function registerMany(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, number) => register(number)));
}

/** A reader that allows any clock skew, because the tests make blocks so fast that the times of the blocks are ahead of the clock. */
function start(options: Partial<ViewReaderOptions> = {}, mar?: Mar) {
  const counting = countingRpc(running.url, mar);
  const clock = new ManualClock();
  const reader = new ViewReader(
    {
      kmsAppId: KMS_APP_ID,
      inEnclave: false,
      confirmations: CONFIRMATIONS,
      maxClockSkewMs: Infinity,
      lastReadTtlMs: TTL_MS,
      novaAppRegistry: running.chain.novaAppRegistry,
      kmsRegistry: running.chain.kmsRegistry,
      ...options,
    },
    { rpc: counting.rpc, clock },
  );
  return { ...counting, reader, clock };
}

const settleChain = () => running.chain.mine(CONFIRMATIONS);

describe.each([
  ['without Multicall3', false],
  ['with Multicall3', true],
])('%s, the membership', (_, withMulticall) => {
  test.each([1, 10, 100])('is read in at most three round trips, as counted by the reader and by the RPC (number of instances: %i)', async (count) => {
    if (withMulticall) await installMulticall3(running);
    await registerMany(count);
    await settleChain();
    const { reader, trips, reset } = start();
    const view = await reader.readView(signal);
    expect(view.membership.members.map((member) => member.wallet).sort()).toEqual(Array.from({ length: count }, (__, number) => wallet(number)));
    expect(trips.counted).toBeLessThanOrEqual(3);
    expect(trips.waves).toBe(trips.counted);
    reset();
    await reader.readView(signal);
    expect(trips.counted).toBeLessThanOrEqual(3);
    expect(trips.waves).toBe(trips.counted);
  });

  test('drops only the bad entries, and lists each of them with its reason', async () => {
    if (withMulticall) await installMulticall3(running);
    const { chain } = running;
    await register(0);
    const revoked = await register(1, { versionId: 2 });
    await chain.setVersionStatus(KMS_APP_ID, 2, VERSION_STATUS.REVOKED);
    const deprecated = await register(2, { versionId: 3 });
    await chain.setVersionStatus(KMS_APP_ID, 3, VERSION_STATUS.DEPRECATED);
    const unverified = await register(3, { zkVerified: false });
    const withoutUrl = await register(4, { url: '' });
    const versionless = await register(5, { versionId: 77 });
    const oddStatus = await register(6, { versionId: 4 });
    await chain.setVersionStatus(KMS_APP_ID, 4, 200);
    const huge = await register(7, { url: `http://${'x'.repeat(30_000)}.test` });
    const keyless = await register(8, { teePubkey: '' as TeePubkey });
    const last = await register(9);
    await settleChain();
    const { membership } = await start().reader.readView(signal);
    expect(membership.members.map((member) => [member.wallet, member.versionStatus])).toEqual([
      [wallet(0), 'ENROLLED'],
      [deprecated, 'DEPRECATED'],
      [keyless, 'ENROLLED'],
      [last, 'ENROLLED'],
    ]);
    expect(membership.dropped).toEqual([
      { wallet: revoked, why: 'version is REVOKED' },
      { wallet: unverified, why: 'instance is not zkVerified' },
      { wallet: withoutUrl, why: 'URL is not valid' },
      { wallet: versionless, why: 'unknown version' },
      { wallet: oddStatus, why: 'version is UNKNOWN' },
      { wallet: huge, why: 'URL is too long' },
    ]);
  });
});

describe('all data is read at the same block, six blocks below the head:', () => {
  test('an instance that was registered after the pinned block is not a member yet', async () => {
    await register(0);
    await settleChain();
    await register(1);
    const { reader } = start();
    const view = await reader.readView(signal);
    expect(view.head - view.block).toBe(BigInt(CONFIRMATIONS));
    expect(view.membership.block).toBe(view.block);
    expect(view.membership.members.map((member) => member.wallet)).toEqual([wallet(0)]);
    await settleChain();
    expect((await reader.readView(signal)).membership.members).toHaveLength(2);
  });

  test('an instance that was stopped after the pinned block is still a member, although the head no longer lists it', async () => {
    await register(0);
    await settleChain();
    await running.chain.setInstanceStatus(wallet(0), INSTANCE_STATUS.STOPPED);
    const { reader } = start();
    expect((await reader.readView(signal)).membership.members).toHaveLength(1);
    await settleChain();
    expect((await reader.readView(signal)).membership).toMatchObject({ members: [], dropped: [] });
  });

  test('an instance that is missing from the hint needs no further round trip when an instance in the hint has the same version', async () => {
    await register(0);
    await register(1);
    await settleChain();
    await running.chain.setInstanceStatus(wallet(0), INSTANCE_STATUS.STOPPED);
    const { reader, trips } = start();
    expect((await reader.readView(signal)).membership.members).toHaveLength(2);
    expect(trips.counted).toBe(3);
  });

  test('an instance that was stopped since the previous read stays a member until the stop has enough confirmations', async () => {
    await register(0);
    await settleChain();
    const { reader } = start();
    await reader.readView(signal);
    await running.chain.setInstanceStatus(wallet(0), INSTANCE_STATUS.STOPPED);
    expect((await reader.readView(signal)).membership.members).toHaveLength(1);
    await settleChain();
    expect((await reader.readView(signal)).membership.members).toHaveLength(0);
  });

  test('the time of the view is the time of the pinned block', async () => {
    await settleChain();
    const view = await start().reader.readView(signal);
    const { timestamp } = await running.chain.client.getBlock({ blockNumber: view.block });
    expect(view.timestampMs).toBe(Number(timestamp) * 1000);
  });

  test('the hash in the view equals the hash that is read separately at the pinned block', async () => {
    await settleChain();
    const { reader } = start();
    const view = await reader.readView(signal);
    expect(view.hash).toEqual({ kind: 'read', hash: `0x${'0'.repeat(64)}` });
    expect(await reader.readHash(view.block, signal)).toEqual(view.hash);
  });
});

describe('the hint', () => {
  const isHint = ({ method, params }: Parameters<Mar>[0]): boolean => method === 'eth_call' && params[1] === 'latest';

  test('is requested again separately when its answer is lost, so no member is lost, and the read still takes three round trips', async () => {
    await register(0);
    await settleChain();
    let lost = 0;
    const { reader, trips } = start({}, (question) => (isHint(question) && (lost += 1) < 3 ? { result: null } : null));
    expect((await reader.readView(signal)).membership.members.map((member) => member.wallet)).toEqual([wallet(0)]);
    expect(trips.counted).toBe(3);
  });

  test('is empty when the contract refuses it, and the membership is still correct, because it comes from the pinned block', async () => {
    await register(0);
    await settleChain();
    const revert = { error: { code: 3, message: 'execution reverted', data: '0x12345678' } };
    const { reader } = start({}, (question) => (isHint(question) ? revert : null));
    expect((await reader.readView(signal)).membership).toMatchObject({ members: [{ wallet: wallet(0) }], dropped: [] });
  });
});

describe('the pinned block never becomes lower:', () => {
  /** A chain with a head and an id that the test can set. */
  function startShown() {
    const shown = { head: null as bigint | null, chainId: null as number | null };
    const hex = (value: bigint | number): object => ({ result: `0x${value.toString(16)}` });
    const started = start({}, ({ method }) => {
      // Each request reads its property of `shown` only once, because a test may replace the property with a getter that counts reads.
      const set = method === 'eth_blockNumber' ? shown.head : method === 'eth_chainId' ? shown.chainId : null;
      return set === null ? null : hex(set);
    });
    return { ...started, shown };
  }

  test('when a backend is a few blocks behind, the highest pinned block so far is read again', async () => {
    await register(0);
    await settleChain();
    const { reader, shown } = startShown();
    const first = await reader.readView(signal);
    shown.head = first.head - BigInt(CONFIRMATIONS);
    expect(await reader.readView(signal)).toEqual({ ...first, head: shown.head });
  });

  test('a head that is too low makes the read fail with a reason that says so, because otherwise a stopped instance would become a member again', async () => {
    await register(0);
    await settleChain();
    const { reader, shown } = startShown();
    const before = await reader.readView(signal);
    await running.chain.setInstanceStatus(wallet(0), INSTANCE_STATUS.STOPPED);
    await settleChain();
    expect((await reader.readView(signal)).membership.members).toEqual([]);
    shown.head = before.head - 1n;
    await expect(reader.readView(signal)).rejects.toThrow(/^the chain RPC at 127\.0\.0\.1:\d+ shows a head that is \d+ blocks behind one that it showed before/);
  });

  test('if only one of two backends shows a lower head, the head is requested again', async () => {
    await register(0);
    await settleChain();
    const { reader, shown } = startShown();
    const { block, head } = await reader.readView(signal);
    let asked = 0;
    Object.defineProperty(shown, 'head', { get: () => ((asked += 1) % 2 === 1 ? 0n : head) });
    expect((await reader.readView(signal)).block).toBe(block);
    expect(asked).toBe(2);
  });

  test('a read from backends of two chains fails, and its head is not remembered', async () => {
    await settleChain();
    const { reader, shown } = startShown();
    let asked = 0;
    // The second request for the chain ID reaches the other chain.
    Object.defineProperty(shown, 'chainId', { get: () => ((asked += 1) === 2 ? 1 : null) });
    await expect(reader.readView(signal)).rejects.toThrow('reports the chain ID 31337 in one answer and 1 in the next: its backends belong to different chains');
    expect(reader.highestBlock).toBe(0n);
    expect((await reader.readView(signal)).block).toBe(reader.highestBlock);
  });

  test('versions from another chain also make the read fail, because a version that is revoked on this chain may be enrolled on the other', async () => {
    await register(0);
    await settleChain();
    const { reader, shown } = startShown();
    let asked = 0;
    // The RPC changes its chain before the third round trip.
    Object.defineProperty(shown, 'chainId', { get: () => ((asked += 1) > 2 ? 1 : null) });
    await expect(reader.readView(signal)).rejects.toThrow('reports the chain ID 31337 in one answer and 1 in the next');
    expect(reader.highestBlock).toBe(0n);
  });

  test('a chain ID that differs from the first chain ID makes the read fail', async () => {
    await settleChain();
    const { reader, shown } = startShown();
    await reader.readView(signal);
    shown.chainId = 1;
    await expect(reader.readView(signal)).rejects.toThrow('reports the chain ID 1, not 31337');
  });
});

test('a block whose time is too far ahead of the clock makes the read fail with a reason that mentions the clock', async () => {
  await settleChain();
  const { reader } = start({ maxClockSkewMs: 15_000 });
  await running.chain.test.setNextBlockTimestamp({ timestamp: BigInt(2_000_000_000) });
  await settleChain();
  await running.chain.mine(1);
  await expect(reader.readView(signal)).rejects.toMatchObject({ failure: 'malformed', message: expect.stringMatching(/ahead of this node's clock/) as unknown });
});

describe('an entry that cannot be read', () => {
  const SELECTORS = { instance: toFunctionSelector('getInstanceByWallet(address)'), version: toFunctionSelector('getVersion(uint256,uint256)') };

  /** A reader that gets an empty answer to each call with the selector and text in `bad`, and to each multicall with that selector. */
  function startWith() {
    const bad = { selector: '', text: '' };
    const started = start({}, ({ method, params }) => {
      const { data = '' } = method === 'eth_call' ? (params[0] as { data?: string }) : {};
      if (bad.selector === '' || !data.includes(bad.selector.slice(2))) return null;
      // After an empty answer to a multicall, the reader requests each view separately.
      const isAlone = data.startsWith(bad.selector);
      return !isAlone || data.includes(bad.text) ? { result: '0x' } : null;
    });
    return { ...started, bad };
  }

  test.each(['instance', 'version'] as const)('does not remove its member from the membership for PEER_CACHE_TTL_SECONDS: the member is kept as it was last read, and is marked (%s)', async (kind) => {
    await register(0);
    await register(1, { versionId: 2 });
    await running.chain.setVersionStatus(KMS_APP_ID, 2, VERSION_STATUS.ENROLLED);
    await settleChain();
    const { reader, bad, clock } = startWith();
    const before = await reader.readView(signal);
    expect(before.membership.members).toHaveLength(2);
    Object.assign(bad, { selector: SELECTORS[kind], text: kind === 'instance' ? wallet(1).slice(2) : '2'.padStart(64, '0') });
    await clock.advance(TTL_MS);
    const [kept, marked] = before.membership.members;
    expect((await reader.readView(signal)).membership.members).toEqual([kept, { ...marked, asLastRead: true }]);
    await clock.advance(1_001);
    expect((await reader.readView(signal)).membership).toMatchObject({ members: [kept], dropped: [{ wallet: wallet(1), why: `${kind} cannot be read` }] });
    bad.selector = '';
    expect((await reader.readView(signal)).membership.members).toEqual([kept, marked]);
  });

  test.each(['instance', 'version'] as const)('makes the read fail if no member has a readable entry (%s)', async (kind) => {
    await registerMany(3);
    await settleChain();
    const { reader, bad } = startWith();
    await reader.readView(signal);
    Object.assign(bad, { selector: SELECTORS[kind], text: '' });
    await expect(reader.readView(signal)).rejects.toMatchObject({ failure: 'malformed', message: expect.stringContaining(`returns no ${kind} of any member`) as unknown });
  });
});

describe('contracts that cannot be read:', () => {
  test('when KMSRegistry was deployed after the pinned block, the hash is reported as shallow, and the membership is still read', async () => {
    await register(0);
    await settleChain();
    const kmsRegistry = `0x${'c0'.repeat(20)}` as Wallet;
    const code = await running.chain.client.getCode({ address: running.chain.kmsRegistry as Hex });
    // This address has code at the head, but not at the pinned block.
    const { reader } = start({ kmsRegistry }, ({ method, params }) =>
      method === 'eth_getCode' && params[0] === kmsRegistry && params[1] === 'latest' ? { result: code } : null,
    );
    const view = await reader.readView(signal);
    expect(view.hash).toEqual({ kind: 'shallow' });
    expect(view.membership.members).toHaveLength(1);
  });

  test('if KMSRegistry is missing, the hash is reported as unreadable, and never as zero', async () => {
    await settleChain();
    const { reader } = start({ kmsRegistry: `0x${'c0'.repeat(20)}` as Wallet });
    expect((await reader.readView(signal)).hash).toEqual({ kind: 'unreadable', detail: 'there is no KMSRegistry at its address' });
  });

  test('if another contract is at the address of KMSRegistry, the hash is reported as unreadable', async () => {
    await settleChain();
    const { reader } = start({ kmsRegistry: running.chain.novaAppRegistry });
    expect((await reader.readView(signal)).hash).toEqual({ kind: 'unreadable', detail: 'the call failed: reverted' });
  });

  test.each<[string, () => Wallet]>([
    ['a missing NovaAppRegistry', () => `0x${'c0'.repeat(20)}` as Wallet],
    ['another contract instead of NovaAppRegistry', () => running.chain.kmsRegistry],
  ])('%s makes the refresh fail, and is never treated as an empty list (§9.18)', async (_, address) => {
    await settleChain();
    const { reader } = start({ novaAppRegistry: address() });
    await expect(reader.readView(signal)).rejects.toMatchObject({ dependency: 'chain', failure: 'malformed' });
  });

  test('a NovaAppRegistry that was deployed after the pinned block makes the refresh fail with a reason that says so', async () => {
    const head = Number(await running.chain.client.getBlockNumber({ cacheTime: 0 }));
    const { reader } = start({ confirmations: head });
    await expect(reader.readView(signal)).rejects.toThrow('NovaAppRegistry was deployed too recently: its deployment does not have enough confirmations yet');
  });

  test('a chain that has fewer blocks than the number of confirmations makes the refresh fail', async () => {
    const { reader } = start({ confirmations: 1_000_000 });
    await expect(reader.readView(signal)).rejects.toThrow('shows a chain that is younger than 1000000 blocks');
  });

  test('an RPC that cannot be reached makes the refresh fail', async () => {
    const { rpc } = countingRpc('http://127.0.0.1:1');
    const { chain } = running;
    const options = { kmsAppId: 49, inEnclave: false, confirmations: 6, novaAppRegistry: chain.novaAppRegistry, kmsRegistry: chain.kmsRegistry, maxClockSkewMs: 0, lastReadTtlMs: 0 };
    await expect(new ViewReader(options, { rpc, clock: new ManualClock() }).readView(signal)).rejects.toMatchObject({ dependency: 'chain', failure: 'unreachable' });
  });
});

describe('in an enclave', () => {
  test('members with http URLs are dropped, and members with https URLs are kept', async () => {
    await register(0);
    await register(1, { url: 'https://node-1.test' });
    await settleChain();
    const { membership } = await start({ inEnclave: true }).reader.readView(signal);
    expect(membership.members.map((member) => member.wallet)).toEqual([wallet(1)]);
    expect(membership.dropped).toEqual([{ wallet: wallet(0), why: 'URL is not https' }]);
  });
});
