/** Reads of many views in one round trip (protocol.md §6), on a real chain: with Multicall3 and without. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAbi, RpcRequestError, type Abi, type Hex } from 'viem';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import { createAppReader } from '../../../src/registry/app-reader.ts';
import { kmsRegistryAbi } from '../../../src/registry/abi.ts';
import { isExecutionFailure, Rpc, type ViewCall } from '../../../src/registry/rpc.ts';
import type { Clock } from '../../../src/domain/ports.ts';
import { systemClock } from '../../../src/system/system.ts';
import { KMS_APP_ID } from '../../../src/dev/dev-chain.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { countingRpc, installMulticall3, runningChain, type RunningChain } from '../../support/running-chain.ts';
import { scriptedServer, silence, type Answering } from '../../support/scripted-server.ts';

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

const GOOD = () => kms('kmsAppId');
const GOOD_RESULT = { ok: true, value: BigInt(KMS_APP_ID) };

/** Calls that fail, each in its own way, among good ones. */
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
    await counting.rpc.findMulticall();
    counting.reset();
    return counting;
  }

  test('one bad view harms itself only, whatever is wrong with it', async () => {
    const { rpc, trips } = await start();
    const calls = faults().flatMap(([call]) => [GOOD(), call]);
    const results = await rpc.readMany([...calls, GOOD()], block);
    const expected = faults().flatMap(([, why]) => [GOOD_RESULT, { ok: false, why }]);
    expect(results).toEqual([...expected, GOOD_RESULT]);
    expect(trips.waves).toBe(1);
  });

  test('a bad view alone says what is wrong with it', async () => {
    const { rpc } = await start();
    for (const [call, why] of faults()) {
      expect(await rpc.readMany([call], block)).toEqual([{ ok: false, why }]);
      expect(await rpc.readOne(call, block)).toEqual({ ok: false, why });
    }
  });

  test('all views bad at once are each what they are', async () => {
    const { rpc } = await start();
    const results = await rpc.readMany(faults().map(([call]) => call), block);
    expect(results).toEqual(faults().map(([, why]) => ({ ok: false, why })));
  });

  test.each([1, 13, 250])('%i views are read in one wave of requests, in their order', async (count) => {
    const { rpc, trips } = await start();
    const calls = Array.from({ length: count }, (__, index) => (index % 2 === 0 ? GOOD() : kms('operatorCount')));
    const results = await rpc.readMany(calls, block);
    expect(results).toEqual(calls.map(({ functionName }) => (functionName === 'kmsAppId' ? GOOD_RESULT : { ok: true, value: 0n })));
    expect(trips.waves).toBe(1);
  });

  test('no views are no requests', async () => {
    const { rpc, trips } = await start();
    expect(await rpc.readMany([], block)).toEqual([]);
    expect(trips.requests).toBe(0);
  });

  test('views are read at the block asked for, not at the head', async () => {
    const { rpc } = await start();
    const before = await rpc.readMany([{ ...GOOD() }, kms('masterSecretHash')], 1n);
    expect(before).toEqual([{ ok: false, why: 'empty' }, { ok: false, why: 'empty' }]);
  });
});

describe('the records that authorize an app', () => {
  test('are read in two round trips', async () => {
    const { rpc, trips } = countingRpc(running.url);
    const record = await createAppReader({ novaAppRegistry: running.chain.novaAppRegistry }, { rpc }).read(APP, signal);
    expect(record).toMatchObject({
      instance: { appId: 100n, wallet: APP, teePubkey: 'aabb', zkVerified: true, status: 'ACTIVE', url: 'http://app.test' },
      app: { id: 100n, status: 'ACTIVE' },
      version: { id: 1n, status: 'ENROLLED' },
    });
    expect(trips).toMatchObject({ counted: 2, waves: 2 });
  });

  test('of an unknown wallet are none, in one round trip', async () => {
    const { rpc, trips } = countingRpc(running.url);
    const unknown = `0x${'de'.repeat(20)}` as Wallet;
    const record = await createAppReader({ novaAppRegistry: running.chain.novaAppRegistry }, { rpc }).read(unknown, signal);
    expect(record).toMatchObject({ instance: { id: 0n }, app: null, version: null });
    expect(trips.waves).toBe(1);
  });

  test('are a failure of the chain, not an unknown wallet, where there is no registry', async () => {
    const { rpc } = countingRpc(running.url);
    const nowhere = `0x${'99'.repeat(20)}` as Wallet;
    const read = createAppReader({ novaAppRegistry: nowhere }, { rpc }).read(APP, signal);
    await expect(read).rejects.toMatchObject({ dependency: 'chain', failure: 'malformed' });
  });
});

