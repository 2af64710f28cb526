/** Requests of one caller at once (protocol.md §10, Bounds): the rule, on a clock that the test advances. */
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

/** Takes a place, or waits for one. */
function ask(name: string, caller = 'a', gone = new AbortController()): AbortController {
  if (underWay.enter(caller)) ended.push(`${name} at once`);
  else underWay.wait(caller, gone.signal).then(() => ended.push(`${name} goes on`), (error: unknown) => ended.push(`${name}: ${error instanceof RefusalError ? error.code : (error as Error).message}`));
  return gone;
}

const AT_ONCE = ['1 at once', '2 at once'];

test.each<[string, () => void | Promise<void>, string[]]>([
  ['as many as are allowed go on at once', () => undefined, []],
  ['one more waits', () => void ask('3'), []],
  [
    'a place that is left passes to who has waited longest',
    () => {
      ask('3');
      ask('4');
      underWay.leave('a');
    },
    ['3 goes on'],
  ],
  [
    'who comes later does not overtake',
    () => {
      ask('3');
      underWay.leave('a');
      ask('4');
    },
    ['3 goes on'],
  ],
  [
    'each place that is left lets one go on',
    () => {
      for (const name of ['3', '4', '5']) ask(name);
      for (let left = 0; left < 3; left += 1) underWay.leave('a');
    },
    ['3 goes on', '4 goes on', '5 goes on'],
  ],
  [
    'one more than may wait is refused at once',
    () => {
      for (const name of ['3', '4', '5', '6']) ask(name);
    },
    ['6: rate_limited'],
  ],
  [
    'who has waited too long is refused',
    async () => {
      ask('3');
      await clock.advance(4_999);
      ask('4');
      await clock.advance(1);
    },
    ['3: rate_limited'],
  ],
  [
    'who has gone leaves the queue, and the next one is not held up by it',
    () => {
      ask('3').abort(new Error('gone'));
      ask('4');
      underWay.leave('a');
    },
    ['3: gone', '4 goes on'],
  ],
  [
    'a place never passes to a request that gave up in the same moment',
    () => {
      const third = ask('3');
      ask('4');
      third.abort(new Error('gone'));
      underWay.leave('a');
    },
    ['3: gone', '4 goes on'],
  ],
  ['who had gone before it waits takes no place', () => void ask('3', 'a', aborted()), ['3: gone']],
  ['another caller is not held up', () => void ask('3', 'b'), ['3 at once']],
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
  test('says when the caller may retry', async () => {
    ask('1');
    ask('2');
    const waiting = expect(underWay.wait('a', new AbortController().signal)).rejects.toThrow(TOO_MANY);
    await clock.advance(5_000);
    await waiting;
  });
});

test('callers whose requests have ended are not remembered', async () => {
  for (const name of ['1', '2', '3']) ask(name);
  ask('4', 'b');
  expect(underWay.callers).toBe(2);
  for (let left = 0; left < 3; left += 1) underWay.leave('a');
  underWay.leave('b');
  await clock.advance(10_000);
  expect(underWay.callers).toBe(0);
  for (const name of ['5', '6']) ask(name);
  expect(ended).toEqual([...AT_ONCE, '4 at once', '3 goes on', '5 at once', '6 at once']);
});
