/** The queue for simultaneous requests of one caller (protocol.md §10, Bounds), tested without sockets and with a manual clock. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import { RequestsUnderWay } from '../../../src/http/requests-under-way.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const LIMITS = { maxUnderWay: 2, maxWaiting: 3, waitTimeoutMs: 5_000 };
const TOO_MANY = expect.objectContaining({ code: 'rate_limited', retryAfterSeconds: 1 });

let clock: ManualClock;
let underWay: RequestsUnderWay;
/** The outcome of each request, in order. */
let ended: string[];

beforeEach(() => {
  clock = new ManualClock();
  underWay = new RequestsUnderWay(LIMITS, { clock });
  ended = [];
});

/** Sends a request, which gets a place immediately or waits for one. */
function ask(name: string, caller = 'a', gone = new AbortController()): AbortController {
  if (underWay.enter(caller)) ended.push(`${name} immediately`);
  else underWay.wait(caller, gone.signal).then(() => ended.push(`${name} after a wait`), (error: unknown) => ended.push(`${name}: ${error instanceof RefusalError ? error.code : (error as Error).message}`));
  return gone;
}

const AT_ONCE = ['1 immediately', '2 immediately'];

test.each<[string, () => void | Promise<void>, string[]]>([
  ['requests up to the maximum number continue immediately', () => undefined, []],
  ['a request above the maximum number waits', () => void ask('3'), []],
  [
    'a free place goes to the request that has waited longest',
    () => {
      ask('3');
      ask('4');
      underWay.leave('a');
    },
    ['3 after a wait'],
  ],
  [
    'a later request does not overtake an earlier request',
    () => {
      ask('3');
      underWay.leave('a');
      ask('4');
    },
    ['3 after a wait'],
  ],
  [
    'each free place lets one request continue',
    () => {
      for (const name of ['3', '4', '5']) ask(name);
      for (let left = 0; left < 3; left += 1) underWay.leave('a');
    },
    ['3 after a wait', '4 after a wait', '5 after a wait'],
  ],
  [
    'a request is refused immediately when the maximum number of requests is waiting',
    () => {
      for (const name of ['3', '4', '5', '6']) ask(name);
    },
    ['6: rate_limited'],
  ],
  [
    'a request that has waited too long is refused',
    async () => {
      ask('3');
      await clock.advance(4_999);
      ask('4');
      await clock.advance(1);
    },
    ['3: rate_limited'],
  ],
  [
    'an aborted request leaves the queue and does not delay the next request',
    () => {
      ask('3').abort(new Error('gone'));
      ask('4');
      underWay.leave('a');
    },
    ['3: gone', '4 after a wait'],
  ],
  [
    'a place never goes to a request that was aborted at the same moment',
    () => {
      const third = ask('3');
      ask('4');
      third.abort(new Error('gone'));
      underWay.leave('a');
    },
    ['3: gone', '4 after a wait'],
  ],
  ['a request that was aborted before it began to wait takes no place', () => void ask('3', 'a', aborted()), ['3: gone']],
  ['a request from another caller does not wait', () => void ask('3', 'b'), ['3 immediately']],
])('%s', async (_, then, expected) => {
  ask('1');
  ask('2');
  await then();
  await settle();
  expect(ended.sort()).toEqual([...AT_ONCE, ...expected].sort());
});

function aborted(): AbortController {
  const gone = new AbortController();
  gone.abort(new Error('gone'));
  return gone;
}

describe('a refusal', () => {
  test('tells the caller when to retry', async () => {
    ask('1');
    ask('2');
    const waiting = expect(underWay.wait('a', new AbortController().signal)).rejects.toThrow(TOO_MANY);
    await clock.advance(5_000);
    await waiting;
  });
});

test('a caller whose requests have all ended is forgotten', async () => {
  for (const name of ['1', '2', '3']) ask(name);
  ask('4', 'b');
  expect(underWay.callers).toBe(2);
  for (let left = 0; left < 3; left += 1) underWay.leave('a');
  underWay.leave('b');
  await clock.advance(10_000);
  expect(underWay.callers).toBe(0);
  for (const name of ['5', '6']) ask(name);
  expect(ended).toEqual([...AT_ONCE, '4 immediately', '3 after a wait', '5 immediately', '6 immediately']);
});
