/** The log of a node's own writes (protocol.md §10, Who sends what): it returns the entries above a given sequence number. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WriteLog, type LogEntry } from '../../../src/store/write-log.ts';

function numbersAfter<What>(log: WriteLog<What>, above: number): number[] {
  return [...log.after(above)].map(({ sequenceNumber }) => sequenceNumber);
}

describe("the log of a node's own writes", () => {
  test.each([
    [0, [10, 20, 30]],
    [9, [10, 20, 30]],
    [10, [20, 30]],
    [15, [20, 30]],
    [29, [30]],
    [30, []],
    [99, []],
  ])('returns only the entries after the sequence number %i', (above, numbers) => {
    const log = new WriteLog<string>();
    for (const sequenceNumber of [10, 20, 30]) log.append(sequenceNumber, 'k', 1);
    expect(numbersAfter(log, above)).toEqual(numbers);
  });

  test('subtracts an entry only once from its totals, even if the entry is superseded several times', () => {
    const log = new WriteLog<string>();
    const entry = log.append(1, 'a', 7);
    log.append(2, 'b', 5);
    log.supersede(entry);
    log.supersede(entry);
    expect(log.totals()).toEqual({ records: 1, bytes: 5 });
  });

  test('reports every new and every superseded entry to its listeners until they stop listening', () => {
    const heard: string[] = [];
    const log = new WriteLog<string>();
    const leave = log.listen({ onAppended: ({ sequenceNumber }) => heard.push(`entry ${sequenceNumber}`), onSuperseded: ({ sequenceNumber }) => heard.push(`superseded ${sequenceNumber}`) });
    const entry = log.append(1, 'a', 7);
    log.append(2, 'a', 7);
    log.supersede(entry);
    log.supersede(entry);
    leave();
    log.append(3, 'a', 7);
    expect(heard).toEqual(['entry 1', 'entry 2', 'superseded 1']);
  });

  test('is empty after it is cleared, and its earlier entries are superseded', () => {
    const log = new WriteLog<string>();
    const entry = log.append(1, 'a', 7);
    log.clear();
    log.supersede(entry);
    expect([entry.what, log.totals(), numbersAfter(log, 0)]).toEqual([null, { records: 0, bytes: 0 }, []]);
  });
});

test('after any writes, the entries after any sequence number equal the result of a scan of all entries', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), key: fc.nat(400), gap: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), key: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), back: fc.nat(8_000) }) },
  );
  // The steps are repeated, so that enough entries become superseded for the log to remove some of them during the test.
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const log = new WriteLog<number>();
      const entries = new Map<number, LogEntry<number>>();
      let sequenceNumber = 0;
      for (let round = 0; round < 80; round += 1) {
        for (const action of steps) {
          if (action.kind === 'look') {
            const above = sequenceNumber - (action.back * (round + 1)) / 80;
            const wanted = [...entries.values()].filter((entry) => entry.sequenceNumber > above).sort((a, b) => a.sequenceNumber - b.sequenceNumber);
            expect(numbersAfter(log, above)).toEqual(wanted.map((entry) => entry.sequenceNumber));
            continue;
          }
          const key = (action.key + 7 * round) % 400;
          const held = entries.get(key);
          if (held !== undefined) log.supersede(held);
          entries.delete(key);
          if (action.kind === 'drop') continue;
          sequenceNumber += action.gap;
          entries.set(key, log.append(sequenceNumber, key, 10 + key));
        }
      }
      const bytes = [...entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
      expect(log.totals()).toEqual({ records: entries.size, bytes });
    }),
    { numRuns: 8 },
  );
});
