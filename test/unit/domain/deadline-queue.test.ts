/** Many waits that have the same timeout (domain/deadline-queue.ts). */
import { expect, test } from '@jest/globals';
import { DeadlineQueue, Waiting } from '../../../src/domain/deadline-queue.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const TIMEOUT_MS = 1_000;

class Wait extends Waiting {
  readonly onDeadline: () => void;

  constructor(onDeadline: () => void) {
    super();
    this.onDeadline = onDeadline;
  }
}

function start() {
  const clock = new ManualClock();
  const timers = { set: 0 };
  const queue = new DeadlineQueue(
    { timeoutMs: TIMEOUT_MS },
    {
      clock: {
        monotonicMs: () => clock.monotonicMs(),
        setTimeout: (callback, delayMs) => {
          timers.set += 1;
          return clock.setTimeout(callback, delayMs);
        },
        clearTimeout: (timer) => clock.clearTimeout(timer),
      },
    },
  );
  const ended: string[] = [];
  const wait = (name: string) => new Wait(() => void ended.push(`${name} at ${clock.monotonicMs()}`));
  return { clock, queue, ended, wait, timers };
}

test('each wait ends at its own deadline', async () => {
  const { clock, queue, ended, wait } = start();
  queue.add(wait('first'));
  await clock.advance(300);
  queue.add(wait('second'));
  await clock.advance(699);
  expect(ended).toEqual([]);
  await clock.advance(10_000);
  expect(ended).toEqual(['first at 1000', 'second at 1300']);
});

test('a removed wait never ends and does not delay other waits', async () => {
  const { clock, queue, ended, wait } = start();
  const first = wait('first');
  queue.add(first);
  queue.remove(first);
  await clock.advance(600);
  queue.add(wait('second'));
  await clock.advance(10_000);
  expect(ended).toEqual(['second at 1600']);
});

test('a wait that begins when another wait ends gets the full timeout', async () => {
  const { clock, queue, ended, wait } = start();
  queue.add(new Wait(() => queue.add(wait('second'))));
  await clock.advance(10_000);
  expect(ended).toEqual(['second at 2000']);
});

test('waits that are added and removed share one timer', async () => {
  const { clock, queue, wait, timers } = start();
  for (let count = 0; count < 100; count += 1) {
    const one = wait('one');
    queue.add(one);
    await clock.advance(1);
    queue.remove(one);
  }
  expect(timers.set).toBe(1);
});

test('no wait ends after the queue is closed', async () => {
  const { clock, queue, ended, wait } = start();
  queue.add(wait('first'));
  queue.close();
  await clock.advance(10_000);
  expect(ended).toEqual([]);
});
