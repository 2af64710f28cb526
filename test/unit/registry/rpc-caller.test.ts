/**
 * One call to the chain's RPC (protocol.md §6). Behind a load balancer, every second answer may be bad, so each call is attempted up
 * to six times. The test advances the clock itself, and no real timer runs.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { RpcRequestError } from 'viem';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Fetch } from '../../../src/domain/ports.ts';
import { CALL_ATTEMPTS, COMPANY_AFTER_MS, RPC_TIMEOUT_MS, RpcCaller } from '../../../src/registry/rpc-caller.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const NEVER = new AbortController().signal;
const JSON_TYPE = { 'content-type': 'application/json' };

type Answering = (try_: number, signal: AbortSignal) => Response | Promise<Response>;

const say = (body: object, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }), { status, headers: { ...JSON_TYPE, ...headers } });
const GOOD = (): Response => say({ result: '0x10' });
const silent = (signal: AbortSignal): Promise<Response> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

function start(answer: Answering, url = 'https://user:pass@rpc.test/v2/KEY/?token=1') {
  const clock = new ManualClock();
  const seen: { readonly url: string; readonly atMs: number; readonly signal: AbortSignal; readonly headers: Record<string, string> }[] = [];
  const failures: DependencyError[] = [];
  const fetch = (async (input: string, init: RequestInit) => {
    const signal = init.signal!;
    seen.push({ url: input, atMs: clock.monotonicMs(), signal, headers: init.headers as Record<string, string> });
    return answer(seen.length, signal);
  }) as unknown as Fetch;
  const caller = new RpcCaller({ url }, { clock, fetch, onFailure: (error) => failures.push(error) });
  const call = (method = 'eth_blockNumber', signal = NEVER, isAnswer?: Parameters<RpcCaller['call']>[3]) => {
    const outcome = caller.call(method, [], signal, isAnswer).then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
    return outcome as Promise<{ result?: unknown; error?: DependencyError & RpcRequestError }>;
  };
  /** Lets the pauses between all attempts pass. */
  const finish = async <T>(outcome: Promise<T>, ms = 30_000): Promise<T> => {
    await clock.advance(ms);
    return outcome;
  };
  return { clock, seen, failures, call, finish };
}

let timers: jest.SpiedFunction<typeof setTimeout>;

beforeEach(() => {
  timers = jest.spyOn(globalThis, 'setTimeout');
});

afterEach(() => {
  expect(timers).not.toHaveBeenCalled();
  timers.mockRestore();
});

