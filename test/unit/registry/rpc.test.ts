/** Reads of many views in one round trip (protocol.md §6), on a real chain, with and without Multicall3. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAbi, type Abi, type Hex } from 'viem';
import type { Wallet } from '../../../src/domain/ids.ts';
import { createAppReader } from '../../../src/registry/app-reader.ts';
import { kmsRegistryAbi } from '../../../src/registry/abi.ts';
import { Rpc } from '../../../src/registry/rpc.ts';
import type { ViewCall, ViewResult } from '../../../src/registry/view-call.ts';
import { MULTICALL3 } from '../../../src/registry/views.ts';
import { systemClock } from '../../../src/system/system.ts';
import { KMS_APP_ID } from '../../../src/dev/dev-chain.ts';
import { countingRpc, installMulticall3, runningChain, type RunningChain } from '../../support/running-chain.ts';
import { hastyClock } from '../../support/hasty-clock.ts';
import { scriptedServer } from '../../support/scripted-server.ts';

const signal = new AbortController().signal;
const APP = `0x${'a1'.repeat(20)}` as Wallet;

let running: RunningChain;
let block: bigint;

beforeAll(async () => {
  running = await runningChain();
  await running.chain.createApp(100);
  await running.chain.register({ appId: 100, url: 'http://app.test', teePubkey: 'aabb' as never, wallet: APP });
  block = await running.chain.client.getBlockNumber({ cacheTime: 0 });
});

afterAll(async () => {
  await running.close();
});

function kms(functionName: string, args: readonly unknown[] = [], abi: Abi = kmsRegistryAbi): ViewCall {
  return { address: running.chain.kmsRegistry as Hex, abi, functionName, args };
}

function readerOf(rpc: Rpc) {
  return {
    readMany: (calls: readonly ViewCall[], at: bigint): Promise<ViewResult[]> => rpc.trip(signal, ({ views }) => views.readMany(calls, at)),
    readOne: (call: ViewCall, at: bigint): Promise<ViewResult> => rpc.trip(signal, ({ views }) => views.readOne(call, at)),
  };
}

const GOOD = () => kms('kmsAppId');
const GOOD_RESULT = { ok: true, value: BigInt(KMS_APP_ID) };

/** Calls that fail, each in a different way. */
function faults(): readonly [ViewCall, string][] {
  return [
    [kms('operatorAt', [99n]), 'reverted'],
    [kms('missing', [], parseAbi(['function missing() view returns (uint256)'])), 'reverted'],
    [{ ...GOOD(), address: `0x${'99'.repeat(20)}` }, 'empty'],
    [kms('kmsAppId', [], parseAbi(['function kmsAppId() view returns (string)'])), 'undecodable'],
    [kms('kmsAppId', [], parseAbi(['function kmsAppId() view returns (uint256[])'])), 'undecodable'],
  ];
}

