/** Timers fire in order, never early and never after they were cancelled, for any number of timers. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TimingWheel, type Timer } from '../../../src/store/timing-wheel.ts';

function takeAll<What>(wheel: TimingWheel<What>, nowMs: number): Timer<What>[] {
  const taken: Timer<What>[] = [];
  for (let due = wheel.takeDue(nowMs); due !== null; due = wheel.takeDue(nowMs)) taken.push(due);
  return taken;
}

describe('a timer', () => {
  test.each([
    ['is not due one millisecond before its time', 999, []],
    ['is due at its time', 1_000, ['a']],
    ['is due long after its time', 5_000_000, ['a']],
  ])('%s', (_, nowMs, due) => {
    const wheel = new TimingWheel<string>();
    wheel.schedule('a', 1_000);
    expect(takeAll(wheel, nowMs).map(({ what }) => what)).toEqual(due);
  });

  test('that was scheduled for the past is due immediately', () => {
    const wheel = new TimingWheel<string>();
    expect(wheel.takeDue(10_000)).toBeNull();
    wheel.schedule('late', 3);
    expect(wheel.takeDue(10_000)?.what).toBe('late');
  });

  test('is taken only once', () => {
    const wheel = new TimingWheel<string>();
    wheel.schedule('a', 1);
    expect(takeAll(wheel, 2)).toHaveLength(1);
    expect(takeAll(wheel, 1_000)).toEqual([]);
  });

  test('that was cancelled never fires, whether or not its slot had already been reached', () => {
    const wheel = new TimingWheel<string>();
    const near = wheel.schedule('near', 1_010);
    const far = wheel.schedule('far', 900_000);
    expect(wheel.takeDue(1_000)).toBeNull();
    wheel.cancel(near);
    wheel.cancel(far);
    expect(takeAll(wheel, 1_000_000)).toEqual([]);
  });

  test('that is scheduled after the clock was set back waits for its time', () => {
    const wheel = new TimingWheel<string>();
    expect(wheel.takeDue(10_000)).toBeNull();
    wheel.schedule('a', 9_500);
    expect(wheel.takeDue(9_499)).toBeNull();
    expect(wheel.takeDue(9_500)?.what).toBe('a');
  });

  test('still fires in order after the clock was set back and many other timers were cancelled', () => {
    const wheel = new TimingWheel<number>();
    expect(wheel.takeDue(100_000)).toBeNull();
    const scheduled = Array.from({ length: 5_000 }, (_, index) => wheel.schedule(index, 1_000 + ((index * 7_919) % 5_000)));
    for (const [index, timer] of scheduled.entries()) if (index % 4 !== 0) wheel.cancel(timer);
    const left = scheduled.filter((_, index) => index % 4 === 0).sort((a, b) => a.atMs - b.atMs);
    expect(takeAll(wheel, 3_000)).toEqual(left.filter(({ atMs }) => atMs <= 3_000));
    for (const timer of left.filter(({ atMs }) => atMs > 3_000)) wheel.cancel(timer);
    wheel.schedule(17, 4_000);
    expect(takeAll(wheel, 9_000).map(({ what }) => what)).toEqual([17]);
  });

  test('still fires when an earlier timer that is already due is cancelled', () => {
    const wheel = new TimingWheel<string>();
    const [first, second] = [wheel.schedule('first', 1_000), wheel.schedule('second', 2_000)];
    wheel.schedule('third', 8_000);
    wheel.schedule('fourth', 9_000);
    expect(wheel.takeDue(5_000)).toBe(first);
    wheel.cancel(second);
    expect(takeAll(wheel, 8_500).map(({ what }) => what)).toEqual(['third']);
    expect(takeAll(wheel, 9_500).map(({ what }) => what)).toEqual(['fourth']);
  });

  test('fires before later timers, even if time passes while the due timers are taken', () => {
    const wheel = new TimingWheel<number>();
    for (let atMs = 500; atMs <= 20_000; atMs += 500) wheel.schedule(atMs, atMs);
    const taken: (number | undefined)[] = [];
    // The calls of `takeDue` are alternately 100 ms (less than one slot) and 900 ms (more than one slot) apart.
    for (let nowMs = 2_000; taken.length < 40; nowMs += taken.length % 2 === 0 ? 100 : 900) taken.push(wheel.takeDue(nowMs)?.what);
    expect(taken).toEqual(Array.from({ length: 40 }, (_, index) => 500 * (index + 1)));
  });

  test('fires before a later timer, even when it was scheduled for the past and a neighbouring timer was cancelled', () => {
    const wheel = new TimingWheel<string>();
    const [, second] = [1_000, 2_000, 3_000, 4_000].map((atMs) => wheel.schedule(`at ${atMs}`, atMs));
    expect(wheel.takeDue(9_000)?.what).toBe('at 1000');
    wheel.schedule('at 3500', 3_500);
    wheel.cancel(second!);
    expect(takeAll(wheel, 9_000).map(({ what }) => what)).toEqual(['at 3000', 'at 3500', 'at 4000']);
  });

  test.each([
    ['the same time', (): number => 5_000],
    ['times that are far apart', (index: number): number => index * 1_000],
  ])('fires even if it is one of 300,000 timers with %s', (_, atMs) => {
    const wheel = new TimingWheel<number>();
    for (let index = 0; index < 300_000; index += 1) wheel.schedule(index, atMs(index));
    let count = 0;
    while (wheel.takeDue(300_000_000) !== null) count += 1;
    expect(count).toBe(300_000);
  });
});

test('for any sequence of scheduling, cancelling and taking, exactly the due timers fire, in order of time', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('schedule' as const), inMs: fc.oneof(fc.integer({ min: -600, max: 900 }), fc.nat(6_000), fc.nat(100_000)) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(40) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.oneof(fc.integer({ min: -300, max: 900 }), fc.nat(3_000), fc.nat(200_000)) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), atMost: fc.nat(4) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const wheel = new TimingWheel<number>();
      const scheduled: Timer<number>[] = [];
      const open = new Set<Timer<number>>();
      let nowMs = 1_000_000;
      const take = (): void => {
        const due = [...open].filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
        expect([...wheel.due(nowMs)].sort()).toEqual(due.map(({ what }) => what).sort());
        const taken = wheel.takeDue(nowMs);
        expect(taken?.atMs).toBe(due[0]?.atMs);
        if (taken === null) return;
        expect(open.delete(taken)).toBe(true);
      };
      for (const action of steps) {
        if (action.kind === 'schedule') {
          const timer = wheel.schedule(scheduled.length, nowMs + action.inMs);
          scheduled.push(timer);
          open.add(timer);
        }
        const timer = action.kind === 'cancel' ? scheduled[action.which] : undefined;
        if (timer !== undefined) {
          wheel.cancel(timer);
          open.delete(timer);
        }
        if (action.kind === 'wait') nowMs += action.ms;
        if (action.kind === 'take') for (let count = 0; count <= action.atMost; count += 1) take();
      }
      nowMs += 1_000_000;
      for (let left = open.size; left >= 0; left -= 1) take();
      expect(open.size).toBe(0);
    }),
    { numRuns: 300 },
  );
});
