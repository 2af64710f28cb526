/**
 * One request to the chain's RPC ends by the clock that is given, whatever the RPC does: no timer of the process is armed, and no
 * answer is too long for memory.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { HttpRequestError, ResponseBodyTooLargeError } from 'viem';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { kmsRegistryAbi } from '../../../src/registry/abi.ts';
import { limitedFetch, type Fetch } from '../../../src/registry/limited-fetch.ts';
import { Rpc, RPC_LIMIT_MS } from '../../../src/registry/rpc.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const URL_TEXT = 'http://rpc.test';
const RESULT = JSON.stringify({ jsonrpc: '2.0', id: 1, result: '0x10' });

async function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** A body that gives this text again and again. */
function stream(text: string, times = Infinity): { readonly body: ReadableStream; readonly given: () => number } {
  let given = 0;
  const body = new ReadableStream({
    pull: async (controller) => {
      if (given >= times) return never();
      given += 1;
      controller.enqueue(Buffer.from(text));
    },
  });
  return { body, given: () => given };
}

/** What an RPC gives that is no `Response` of the platform. */
function plainAnswer(text: () => Promise<string>): Response {
  return { ok: true, status: 200, headers: new Headers({ 'content-type': 'application/json' }), text } as Response;
}

function start(answer: () => Promise<Response>) {
  const clock = new ManualClock();
  const signals: (AbortSignal | null | undefined)[] = [];
  const fetch: Fetch = async (_, init) => {
    signals.push(init?.signal);
    return answer();
  };
  return { clock, fetch, signals, rpc: new Rpc({ url: URL_TEXT }, { clock, fetch }) };
}

let timers: jest.SpiedFunction<typeof setTimeout>;

beforeEach(() => {
  timers = jest.spyOn(globalThis, 'setTimeout');
});

afterEach(() => {
  timers.mockRestore();
});

describe('a request', () => {
  test.each<[string, () => Promise<Response>]>([
    ['that is never answered', never],
    ['whose answer has a body that never comes', async () => plainAnswer(never)],
    ['whose answer has a body that never ends', async () => new Response(stream('{', 1).body)],
  ])('%s ends at its limit by the clock that is given', async (_, answer) => {
    const { clock, signals, rpc } = start(answer);
    let outcome: unknown = 'waiting';
    const done = rpc.client.getBlockNumber({ cacheTime: 0 }).catch((error: unknown) => (outcome = error));
    await clock.advance(RPC_LIMIT_MS - 1);
    expect([outcome, signals.map((signal) => signal?.aborted)]).toEqual(['waiting', [false]]);
    await clock.advance(1);
    await done;
    expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
    expect(outcome).toBeInstanceOf(HttpRequestError);
    expect((outcome as HttpRequestError).cause).toBeInstanceOf(DeadlineError);
    expect(timers).not.toHaveBeenCalled();
  });

  test.each<[string, () => Promise<Response>]>([
    ['a Response', async () => new Response(RESULT, { headers: { 'content-type': 'application/json' } })],
    ['an object with no more than viem needs', async () => plainAnswer(async () => RESULT)],
  ])('is answered by %s', async (_, answer) => {
    const { rpc } = start(answer);
    expect(await rpc.client.getBlockNumber({ cacheTime: 0 })).toBe(16n);
    expect(timers).not.toHaveBeenCalled();
  });

  test('that is never answered counts as a timeout of the chain', async () => {
    const { clock, rpc, signals } = start(never);
    const failed = expect(rpc.trip(new AbortController().signal, async () => rpc.client.getBlockNumber({ cacheTime: 0 }))).rejects.toMatchObject({ failure: 'timeout' });
    await clock.advance(4 * RPC_LIMIT_MS);
    await failed;
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, true]);
    expect(timers).not.toHaveBeenCalled();
  });

  test('ends with the signal that it is given', async () => {
    const { clock, fetch } = start(never);
    const controller = new AbortController();
    const limited = limitedFetch({ what: 'it', limitMs: 1_000, maxAnswerBytes: 10 }, { clock, fetch });
    const failed = expect(limited(URL_TEXT, { signal: controller.signal })).rejects.toThrow('called off');
    controller.abort(new Error('called off'));
    await failed;
  });
});

describe('an answer', () => {
  const limits = { what: 'it', limitMs: 1_000, maxAnswerBytes: 10 };

  test('is taken up to its limit, in whole characters', async () => {
    const { clock, fetch } = start(async () => new Response(new ReadableStream({
      start: (controller) => {
        for (const byte of Buffer.from('ab😀ñcd')) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    }), { status: 502, statusText: 'Bad', headers: { 'x-a': 'b' } }));
    const answer = await limitedFetch(limits, { clock, fetch })(URL_TEXT);
    expect([await answer.text(), answer.ok, answer.status, answer.statusText, answer.headers.get('x-a')]).toEqual(['ab😀ñcd', false, 502, 'Bad', 'b']);
  });

  test('that is longer is left unread', async () => {
    const { body, given } = stream('1234');
    const { clock, fetch } = start(async () => new Response(body));
    await expect(limitedFetch(limits, { clock, fetch })(URL_TEXT)).rejects.toBeInstanceOf(ResponseBodyTooLargeError);
    expect(given()).toBeLessThan(6);
  });

  test('to many views that is too long is asked for view by view: one bad entry harms itself only', async () => {
    const answers = [new Response(stream('x'.repeat(1_048_576)).body)];
    const { rpc, signals } = start(async () => answers.shift() ?? plainAnswer(async () => JSON.stringify({ jsonrpc: '2.0', id: 1, result: `0x${'0'.repeat(62)}31` })));
    const view = { address: `0x${'11'.repeat(20)}` as const, abi: kmsRegistryAbi, functionName: 'kmsAppId' };
    expect(await rpc.readMany([view, view], 1n)).toEqual([{ ok: true, value: 49n }, { ok: true, value: 49n }]);
    expect(signals).toHaveLength(3);
  });
});
