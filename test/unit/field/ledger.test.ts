/**
 * The ledger of a field run decides whether a value is right, old, absent or foreign. The verdict depends on what was acknowledged,
 * when and by which node.
 */
import { describe, expect, test } from '@jest/globals';
import { Ledger } from '../../../bench/field/ledger.ts';

const [A, B] = ['https://a.test', 'https://b.test'];
/** A version that was acknowledged before this time must be present. */
const SETTLED_MS = 1_000;
const WINDOW_MS = 100;

/** One version of a key: whether it is a delete, and when and by which node it was acknowledged. */
interface Written {
  readonly isDelete?: boolean;
  readonly atMs?: number;
  readonly by?: string;
  readonly byOthers?: boolean;
}

function ledgerOf(versions: readonly Written[]) {
  const ledger = new Ledger('app');
  const texts = versions.map(({ isDelete = false, atMs, by = A, byOthers = false }) => {
    const version = ledger.begin('k', isDelete);
    if (atMs !== undefined) ledger.acknowledge('k', version, { atMs, by, byOthers });
    return isDelete ? null : ledger.textOf('k', version);
  });
  return { ledger, texts, judge: (seen: string | null) => ledger.judge('k', seen, SETTLED_MS, WINDOW_MS) };
}

const OLD = { atMs: 500 };
const DELETED = { atMs: 600, isDelete: true };
const FRESH = { atMs: 1_500 };

describe('a node that returns', () => {
  test.each<[string, readonly Written[], number | 'nothing', string]>([
    ['the last version: the value is right', [OLD, { atMs: 600 }], 1, 'right'],
    ['the previous version, while other nodes may not have the last version yet: the value is right', [OLD, FRESH], 0, 'right'],
    ['the previous version, although the last version was acknowledged long ago: the value is old', [OLD, { atMs: 600 }], 0, 'old'],
    ['a version that was never acknowledged: the value is right', [OLD, {}], 1, 'right'],
    ['a version that was deleted long ago: the value is old', [OLD, DELETED], 0, 'old'],
    ['nothing, although a version was acknowledged long ago: the value is absent', [OLD], 'nothing', 'absent'],
    ['nothing, after a delete: the answer is right', [OLD, DELETED], 'nothing', 'right'],
    ['nothing, when a delete may have happened although it was not acknowledged: the answer is right', [OLD, { isDelete: true }], 'nothing', 'right'],
    ['nothing, although a version was written after the delete: the value is absent', [DELETED, { atMs: 700 }], 'nothing', 'absent'],
    ['nothing, when the only version was acknowledged recently: the answer is right', [FRESH], 'nothing', 'right'],
  ])('%s', (_, versions, seen, verdict) => {
    const { texts, judge } = ledgerOf(versions);
    expect(judge(seen === 'nothing' ? null : texts[seen]!)).toBe(verdict);
  });

  test.each(['', 'app k 7', `other k 1 ${'.'.repeat(40)}`, `app k 9 ${'.'.repeat(40)}`])('%j, which was never written: the value is foreign', (seen) => {
    expect(ledgerOf([OLD]).judge(seen)).toBe('foreign');
  });
});

describe('a node that died', () => {
  test.each<[string, Written, string, number, string]>([
    ['shortly after it alone had acknowledged the write: the missing value is excused', OLD, A, 550, 'right'],
    ['long after it had acknowledged the write: the missing value counts as lost', OLD, A, 601, 'absent'],
    ['before it had acknowledged the write: the missing value counts as lost', OLD, A, 499, 'absent'],
    ['when other nodes had the write too: the missing value counts as lost', { ...OLD, byOthers: true }, A, 550, 'absent'],
    ['without having acknowledged the write: the missing value counts as lost', OLD, B, 550, 'absent'],
  ])('%s', (_, written, url, diedMs, verdict) => {
    const { ledger, judge } = ledgerOf([written]);
    ledger.noteDeath(url, diedMs, WINDOW_MS);
    expect(judge(null)).toBe(verdict);
    expect(ledger.excused).toBe(verdict === 'right' ? 1 : 0);
  });
});

test('each acknowledged version is checked once, and not before its check is due', () => {
  const { ledger } = ledgerOf([OLD, FRESH, {}]);
  expect([ledger.takeDue(400), ledger.takeDue(1_000)?.version.number, ledger.takeDue(1_000), ledger.takeDue(2_000)?.version.number, ledger.takeDue(2_000)]).toEqual([null, 1, null, 2, null]);
});
