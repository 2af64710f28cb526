/**
 * A node never sends a record in a form that peers must refuse (protocol.md §4, Refused; §10, Bounds), regardless of what members have sent
 * to it and what apps have written. The stores are real, and there is no network.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WireRecord } from '../../../src/domain/records.ts';
import { parseStrictJson } from '../../../src/enclave/emulator/strict-json.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { snapshotPage } from '../../../src/sync/snapshot-page.ts';
import { bytesOf, openStore, START_MS } from '../store/open-store.ts';

const APP = '7';
/** The time at the peer. It is so late that no record is too far ahead of it. */
const LATER_MS = START_MS + 30_000;
/** The maximum size of a page, in bytes of JSON text. It is the smallest `max_bytes` that a request may have. */
const PAGE_BYTES = 4_096;

const hexOf = (length: number): string => '01'.repeat(length);
const clock = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom('old', 'x/1', '__proto__', '', '\ud800'), fc.string({ maxLength: 130 })), fc.oneof(fc.nat(5), fc.constantFrom(START_MS, 2 ** 52, 2 ** 52 + 1, -1))), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries));
/** The number of entries in a clock, up to the limit for one record. Only the number is generated, so that a failing example stays readable. */
const largeClock = fc.integer({ min: 1, max: 1_024 });
const counts = (size: number): Record<string, number> => Object.fromEntries(Array.from({ length: size }, (_, index) => [`${index}/${size}`, index + 1]));
const key = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('k', '\u0000"\\', '😀') }, { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 20 }) });
const content = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(hexOf(28), hexOf(1_000)).map((value) => ({ value, tombstone: false })) },
  { weight: 2, arbitrary: fc.constant({ value: null, tombstone: true }) },
  { weight: 1, arbitrary: fc.record({ value: fc.constantFrom(hexOf(27), hexOf(1_153), null, 'zz'), tombstone: fc.boolean() }) },
);
const foreign = fc
  .record({
    key: fc.oneof({ weight: 3, arbitrary: key }, { weight: 1, arbitrary: fc.constantFrom('', '\ud800') }),
    content,
    version: fc.oneof(clock, largeClock),
    updated_at_ms: fc.constantFrom(START_MS, START_MS - 5, START_MS + 15_000, START_MS + 15_001),
    ttl_ms: fc.constantFrom(0, 1, 2 ** 53 - 1),
  })
  .map(({ content: { value, tombstone }, ...rest }) => ({ ...rest, value, tombstone }));
const action = fc.oneof(
  { weight: 3, arbitrary: foreign.map((record) => ({ do: 'merge' as const, record })) },
  { weight: 2, arbitrary: key.map((written) => ({ do: 'put' as const, key: written })) },
  { weight: 1, arbitrary: key.map((written) => ({ do: 'delete' as const, key: written })) },
);

function expectTaken(by: RecordStore, records: Iterable<{ readonly appId: string; readonly record: WireRecord }>): void {
  for (const { appId, record } of records) {
    // Nodes written in other languages parse JSON strictly: a single lone surrogate would make them refuse the whole body.
    const sent = parseStrictJson(Buffer.from(JSON.stringify(record)));
    expect([record.key.slice(0, 20), by.merge(appId, sent, LATER_MS)]).toEqual([record.key.slice(0, 20), expect.not.objectContaining({ kind: 'rejected' })]);
  }
}

test('another node accepts all records from pushes, anti-entropy and snapshots, regardless of what this node merged and wrote before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 60 }), async (actions) => {
      const { store } = openStore('a');
      for (const step of actions) {
        if (step.do === 'merge') {
          const { version } = step.record;
          store.merge(APP, { ...step.record, version: typeof version === 'number' ? counts(version) : version }, START_MS);
        } else if (step.do === 'put') store.put(APP, step.key, bytesOf(28), 0, START_MS);
        else store.delete(APP, step.key, START_MS);
      }
      expectTaken(openStore('b').store, store.writesAfter(0));
      expectTaken(openStore('c').store, store.walk({}));
      const modules = { store, clock: { monotonicMs: () => 0 }, yieldNow: async () => undefined };
      const pages: { appId: string; record: WireRecord }[] = [];
      for (let cursor: string | undefined, asked = 0; ; asked += 1) {
        expect(asked).toBeLessThan(200);
        const page = await snapshotPage({ cursor }, PAGE_BYTES, modules);
        const records = Object.entries(page.data).flatMap(([appId, each]) => each.map((record) => ({ appId, record })));
        // Only a page with a single record may exceed the page size.
        if (records.length > 1) expect(Buffer.byteLength(JSON.stringify(page.data))).toBeLessThanOrEqual(PAGE_BYTES);
        pages.push(...records);
        if (page.nextCursor === null) break;
        cursor = page.nextCursor;
      }
      expect(pages).toHaveLength([...store.walk({})].length);
      expectTaken(openStore('d').store, pages);
    }),
    { numRuns: 150 },
  );
});
