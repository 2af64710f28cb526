/** Appointments: what is due comes in order, never early, never once it was taken back, however many there are. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Calendar, type Appointment } from '../../../src/store/calendar.ts';

function takeAll<What>(calendar: Calendar<What>, nowMs: number): Appointment<What>[] {
  const taken: Appointment<What>[] = [];
  for (let due = calendar.takeDue(nowMs); due !== null; due = calendar.takeDue(nowMs)) taken.push(due);
  return taken;
}

describe('an appointment', () => {
  test.each([
    ['one millisecond before its time', 999, []],
    ['at its time', 1_000, ['a']],
    ['long after its time', 5_000_000, ['a']],
  ])('is due or not %s', (_, nowMs, due) => {
    const calendar = new Calendar<string>();
    calendar.book('a', 1_000);
    expect(takeAll(calendar, nowMs).map(({ what }) => what)).toEqual(due);
  });

  test('that was booked for the past is due at once', () => {
    const calendar = new Calendar<string>();
    expect(calendar.takeDue(10_000)).toBeNull();
    calendar.book('late', 3);
    expect(calendar.takeDue(10_000)?.what).toBe('late');
  });

  test('is due once', () => {
    const calendar = new Calendar<string>();
    calendar.book('a', 1);
    expect(takeAll(calendar, 2)).toHaveLength(1);
    expect(takeAll(calendar, 1_000)).toEqual([]);
  });

  test('that was taken back never comes, whether its slot was reached or not', () => {
    const calendar = new Calendar<string>();
    const near = calendar.book('near', 1_010);
    const far = calendar.book('far', 900_000);
    expect(calendar.takeDue(1_000)).toBeNull();
    calendar.cancel(near);
    calendar.cancel(far);
    expect(takeAll(calendar, 1_000_000)).toEqual([]);
  });

  test('waits for its time again after the clock was set back', () => {
    const calendar = new Calendar<string>();
    expect(calendar.takeDue(10_000)).toBeNull();
    calendar.book('a', 9_500);
    expect(calendar.takeDue(9_499)).toBeNull();
    expect(calendar.takeDue(9_500)?.what).toBe('a');
  });

  test('comes in its turn after the clock was set back and many others were taken back since', () => {
    const calendar = new Calendar<number>();
    expect(calendar.takeDue(100_000)).toBeNull();
    const booked = Array.from({ length: 5_000 }, (_, index) => calendar.book(index, 1_000 + ((index * 7_919) % 5_000)));
    for (const [index, appointment] of booked.entries()) if (index % 4 !== 0) calendar.cancel(appointment);
    const left = booked.filter((_, index) => index % 4 === 0).sort((a, b) => a.atMs - b.atMs);
    expect(takeAll(calendar, 3_000)).toEqual(left.filter(({ atMs }) => atMs <= 3_000));
    for (const appointment of left.filter(({ atMs }) => atMs > 3_000)) calendar.cancel(appointment);
    calendar.book(17, 4_000);
    expect(takeAll(calendar, 9_000).map(({ what }) => what)).toEqual([17]);
  });

  test('comes although all before it were taken back while they waited', () => {
    const calendar = new Calendar<string>();
    const [first, second] = [calendar.book('first', 1_000), calendar.book('second', 2_000)];
    calendar.book('third', 8_000);
    calendar.book('fourth', 9_000);
    expect(calendar.takeDue(5_000)).toBe(first);
    calendar.cancel(second);
    expect(takeAll(calendar, 8_500).map(({ what }) => what)).toEqual(['third']);
    expect(takeAll(calendar, 9_500).map(({ what }) => what)).toEqual(['fourth']);
  });

  test('comes before those whose time came later, while time goes on between one and the next', () => {
    const calendar = new Calendar<number>();
    for (let atMs = 500; atMs <= 20_000; atMs += 500) calendar.book(atMs, atMs);
    const taken: (number | undefined)[] = [];
    // Less than one slot, then more than one, for each that is taken.
    for (let nowMs = 2_000; taken.length < 40; nowMs += taken.length % 2 === 0 ? 100 : 900) taken.push(calendar.takeDue(nowMs)?.what);
    expect(taken).toEqual(Array.from({ length: 40 }, (_, index) => 500 * (index + 1)));
  });

  test('comes before a later one that was booked for the past, although its neighbours were taken back', () => {
    const calendar = new Calendar<string>();
    const [, second] = [1_000, 2_000, 3_000, 4_000].map((atMs) => calendar.book(`at ${atMs}`, atMs));
    expect(calendar.takeDue(9_000)?.what).toBe('at 1000');
    calendar.book('at 3500', 3_500);
    calendar.cancel(second!);
    expect(takeAll(calendar, 9_000).map(({ what }) => what)).toEqual(['at 3000', 'at 3500', 'at 4000']);
  });

  test.each([
    ['one moment', (): number => 5_000],
    ['moments far apart', (index: number): number => index * 1_000],
  ])('is one of 300,000 at %s, all of which come', (_, atMs) => {
    const calendar = new Calendar<number>();
    for (let index = 0; index < 300_000; index += 1) calendar.book(index, atMs(index));
    let count = 0;
    while (calendar.takeDue(300_000_000) !== null) count += 1;
    expect(count).toBe(300_000);
  });
});

test('whatever is booked, taken back and taken at whatever times: all that is due comes, in order of time, and nothing else', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('book' as const), inMs: fc.oneof(fc.integer({ min: -600, max: 900 }), fc.nat(6_000), fc.nat(100_000)) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(40) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.oneof(fc.integer({ min: -300, max: 900 }), fc.nat(3_000), fc.nat(200_000)) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), atMost: fc.nat(4) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const calendar = new Calendar<number>();
      const booked: Appointment<number>[] = [];
      const open = new Set<Appointment<number>>();
      let nowMs = 1_000_000;
      const take = (): void => {
        const due = [...open].filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
        const taken = calendar.takeDue(nowMs);
        expect(taken?.atMs).toBe(due[0]?.atMs);
        if (taken === null) return;
        expect(open.delete(taken)).toBe(true);
      };
      for (const action of steps) {
        if (action.kind === 'book') {
          const appointment = calendar.book(booked.length, nowMs + action.inMs);
          booked.push(appointment);
          open.add(appointment);
        }
        const appointment = action.kind === 'cancel' ? booked[action.which] : undefined;
        if (appointment !== undefined) {
          calendar.cancel(appointment);
          open.delete(appointment);
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
