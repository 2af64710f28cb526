/**
 * A node keeps the latest entries of its audit log (docs/audit.md): in order, without holes, and within two limits. It counts and reports
 * the entries that it drops.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AUDIT_LIMITS } from '../../../src/audit/trail.ts';
import type { AuditEvent } from '../../../src/domain/audit.ts';
import { auditOf, derived, readAll, verify } from './audit-of.ts';

const numbersOf = (entries: readonly Readonly<Record<string, unknown>>[]): unknown[] => entries.map((entry) => entry['seq'] ?? `${String(entry['from'])}-${String(entry['to'])}`);

describe('a page', () => {
  test('has the requested number of entries after a sequence number, and says whether more entries follow', () => {
    const { trail, page } = auditOf();
    for (let number = 0; number < 5; number += 1) trail.record(derived(number));
    expect(numbersOf(page(0).entries)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(page(0)).toMatchObject({ more: false, entries: [{ op: 'start', chain: page(0).chain }, ...Array.from({ length: 5 }, () => ({ op: 'derive' }))] });
    expect([numbersOf(page(2, 2).entries), page(2, 2).more]).toEqual([[3, 4], true]);
    expect([numbersOf(page(4, 2).entries), page(4, 2).more]).toEqual([[5, 6], false]);
  });

  test.each([6, 7, Number.MAX_SAFE_INTEGER])('is empty after sequence number %d if the audit log has 6 entries', (after) => {
    const { trail, page } = auditOf();
    for (let number = 0; number < 5; number += 1) trail.record(derived(number));
    expect(page(after)).toEqual({ chain: page(0).chain, entries: [], more: false });
  });

  test('contains the id of its chain, which is different after each start', () => {
    expect(auditOf().page(9).chain).toMatch(/^[0-9a-f]{32}$/);
    expect(auditOf(AUDIT_LIMITS, 'again').page(9).chain).not.toBe(auditOf().page(9).chain);
  });

  test('contains each event with all its fields and its time', () => {
    const { trail, page } = auditOf();
    trail.record(derived(3, 'forbidden'));
    expect(page(1).entries).toEqual([
      { app_id: 1_003, at_ms: 1_790_000_000_000, op: 'derive', outcome: 'forbidden', seq: 2, target: '3'.padStart(32, '0'), wallet: `0x${'ab'.repeat(20)}`, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });
});

describe('the order of the entries', () => {
  test('is the order in which they were recorded, even if a checkpoint is added right after an event', () => {
    const { trail, wallet } = auditOf();
    for (let number = 0; number < 3; number += 1) {
      const point = trail.pointToSign();
      for (let event = 0; event <= 70 * number; event += 1) trail.record(derived(event));
      trail.addCheckpoint({ ...point, wallet, signature: '0x' });
    }
    const written = readAll(trail).map(({ op, app_id: appId }) => (op === 'derive' ? Number(appId) - 1_000 : op));
    const upTo = (last: number): number[] => Array.from({ length: last + 1 }, (_, number) => number);
    expect(written).toEqual(['start', ...upTo(0), 'checkpoint', ...upTo(70), 'checkpoint', ...upTo(140), 'checkpoint']);
  });
});

describe('a path or key', () => {
  const asked = (kind: 'derive' | 'data', text: string): AuditEvent => ({ ...derived(1), target: { kind, text } });

  test('is recorded as its tag, made with the key that is in use when the event is written into the chain', () => {
    let key = 'first';
    const { trail, page } = auditOf(AUDIT_LIMITS, 'tags', (kind, appId, text) => `${key}/${kind}/${appId}/${text}`);
    trail.record(asked('derive', 'path'));
    trail.writeWaiting();
    key = 'second';
    trail.record(asked('data', 'key'));
    trail.record(derived(2));
    expect(page(1).entries.map(({ target }) => target)).toEqual(['first/derive/1001/path', 'second/data/1001/key', '2'.padStart(32, '0')]);
  });

  test.each([
    ['64 events', 64, 1],
    ['64 KiB of paths and keys', 3, 32_768],
  ])('waits for its tag until %s are waiting', (_, count, chars) => {
    let tags = 0;
    const { trail } = auditOf(AUDIT_LIMITS, 'tags', () => {
      tags += 1;
      return null;
    });
    for (let number = 1; number < count; number += 1) trail.record(asked('data', 'k'.repeat(chars)));
    expect(tags).toBe(0);
    trail.record(asked('data', 'k'.repeat(chars)));
    expect(tags).toBe(count);
  });
});

describe('without a reader,', () => {
  test('an audit log that gets 100,000 entries stays within both limits: the oldest entries are dropped and counted', async () => {
    const { trail, checkpoint } = auditOf();
    let most = 0;
    for (let number = 0; number < 100_000; number += 1) {
      trail.record(derived(number));
      if (number % 1_000 === 0) await checkpoint();
      most = Math.max(most, trail.bytes);
    }
    expect(most).toBeLessThanOrEqual(AUDIT_LIMITS.maxBytes);
    const kept = trail.last.sequence - trail.dropped;
    expect(kept).toBeLessThanOrEqual(AUDIT_LIMITS.maxEntries);
    expect(kept).toBeGreaterThan(AUDIT_LIMITS.maxEntries / 2);
    expect(trail.dropped).toBeGreaterThan(30_000);
  });

  test('all dropped entries are shown as one gap, and the chain continues after the gap', async () => {
    const { trail, checkpoint } = auditOf({ maxEntries: 8, maxBytes: 1_000_000 });
    for (let number = 0; number < 20; number += 1) trail.record(derived(number));
    expect(trail.dropped).toBe(13);
    const lines = [...readAll(trail)];
    expect(lines[0]).toMatchObject({ op: 'gap', from: 1, to: 14 });
    expect(lines.at(-1)).toMatchObject({ op: 'dropped', seq: 22, up_to: 14 });
    expect(verify(lines).problems).toHaveLength(1);
    await checkpoint();
    lines.push(...readAll(trail, 22));
    expect(verify(lines)).toMatchObject({ chains: 1, problems: [], missing: 14 });
  });
});

test.each([
  ['entries', { maxEntries: 8, maxBytes: 1_000_000 }],
  ['bytes', { maxEntries: 1_000, maxBytes: 1_800 }],
])('an audit log that has reached its limit on %s drops no further entries when the enclave repeatedly fails to sign', async (_, limits) => {
  const { trail, checkpoint, wallet } = auditOf(limits);
  for (let number = 0; number < 20; number += 1) trail.record(derived(number));
  const point = trail.pointToSign();
  const { dropped } = trail;
  for (let attempt = 0; attempt < 20; attempt += 1) expect(trail.pointToSign()).toEqual(point);
  await checkpoint();
  expect(trail.dropped).toBe(dropped);
  expect(verify(readAll(trail), [wallet])).toMatchObject({ problems: [], unsigned: 0, missing: dropped });
});

describe('an audit log that has ended', () => {
  test('records no more events, and its last entry is the checkpoint that covers all other entries', async () => {
    const { trail, checkpoint, wallet } = auditOf();
    trail.record(derived(1));
    trail.end();
    await checkpoint();
    trail.record(derived(2));
    expect(readAll(trail).map(({ op }) => op)).toEqual(['start', 'derive', 'checkpoint']);
    expect(verify(readAll(trail), [wallet])).toMatchObject({ problems: [], unsigned: 0 });
  });

  test.each([
    ['entries', { maxEntries: 8, maxBytes: 1_000_000 }],
    ['bytes', { maxEntries: 1_000, maxBytes: 2_000 }],
  ])('is covered by its last checkpoint even if the limit on %s is reached', async (_, limits) => {
    const { trail, checkpoint, wallet } = auditOf(limits);
    for (let number = 0; number < 20; number += 1) trail.record(derived(number));
    trail.end();
    await checkpoint();
    const { sequence } = trail.last;
    expect(verify(readAll(trail), [wallet])).toMatchObject({ problems: [], unsigned: 0 });
    expect(trail.last.sequence).toBe(sequence);
  });
});

test('a reader that reads only from time to time gets every entry, or a gap in place of entries that the node reports as dropped', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('record' as const), count: fc.nat(12) }),
    fc.constant({ kind: 'read' as const }),
    fc.constant({ kind: 'checkpoint' as const }),
  );
  const limits = fc.record({ maxEntries: fc.integer({ min: 8, max: 20 }), maxBytes: fc.integer({ min: 1_500, max: 5_000 }) });
  await fc.assert(
    fc.asyncProperty(limits, fc.array(step, { maxLength: 40 }), async (given, steps) => {
      const { trail, checkpoint } = auditOf(given);
      const read: Readonly<Record<string, unknown>>[] = [];
      const catchUp = (): void => void read.push(...readAll(trail, (read.at(-1)?.['seq'] as number | undefined) ?? 0));
      for (const taken of steps) {
        if (taken.kind === 'record') for (let number = 0; number < taken.count; number += 1) trail.record(derived(number));
        else if (taken.kind === 'read') catchUp();
        else await checkpoint();
        expect(trail.bytes).toBeLessThanOrEqual(given.maxBytes);
        expect(trail.last.sequence - trail.dropped).toBeLessThanOrEqual(given.maxEntries);
      }
      catchUp();
      await checkpoint();
      catchUp();
      const report = verify(read);
      expect(report.problems).toEqual([]);
      expect(report.entries + report.missing).toBe(trail.last.sequence);
    }),
    { numRuns: 100 },
  );
});