describe.each([
  ['without Multicall3 on the chain', false],
  ['with Multicall3 on the chain', true],
])('%s', (_, withMulticall) => {
  beforeAll(async () => {
    if (!withMulticall) return;
    await installMulticall3(running);
    block = await running.chain.client.getBlockNumber({ cacheTime: 0 });
  });

  async function start() {
    const counting = countingRpc(running.url);
    await counting.rpc.trip(signal, ({ views }) => views.findMulticall());
    counting.reset();
    return { ...counting, ...readerOf(counting.rpc) };
  }

  test('a bad view does not affect the other views, regardless of what is wrong with it', async () => {
    const { readMany, trips } = await start();
    const calls = faults().flatMap(([call]) => [GOOD(), call]);
    const results = await readMany([...calls, GOOD()], block);
    const expected = faults().flatMap(([, why]) => [GOOD_RESULT, { ok: false, why }]);
    expect(results).toEqual([...expected, GOOD_RESULT]);
    expect(trips.waves).toBe(1);
  });

  test('a single bad view fails with its reason', async () => {
    const { readMany, readOne } = await start();
    for (const [call, why] of faults()) {
      expect(await readMany([call], block)).toEqual([{ ok: false, why }]);
      expect(await readOne(call, block)).toEqual({ ok: false, why });
    }
  });

  test('when all views are bad, each fails with its own reason', async () => {
    const { readMany } = await start();
    const results = await readMany(faults().map(([call]) => call), block);
    expect(results).toEqual(faults().map(([, why]) => ({ ok: false, why })));
  });

  test.each([1, 13, 250])('all views are read in one round trip, and the results are in the order of the calls (number of views: %i)', async (count) => {
    const { readMany, trips } = await start();
    const calls = Array.from({ length: count }, (__, index) => (index % 2 === 0 ? GOOD() : kms('operatorCount')));
    const results = await readMany(calls, block);
    expect(results).toEqual(calls.map(({ functionName }) => (functionName === 'kmsAppId' ? GOOD_RESULT : { ok: true, value: 0n })));
    expect(trips.waves).toBe(1);
  });

  test('reading an empty list of views sends no request', async () => {
    const { readMany, trips } = await start();
    expect(await readMany([], block)).toEqual([]);
    expect(trips.requests).toBe(0);
  });

  test('views are read at the requested block, not at the head', async () => {
    const { readMany } = await start();
    const before = await readMany([{ ...GOOD() }, kms('masterSecretHash')], 1n);
    expect(before).toEqual([{ ok: false, why: 'empty' }, { ok: false, why: 'empty' }]);
  });

  test('each read sends one new request, and returns the values at its own block', async () => {
    const { readMany, trips } = await start();
    const calls = [GOOD(), ...faults().map(([call]) => call)];
    const read = (at: bigint): Promise<ViewResult[]> => readMany([...calls], at);
    const now = [GOOD_RESULT, ...faults().map(([, why]) => ({ ok: false, why }))];
    const then = now.map(() => ({ ok: false, why: 'empty' }));
    for (let times = 1; times <= 3; times += 1) {
      expect(await read(block)).toEqual(now);
      expect(trips.requests).toBe(times);
    }
    expect(await read(1n)).toEqual(then);
    expect(await read(block)).toEqual(now);
  });
});

describe('the records that authorize an app', () => {
  test('can be read in two round trips', async () => {
    const { rpc, trips } = countingRpc(running.url);
    const record = await createAppReader({ novaAppRegistry: running.chain.novaAppRegistry }, { rpc }).read(APP, signal);
    expect(record).toMatchObject({
      instance: { appId: 100n, wallet: APP, teePubkey: 'aabb', zkVerified: true, status: 'ACTIVE', url: 'http://app.test' },
      app: { id: 100n, status: 'ACTIVE' },
      version: { id: 1n, status: 'ENROLLED' },
    });
    expect(trips).toMatchObject({ counted: 2, waves: 2 });
  });

  test('are absent for an unknown wallet, after one round trip', async () => {
    const { rpc, trips } = countingRpc(running.url);
    const unknown = `0x${'de'.repeat(20)}` as Wallet;
    const record = await createAppReader({ novaAppRegistry: running.chain.novaAppRegistry }, { rpc }).read(unknown, signal);
    expect(record).toMatchObject({ instance: { id: 0n }, app: null, version: null });
    expect(trips.waves).toBe(1);
  });

  test('cannot be read when there is no registry, which is treated as a failure of the chain, not as an unknown wallet', async () => {
    const { rpc } = countingRpc(running.url);
    const nowhere = `0x${'99'.repeat(20)}` as Wallet;
    const read = createAppReader({ novaAppRegistry: nowhere }, { rpc }).read(APP, signal);
    await expect(read).rejects.toMatchObject({ dependency: 'chain', failure: 'malformed' });
  });
});