describe('a round trip', () => {
  const closers: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  /** The pauses between tries pass at once; the test looks at how long they were to be. */
  async function startScripted(answer: Answering) {
    const server = await scriptedServer(answer);
    closers.push(() => server.close());
    const pausesMs: number[] = [];
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, delayMs) => {
        if (delayMs < 1_000) pausesMs.push(delayMs);
        return systemClock.setTimeout(callback, delayMs < 1_000 ? 0 : delayMs);
      },
    };
    let trips = 0;
    const rpc = new Rpc({ url: server.url }, { clock, fetch, onRoundTrip: () => (trips += 1) });
    return { server, rpc, pausesMs, trips: () => trips };
  }

  const result = (value: unknown): Answering => (request, response) => {
    const { id } = JSON.parse(request.body) as { id: number };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id, result: value }));
  };
  const rpcError = (code: number, message: string): Answering => (request, response) => {
    const { id } = JSON.parse(request.body) as { id: number };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } }));
  };

  test('that fails is tried three times in all, 200 and 400 ms apart', async () => {
    let calls = 0;
    const { rpc, pausesMs, trips } = await startScripted((request, response) => {
      calls += 1;
      if (calls < 3) response.writeHead(502).end('<html>secret</html>');
      else void result('0x10')(request, response);
    });
    expect(await rpc.trip(signal, () => rpc.client.getBlockNumber({ cacheTime: 0 }))).toBe(16n);
    expect(trips()).toBe(3);
    expect(pausesMs).toEqual([200, 400]);
  });

  test.each<[string, Answering]>([
    ['an HTTP error', (_, response) => void response.writeHead(500).end('secret text')],
    ['a cut connection', (_, response) => void response.destroy()],
    ['garbage', (_, response) => void response.end('secret garbage')],
    ['an error of JSON-RPC', rpcError(-32_005, 'secret limit exceeded')],
  ])('that gives %s at every try is unreachable, and its text is not passed on', async (_, answer) => {
    const { rpc, trips } = await startScripted(answer);
    const error = await rpc.trip(signal, () => rpc.client.getBlockNumber({ cacheTime: 0 })).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DependencyError);
    expect(error).toMatchObject({ dependency: 'chain', failure: 'unreachable' });
    expect((error as Error).message).not.toContain('secret');
    expect(trips()).toBe(3);
  });

  test('that is silent is a timeout after three limits', async () => {
    const server = await scriptedServer(silence);
    closers.push(() => server.close());
    const clock = new ManualClock();
    const rpc = new Rpc({ url: server.url }, { clock, fetch });
    const failed = expect(rpc.trip(signal, () => rpc.readOne(GOOD(), 1n))).rejects.toMatchObject({ failure: 'timeout' });
    for (let request = 1; request <= 3; request += 1) {
      await server.received(request);
      await clock.advance(5_000 + 400);
    }
    await failed;
  });

  test('ends with the signal of its caller', async () => {
    const { server, rpc } = await startScripted(() => undefined);
    const controller = new AbortController();
    const failed = expect(rpc.trip(controller.signal, () => rpc.client.getBlockNumber({ cacheTime: 0 }))).rejects.toMatchObject({ failure: 'aborted' });
    await server.received(1);
    controller.abort();
    await failed;
  });

  test('that fails inside a batch of views is a failure of the chain, not of the views', async () => {
    const { rpc } = await startScripted((_, response) => void response.writeHead(502).end());
    await expect(rpc.readMany([GOOD(), GOOD()], 1n)).rejects.toThrow();
    await expect(rpc.readOne(GOOD(), 1n)).rejects.toThrow();
  });
});

describe('an error of the RPC', () => {
  test.each([
    [3, 'execution reverted', true],
    [-32_000, 'execution reverted: custom error', true],
    [-32_000, 'max code size exceeded', true],
    [-32_000, 'max initcode size exceeded', true],
    [-32_603, 'EVM error CreateContractSizeLimit', true],
    [-32_003, 'CreateContractSizeLimit', true],
    [-32_003, 'OutOfGas(Basic)', true],
    [-32_000, 'invalid opcode: INVALID', true],
    [-32_005, 'limit exceeded', false],
    [-32_603, 'internal error', false],
    [-32_000, 'header not found', false],
  ])('%i "%s" is the word of the EVM: %s', (code, message, isFinal) => {
    expect(isExecutionFailure(new RpcRequestError({ body: {}, error: { code, message }, url: 'http://rpc.test' }))).toBe(isFinal);
  });
});