describe('a call', () => {
  test('is sent to the configured address, and the user name and password in that address are sent in a header', async () => {
    const { seen, call, finish } = start(GOOD);
    expect(await finish(call())).toEqual({ result: '0x10' });
    expect(seen.map(({ url, headers }) => [url, headers['authorization']])).toEqual([['https://rpc.test/v2/KEY/?token=1', 'Basic dXNlcjpwYXNz']]);
  });

  const BAD: readonly [string, () => Response | Promise<Response>, string][] = [
    ['the status 502', () => new Response('secret', { status: 502 }), 'the chain RPC at rpc.test:443 answered 502'],
    ['the status 401', () => new Response('secret', { status: 401 }), 'the chain RPC at rpc.test:443 answered 401'],
    [
      'a redirect',
      () => new Response('', { status: 301, headers: { location: 'https://other.test/v2/KEY' } }),
      'the chain RPC at rpc.test:443 answered 301, a redirect to other.test:443: NODE_URL must be the address that the redirect leads to',
    ],
    ['a web page', () => new Response('<html>secret</html>'), 'the chain RPC at rpc.test:443 gave an answer to eth_blockNumber that is not JSON'],
    ['a null result', () => say({ result: null }), 'the chain RPC at rpc.test:443 gave an empty answer to eth_blockNumber'],
    ['neither a result nor an error', () => say({}), 'the chain RPC at rpc.test:443 gave an empty answer to eth_blockNumber'],
    ['an error', () => say({ error: { code: -32_000, message: 'header not found: secret' } }), 'the chain RPC at rpc.test:443 answered eth_blockNumber with the error -32000'],
    ['a cut connection', () => Promise.reject(new TypeError('secret', { cause: Object.assign(new Error('secret'), { code: 'ECONNRESET' }) })), 'the chain RPC at rpc.test:443 cannot be reached: it closed the connection (ECONNRESET)'],
  ];

  test.each(BAD)('that gets %s is attempted again, and succeeds with a good answer', async (_, bad, message) => {
    const { seen, failures, call, finish } = start((number) => (number < CALL_ATTEMPTS ? bad() : GOOD()));
    expect(await finish(call())).toEqual({ result: '0x10' });
    expect(seen).toHaveLength(CALL_ATTEMPTS);
    expect(failures.map((error) => error.message)).toEqual(Array.from({ length: CALL_ATTEMPTS - 1 }, () => message));
  });

  test.each(BAD)('that gets %s six times fails with an error that does not contain the text of the answer', async (_, bad, message) => {
    const { seen, call, finish } = start(bad);
    const { error } = await finish(call());
    expect(error).toBeInstanceOf(DependencyError);
    expect(error).toMatchObject({ dependency: 'chain', message, call: 'eth_blockNumber', endpoint: 'rpc.test:443' });
    expect(JSON.stringify(error)).not.toMatch(/secret|KEY|pass/);
    expect(seen).toHaveLength(CALL_ATTEMPTS);
  });

  test('is attempted again immediately, and then after 100, 200, 400 and 800 ms', async () => {
    const { seen, call, finish } = start(() => new Response('', { status: 502 }));
    await finish(call());
    expect(seen.map(({ atMs }) => atMs)).toEqual([0, 0, 100, 300, 700, 1_500]);
  });

  test('is sent again if the first backend has not answered within a second, and gets the answer of another backend', async () => {
    const { clock, seen, call } = start((number, signal) => (number === 1 ? silent(signal) : GOOD()));
    const outcome = call();
    await clock.advance(COMPANY_AFTER_MS);
    expect(await outcome).toEqual({ result: '0x10' });
    // The request to the first backend is aborted.
    expect(seen[0]?.signal.aborted).toBe(true);
  });

  test('succeeds when the first backend answers only after 3 s and the other backends do not answer', async () => {
    const { clock, call } = start((number, signal) => (number === 1 ? new Promise((resolve) => void clock.setTimeout(() => resolve(GOOD()), 3_000)) : silent(signal)));
    const outcome = call();
    await clock.advance(3_000);
    expect(await outcome).toEqual({ result: '0x10' });
  });

  test('that gets no answer ends within 10 s', async () => {
    const { clock, seen, call } = start((_, signal) => silent(signal));
    const outcome = call();
    await clock.advance(5 * COMPANY_AFTER_MS + RPC_TIMEOUT_MS);
    expect((await outcome).error).toMatchObject({ failure: 'timeout', message: 'the chain RPC at rpc.test:443 gave no answer in 5 s' });
    expect(seen).toHaveLength(CALL_ATTEMPTS);
  });

  test('with an endless answer fails, and is not attempted again', async () => {
    let given = 0;
    const body = (): ReadableStream =>
      new ReadableStream({
        pull: (controller) => {
          given += 1;
          controller.enqueue(Buffer.alloc(1_048_576));
        },
      });
    const { seen, call, finish } = start(() => new Response(body()));
    expect((await finish(call())).error).toMatchObject({ failure: 'too_large' });
    expect(seen).toHaveLength(1);
    expect(given).toBeLessThan(15);
  });

  test('ends when its caller aborts it, and is not attempted again', async () => {
    const { clock, seen, failures, call } = start((_, signal) => silent(signal));
    const controller = new AbortController();
    const outcome = call('eth_blockNumber', controller.signal);
    await settle();
    controller.abort(new Error('called off'));
    expect((await outcome).error).toMatchObject({ failure: 'aborted' });
    await clock.advance(30_000);
    expect(seen).toHaveLength(1);
    expect(failures).toEqual([]);
  });
});

