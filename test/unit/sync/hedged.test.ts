/** Members are asked one after another, each with a head start over the next (protocol.md §9.5). The first success is the result. */
import { describe, expect, test } from '@jest/globals';
import { hedged } from '../../../src/sync/hedged.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const OPTIONS = { headStartMs: 250, maxParallel: 2 };

/** Starts a hedged call. The test answers its attempts one by one. */
function startHedge(items: readonly string[], options = OPTIONS, controller = new AbortController()) {
  const clock = new ManualClock();
  const attempts: (PromiseWithResolvers<string | null> & { readonly item: string; readonly signal: AbortSignal })[] = [];
  const outcome = hedged(items, options, clock, controller.signal, (item, signal) => {
    const pending = Promise.withResolvers<string | null>();
    attempts.push({ ...pending, item, signal });
    return pending.promise;
  });
  outcome.catch(() => undefined);
  return { clock, attempts, controller, outcome, asked: () => attempts.map(({ item }) => item) };
}

describe('the next member is asked', () => {
  test('only when the previous member has not answered within its head start', async () => {
    const { clock, asked } = startHedge(['a', 'b', 'c']);
    await clock.advance(249);
    expect(asked()).toEqual(['a']);
    await clock.advance(1);
    expect(asked()).toEqual(['a', 'b']);
  });

  test('immediately when the previous member fails', async () => {
    const { attempts, asked } = startHedge(['a', 'b', 'c']);
    attempts[0]!.resolve(null);
    await settle();
    expect(asked()).toEqual(['a', 'b']);
  });

  test('after a head start that begins when the previous member is asked', async () => {
    const { clock, attempts, asked } = startHedge(['a', 'b', 'c'], { ...OPTIONS, maxParallel: 3 });
    await clock.advance(200);
    attempts[0]!.resolve(null);
    await clock.advance(249);
    expect(asked()).toEqual(['a', 'b']);
    await clock.advance(1);
    expect(asked()).toEqual(['a', 'b', 'c']);
  });

  test('not while the maximum number of attempts is running, but as soon as one of them fails', async () => {
    const { clock, attempts, asked } = startHedge(['a', 'b', 'c']);
    await clock.advance(60_000);
    expect(asked()).toEqual(['a', 'b']);
    attempts[1]!.resolve(null);
    await settle();
    expect(asked()).toEqual(['a', 'b', 'c']);
  });
});

describe('the outcome', () => {
  test('is the first success, and the other running attempts are aborted', async () => {
    const { clock, attempts, outcome } = startHedge(['a', 'b', 'c']);
    await clock.advance(250);
    attempts[1]!.resolve('answer of b');
    expect(await outcome).toBe('answer of b');
    expect(attempts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  });

  test('is final: no further member is asked, even when a running attempt ends later', async () => {
    const { clock, attempts, outcome, asked } = startHedge(['a', 'b', 'c', 'd']);
    await clock.advance(250);
    attempts[1]!.resolve('answer of b');
    await outcome;
    attempts[0]!.resolve(null);
    await clock.advance(60_000);
    expect(asked()).toEqual(['a', 'b']);
  });

  test('is null, but only after all members have failed', async () => {
    const { clock, attempts, outcome } = startHedge(['a', 'b']);
    let settled = false;
    void outcome.then(() => (settled = true));
    await clock.advance(250);
    attempts[0]!.resolve(null);
    await settle();
    expect(settled).toBe(false);
    attempts[1]!.resolve(null);
    expect(await outcome).toBeNull();
  });

  test('is null when there is no member to ask', async () => {
    expect(await startHedge([]).outcome).toBeNull();
  });

  test('is the error that an attempt throws, and the other attempts are aborted', async () => {
    const { clock, attempts, outcome } = startHedge(['a', 'b']);
    await clock.advance(250);
    attempts[0]!.reject(new Error('a broken rule'));
    await expect(outcome).rejects.toThrow('a broken rule');
    expect(attempts[1]!.signal.aborted).toBe(true);
  });
});

describe('an abort by the caller', () => {
  test('ends all attempts immediately with the reason of the abort', async () => {
    const { clock, attempts, controller, outcome, asked } = startHedge(['a', 'b', 'c', 'd']);
    await clock.advance(250);
    controller.abort(new Error('stopped'));
    await expect(outcome).rejects.toThrow('stopped');
    expect(attempts.every(({ signal }) => signal.aborted)).toBe(true);
    for (const attempt of attempts) attempt.resolve(null);
    await clock.advance(60_000);
    expect(asked()).toEqual(['a', 'b']);
  });

  test('before the start prevents every attempt', async () => {
    const controller = new AbortController();
    controller.abort(new Error('stopped'));
    const { outcome, asked } = startHedge(['a'], OPTIONS, controller);
    await expect(outcome).rejects.toThrow('stopped');
    expect(asked()).toEqual([]);
  });
});
