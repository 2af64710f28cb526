/**
 * A field run is only as good as its ledger: which values the ledger calls right, old, absent or foreign, depending on what was
 * acknowledged, when and by whom.
 */
import { describe, expect, test } from '@jest/globals';
import { Ledger } from '../../../bench/field/ledger.ts';

const [A, B] = ['https://a.test', 'https://b.test'];
/** A version acknowledged before this time must be there. */
const SETTLED_MS = 1_000;
const WINDOW_MS = 100;

/** One version of a key: how it was written, and when and by whom it was acknowledged. */
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

describe('a node that gives', () => {
  test.each<[string, readonly Written[], number | 'nothing', string]>([
    ['the last version', [OLD, { atMs: 600 }], 1, 'right'],
    ['the one before a version that others may not have yet', [OLD, FRESH], 0, 'right'],
    ['the one before a version that has long been acknowledged', [OLD, { atMs: 600 }], 0, 'old'],
    ['a version that was never acknowledged', [OLD, {}], 1, 'right'],
    ['what was deleted long before', [OLD, DELETED], 0, 'old'],
    ['nothing, where something was acknowledged long before', [OLD], 'nothing', 'absent'],
    ['nothing, where it was deleted', [OLD, DELETED], 'nothing', 'right'],
    ['nothing, where a delete may have been carried out', [OLD, { isDelete: true }], 'nothing', 'right'],
    ['nothing, where something was written after the delete', [DELETED, { atMs: 700 }], 'nothing', 'absent'],
    ['nothing, where nothing has been acknowledged for long', [FRESH], 'nothing', 'right'],
  ])('%s', (_, versions, seen, verdict) => {
    const { texts, judge } = ledgerOf(versions);
    expect(judge(seen === 'nothing' ? null : texts[seen]!)).toBe(verdict);
  });

  test.each(['', 'app k 7', `other k 1 ${'.'.repeat(40)}`, `app k 9 ${'.'.repeat(40)}`])('%j, never written, is foreign', (seen) => {
    expect(ledgerOf([OLD]).judge(seen)).toBe('foreign');
  });
});

describe('a node that died', () => {
  test.each<[string, Written, string, number, string]>([
    ['a moment after it had acknowledged alone', OLD, A, 550, 'right'],
    ['long after it had acknowledged', OLD, A, 601, 'absent'],
    ['before it had acknowledged', OLD, A, 499, 'absent'],
    ['while others had it as well', { ...OLD, byOthers: true }, A, 550, 'absent'],
    ['and had not acknowledged it', OLD, B, 550, 'absent'],
  ])('%s: a missing value is excused or a loss', (_, written, url, diedMs, verdict) => {
    const { ledger, judge } = ledgerOf([written]);
    ledger.noteDeath(url, diedMs, WINDOW_MS);
    expect(judge(null)).toBe(verdict);
    expect(ledger.excused).toBe(verdict === 'right' ? 1 : 0);
  });
});

test('each acknowledged version is checked once, and not before its time', () => {
  const { ledger } = ledgerOf([OLD, FRESH, {}]);
  expect([ledger.takeDue(400), ledger.takeDue(1_000)?.version.number, ledger.takeDue(1_000), ledger.takeDue(2_000)?.version.number, ledger.takeDue(2_000)]).toEqual([null, 1, null, 2, null]);
});
