/** Waiting with a timeout (protocol.md §1, §5, §6): no wait is longer than its timeout, and no timer is left behind. */
import { describe, expect, test } from '@jest/globals';
import { DeadlineError, retry, sleep, within } from '../../../src/domain/deadline.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

/** A manual clock that counts its timers, so that a test can check that no timer is left behind. */
class CountingClock extends ManualClock {
  readonly armed = new Set<unknown>();

  override setTimeout(callback: () => void, delayMs: number): unknown {
    const id = super.setTimeout(() => {
      this.armed.delete(id);
      callback();
    }, delayMs);
    this.armed.add(id);
    return id;
  }

  override clearTimeout(timer: unknown): void {
    this.armed.delete(timer);
    super.clearTimeout(timer);
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

describe('sleep', () => {
  test('ends when the time has passed, and not earlier', async () => {
    const clock = new CountingClock();
    let done = false;
    const slept = sleep(clock, 1_000).then(() => (done = true));
    await clock.advance(999);
    expect(done).toBe(false);
    await clock.advance(1);
    await slept;
    expect(clock.armed.size).toBe(0);
  });

  test.each([true, false])('rejects with the reason of its aborted signal and leaves no timer behind (aborted before the call: %s)', async (before) => {
    const clock = new CountingClock();
    const controller = new AbortController();
    const why = new Error('called off');
    if (before) controller.abort(why);
    const slept = expect(sleep(clock, 1_000, controller.signal)).rejects.toBe(why);
    controller.abort(why);
    await slept;
    expect(clock.armed.size).toBe(0);
  });
});

describe('within', () => {
  test('returns the result of the work and leaves no timer behind', async () => {
    const clock = new CountingClock();
    expect(await within(clock, 'the work', 1_000, undefined, async () => 7)).toBe(7);
    expect(clock.armed.size).toBe(0);
  });

  test('throws the error that the work throws', async () => {
    const clock = new CountingClock();
    await expect(within(clock, 'the work', 1_000, undefined, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(clock.armed.size).toBe(0);
  });

  test('ends at its timeout, even if the work ignores its signal, and aborts that signal', async () => {
    const clock = new CountingClock();
    let seen: AbortSignal | undefined;
    const ended = expect(
      within(clock, 'the work', 1_000, undefined, (signal) => {
        seen = signal;
        return never<number>();
      }),
    ).rejects.toThrow(new DeadlineError('the work', 1_000));
    await clock.advance(1_000);
    await ended;
    expect(seen?.aborted).toBe(true);
  });

  test('ends when its parent signal is aborted, and leaves no timer behind', async () => {
    const clock = new CountingClock();
    const parent = new AbortController();
    const why = new Error('the step is over');
    const ended = expect(within(clock, 'the work', 1_000, parent.signal, () => never())).rejects.toBe(why);
    parent.abort(why);
    await ended;
    expect(clock.armed.size).toBe(0);
  });

  test('does not begin the work when its parent signal is already aborted', async () => {
    const parent = new AbortController();
    const why = new Error('the step is over');
    parent.abort(why);
    let begun = false;
    const work = within(new CountingClock(), 'the work', 1_000, parent.signal, async () => (begun = true));
    await expect(work).rejects.toBe(why);
    expect(begun).toBe(false);
  });

  test('ignores a failure of the work after the timeout', async () => {
    const clock = new CountingClock();
    const late = Promise.withResolvers<number>();
    const ended = expect(within(clock, 'the work', 1_000, undefined, () => late.promise)).rejects.toThrow(DeadlineError);
    await clock.advance(1_000);
    await ended;
    late.reject(new Error('too late'));
    await settle();
    expect(clock.armed.size).toBe(0);
  });
});

describe('retry', () => {
  const signal = new AbortController().signal;

  test('waits twice as long after each failure, and returns the first success', async () => {
    const clock = new ManualClock();
    const triedAtMs: number[] = [];
    const result = retry(clock, 4, 250, signal, async (attempt) => {
      triedAtMs.push(clock.monotonicMs());
      if (attempt < 4) throw new Error('lost');
      return attempt;
    });
    await clock.advance(10_000);
    expect(await result).toBe(4);
    expect(triedAtMs).toEqual([0, 250, 750, 1_750]);
  });

  test('throws the last failure after the last attempt', async () => {
    const clock = new ManualClock();
    const ended = expect(retry(clock, 3, 250, signal, (attempt) => Promise.reject(new Error(`lost ${attempt}`)))).rejects.toThrow('lost 3');
    await clock.advance(10_000);
    await ended;
  });

  test('stops during a pause when its signal is aborted', async () => {
    const clock = new CountingClock();
    const controller = new AbortController();
    const why = new Error('the step is over');
    let attempts = 0;
    const ended = expect(
      retry(clock, 3, 250, controller.signal, () => {
        attempts += 1;
        return Promise.reject(new Error('lost'));
      }),
    ).rejects.toBe(why);
    await clock.advance(100);
    controller.abort(why);
    await ended;
    expect(attempts).toBe(1);
    expect(clock.armed.size).toBe(0);
  });
});