describe('a final answer', () => {
  test.each<[string, object]>([
    ['from its code', { code: 3, message: 'execution reverted', data: '0x1234' }],
    ['from its message', { code: -32_000, message: 'VM Exception: revert' }],
  ])('may be a revert that is recognized %s: the call is not attempted again', async (_, error) => {
    const { seen, call, finish } = start(() => say({ error }));
    const outcome = await finish(call('eth_call'));
    expect(outcome.error).toBeInstanceOf(RpcRequestError);
    expect(outcome.error?.code).toBe(3);
    expect(seen).toHaveLength(1);
  });

  test('may be a revert with any HTTP status, but only for a call that runs code', async () => {
    const reverted = (): Response => say({ error: { code: 3, message: 'execution reverted' } }, 400);
    expect((await start(reverted).call('eth_call')).error).toBeInstanceOf(RpcRequestError);
    const { call, finish } = start(reverted);
    expect((await finish(call('eth_chainId'))).error).toMatchObject({ failure: 'refused', status: 400 });
  });

  test('may be a null receipt, because null is valid information about the chain', async () => {
    expect(await start(() => say({ result: null })).call('eth_getTransactionReceipt')).toEqual({ result: null });
  });

  test('may be an error that the caller accepts as an answer: that error is thrown unchanged', async () => {
    const { seen, call, finish } = start(() => say({ error: { code: -32_000, message: 'nonce too low' } }));
    const outcome = await finish(call('eth_sendRawTransaction', NEVER, ({ message }) => message === 'nonce too low'));
    expect(outcome.error).toMatchObject({ code: -32_000, details: 'nonce too low' });
    expect(seen).toHaveLength(1);
  });
});

describe('Retry-After', () => {
  const busy = (seconds: number): Response => say({ error: 'slow down' }, 429, { 'retry-after': String(seconds) });

  test.each([429, 503])('is respected before the next attempt (status %i)', async (status) => {
    const { seen, call, finish } = start((number) => (number === 1 ? say({}, status, { 'retry-after': '3' }) : GOOD()));
    expect(await finish(call())).toEqual({ result: '0x10' });
    expect(seen.map(({ atMs }) => atMs)).toEqual([0, 3_000]);
  });

  test('that is longer than a call can wait ends the call immediately, and the RPC gets no further call during that time', async () => {
    const { clock, seen, call } = start((number) => (number === 1 ? busy(30) : GOOD()));
    const first = await call();
    expect(first.error).toMatchObject({ status: 429, message: 'the chain RPC at rpc.test:443 answered 429 and asks callers to wait 30 s' });
    await clock.advance(29_000);
    expect((await call()).error?.message).toBe('the chain RPC at rpc.test:443 asks callers to wait 1 s');
    expect(seen).toHaveLength(1);
    await clock.advance(1_000);
    expect(await call()).toEqual({ result: '0x10' });
  });

  test('that arrives while the call is already waiting is respected too', async () => {
    const slow = start(async (number) => {
      // The second request runs at the same time as the first, and gets its Retry-After 1 s later.
      if (number <= 2) await new Promise<void>((resolve) => void slow.clock.setTimeout(() => resolve(), 1_500));
      return number <= 2 ? busy(2) : GOOD();
    });
    expect(await slow.finish(slow.call())).toEqual({ result: '0x10' });
    expect(slow.seen.map(({ atMs }) => atMs)).toEqual([0, 1_000, 4_500]);
  });

  test('of a day is respected for only one minute, so that a bad backend cannot decide how long this node waits', async () => {
    const { clock, call } = start((number) => (number === 1 ? busy(86_400) : GOOD()));
    await call();
    await clock.advance(60_000);
    expect(await call()).toEqual({ result: '0x10' });
  });
});
