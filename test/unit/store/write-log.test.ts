/** What a node wrote itself (protocol.md §10, Who sends what): the last line of each key, from any place on. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WriteLog, type LogLine } from '../../../src/store/write-log.ts';

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

  test('counts a line out once, however often it becomes void', () => {
    const log = new WriteLog<string>();
    const line = log.append(1, 'a', 7);
    log.append(2, 'b', 5);
    log.void(line);
    log.void(line);
    expect(log.totals()).toEqual({ records: 1, bytes: 5 });
  });

  test('tells its listeners of every line and of every void one, until they leave', () => {
    const heard: string[] = [];
    const log = new WriteLog<string>();
    const leave = log.listen({ onLine: ({ number }) => heard.push(`line ${number}`), onVoid: ({ number }) => heard.push(`void ${number}`) });
    const line = log.append(1, 'a', 7);
    log.append(2, 'a', 7);
    log.void(line);
    log.void(line);
    leave();
    log.append(3, 'a', 7);
    expect(heard).toEqual(['line 1', 'line 2', 'void 1']);
  });

  test('holds nothing once it was emptied, and lines from before are void', () => {
    const log = new WriteLog<string>();
    const line = log.append(1, 'a', 7);
    log.clear();
    log.void(line);
    expect([line.what, log.totals(), numbersAfter(log, 0)]).toEqual([null, { records: 0, bytes: 0 }, []]);
  });
});

test('whatever is written and becomes void, what comes after any mark is what a look at every line would give', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), key: fc.nat(400), gap: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('void' as const), key: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), back: fc.nat(8_000) }) },
  );
  // Repeated, so that sweeps of void lines happen on the way.
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const log = new WriteLog<number>();
      const lines = new Map<number, LogLine<number>>();
      let number = 0;
      for (let round = 0; round < 80; round += 1) {
        for (const action of steps) {
          if (action.kind === 'look') {
            const mark = number - (action.back * (round + 1)) / 80;
            const wanted = [...lines.values()].filter((line) => line.number > mark).sort((a, b) => a.number - b.number);
            expect(numbersAfter(log, mark)).toEqual(wanted.map((line) => line.number));
            continue;
          }
          const key = (action.key + 7 * round) % 400;
          const held = lines.get(key);
          if (held !== undefined) log.void(held);
          lines.delete(key);
          if (action.kind === 'void') continue;
          number += action.gap;
          lines.set(key, log.append(number, key, 10 + key));
        }
      }
      const bytes = [...lines.values()].reduce((sum, line) => sum + line.bytes, 0);
      expect(log.totals()).toEqual({ records: lines.size, bytes });
    }),
    { numRuns: 8 },
  );
});
