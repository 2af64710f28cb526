/** What a node wrote itself (protocol.md §10, Who sends what): the last entry of each key, from any place on. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WriteLog, type LogEntry } from '../../../src/store/write-log.ts';

function numbersAfter<What>(log: WriteLog<What>, mark: number): number[] {
  return [...log.after(mark)].map(({ number }) => number);
}

describe('the log of own writes', () => {
  test.each([
    [0, [10, 20, 30]],
    [9, [10, 20, 30]],
    [10, [20, 30]],
    [15, [20, 30]],
    [29, [30]],
    [30, []],
    [99, []],
  ])('after %i gives what came later', (mark, numbers) => {
    const log = new WriteLog<string>();
    for (const number of [10, 20, 30]) log.append(number, 'k', 1);
    expect(numbersAfter(log, mark)).toEqual(numbers);
  });

  test('counts an entry out once, however often it becomes void', () => {
    const log = new WriteLog<string>();
    const entry = log.append(1, 'a', 7);
    log.append(2, 'b', 5);
    log.void(entry);
    log.void(entry);
    expect(log.totals()).toEqual({ records: 1, bytes: 5 });
  });

  test('tells its listeners of every entry and of every void one, until they leave', () => {
    const heard: string[] = [];
    const log = new WriteLog<string>();
    const leave = log.listen({ onAppended: ({ number }) => heard.push(`entry ${number}`), onVoid: ({ number }) => heard.push(`void ${number}`) });
    const entry = log.append(1, 'a', 7);
    log.append(2, 'a', 7);
    log.void(entry);
    log.void(entry);
    leave();
    log.append(3, 'a', 7);
    expect(heard).toEqual(['entry 1', 'entry 2', 'void 1']);
  });

  test('holds nothing once it was emptied, and entries from before are void', () => {
    const log = new WriteLog<string>();
    const entry = log.append(1, 'a', 7);
    log.clear();
    log.void(entry);
    expect([entry.what, log.totals(), numbersAfter(log, 0)]).toEqual([null, { records: 0, bytes: 0 }, []]);
  });
});

test('whatever is written and becomes void, what comes after any mark is what a look at every entry would give', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), key: fc.nat(400), gap: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('void' as const), key: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), back: fc.nat(8_000) }) },
  );
  // Repeated, so that sweeps of void entries happen on the way.
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const log = new WriteLog<number>();
      const entries = new Map<number, LogEntry<number>>();
      let number = 0;
      for (let round = 0; round < 80; round += 1) {
        for (const action of steps) {
          if (action.kind === 'look') {
            const mark = number - (action.back * (round + 1)) / 80;
            const wanted = [...entries.values()].filter((entry) => entry.number > mark).sort((a, b) => a.number - b.number);
            expect(numbersAfter(log, mark)).toEqual(wanted.map((entry) => entry.number));
            continue;
          }
          const key = (action.key + 7 * round) % 400;
          const held = entries.get(key);
          if (held !== undefined) log.void(held);
          entries.delete(key);
          if (action.kind === 'void') continue;
          number += action.gap;
          entries.set(key, log.append(number, key, 10 + key));
        }
      }
      const bytes = [...entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
      expect(log.totals()).toEqual({ records: entries.size, bytes });
    }),
    { numRuns: 8 },
  );
});