describe('many views in one multicall', () => {
  const closers: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  /** A real chain behind a load balancer that garbles some answers: `mar` returns a garbled answer, or null to keep the real one. */
  async function startMarred(mar: (call: { readonly to?: string; readonly number: number }) => object | null) {
    const seen: (string | undefined)[] = [];
    const server = await scriptedServer(async (request, response) => {
      const { id, method, params } = JSON.parse(request.body) as { id: number; method: string; params: [{ to?: string }] };
      const to = method === 'eth_call' ? params[0].to : method;
      seen.push(to);
      const marred = method === 'eth_call' ? mar({ ...(to === undefined ? {} : { to }), number: seen.length }) : null;
      const answer = marred === null ? await (await fetch(running.url, { method: 'POST', body: request.body, headers: { 'content-type': 'application/json' } })).text() : JSON.stringify({ jsonrpc: '2.0', id, ...marred });
      response.setHeader('content-type', 'application/json').end(answer);
    });
    closers.push(() => server.close());
    const rpc = new Rpc({ url: server.url }, { clock: hastyClock().clock, fetch });
    return { rpc, seen, ...readerOf(rpc) };
  }

  const CALLS = () => [GOOD(), kms('operatorCount')];
  const RESULTS = [GOOD_RESULT, { ok: true, value: 0n }];

  const MARRED: [string, object][] = [
    ['a revert without data', { error: { code: 3, message: 'execution reverted', data: '0x' } }],
    ['empty hex', { result: '0x' }],
    ['null', { result: null }],
    ['malformed bytes', { result: '0x1234' }],
    ['an error of the RPC', { error: { code: -32_000, message: 'header not found' } }],
  ];

  test.each(MARRED)('are requested again when every second backend answers with %s', async (_, body) => {
    const { readMany, readOne } = await startMarred(({ number }) => (number % 2 === 1 ? body : null));
    expect(await readMany(CALLS(), block)).toEqual(RESULTS);
    expect(await readOne(GOOD(), block)).toEqual(GOOD_RESULT);
  });

  test.each(MARRED)('that were read before are also requested again when every second backend answers with %s', async (_, body) => {
    let isMarred = false;
    const { rpc, readMany } = await startMarred(({ number }) => (isMarred && number % 2 === 1 ? body : null));
    await rpc.trip(signal, ({ views }) => views.findMulticall());
    expect(await readMany(CALLS(), block)).toEqual(RESULTS);
    isMarred = true;
    for (let times = 0; times < 3; times += 1) expect(await readMany(CALLS(), block)).toEqual(RESULTS);
  });

  test('are read one by one when the RPC refuses calls without the field `to`, and the node remembers this', async () => {
    const bare = (to: string | undefined): boolean => to === undefined || to.toLowerCase() === MULTICALL3;
    const { readMany, seen } = await startMarred(({ to }) => (bare(to) ? { error: { code: -32_602, message: "missing field 'to'" } } : null));
    expect(await readMany(CALLS(), block)).toEqual(RESULTS);
    const before = seen.length;
    expect(await readMany(CALLS(), block)).toEqual(RESULTS);
    expect(seen.slice(before)).toHaveLength(2);
  });

  test('whose answer is too long are read one by one, so that a bad entry does not affect the other entries', async () => {
    let times = 0;
    const endless = (): Response => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(Buffer.alloc(1_048_576)) }));
    const fetching = (async (url: string, init: RequestInit) => ((times += 1) === 1 ? endless() : fetch(url, init))) as unknown as typeof fetch;
    const { readMany } = readerOf(new Rpc({ url: running.url }, { clock: systemClock, fetch: fetching }));
    expect(await readMany(CALLS(), block)).toEqual(RESULTS);
    expect(times).toBe(3);
  });

  test('all fail when the RPC fails, with an error that does not quote its answer', async () => {
    const { readMany, readOne } = await startMarred(() => ({ error: { code: -32_000, message: 'secret' } }));
    for (const read of [() => readMany(CALLS(), block), () => readOne(GOOD(), block)]) {
      await expect(read()).rejects.toMatchObject({ dependency: 'chain', failure: 'malformed', message: expect.not.stringContaining('secret') as unknown });
    }
  });

  test('use Multicall3 even if one backend seems not to have it, because the node looks for it again', async () => {
    await installMulticall3(running);
    let looks = 0;
    const fetching = (async (url: string, init: RequestInit) => {
      const { id, method } = JSON.parse(init.body as string) as { id: number; method: string };
      if (method !== 'eth_getCode' || (looks += 1) > 1) return fetch(url, init);
      return new Response(JSON.stringify({ jsonrpc: '2.0', id, result: '0x' }));
    }) as unknown as typeof fetch;
    const rpc = new Rpc({ url: running.url }, { clock: systemClock, fetch: fetching });
    for (let trip = 0; trip < 4; trip += 1) await rpc.trip(signal, ({ views }) => views.findMulticall());
    expect(looks).toBe(2);
  });
});

describe('a round trip', () => {
  test('whose answer viem cannot parse is a failure of the chain', async () => {
    const fetching = (async () => new Response(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { number: '0x1', timestamp: '0x1', gasUsed: 'secret' } }))) as unknown as typeof fetch;
    const rpc = new Rpc({ url: 'https://rpc.test' }, { clock: systemClock, fetch: fetching });
    const read = rpc.trip(signal, ({ client }) => client.getBlock({ blockNumber: 1n }));
    await expect(read).rejects.toMatchObject({ dependency: 'chain', failure: 'malformed', message: 'the chain RPC at rpc.test:443 gave an answer that cannot be used' });
  });
});
