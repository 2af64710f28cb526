/** The first snapshot (protocol.md §10): when a process with an empty store may become ready. */
import { describe, expect, test } from '@jest/globals';
import {
  breakRow,
  judgeFirstSnapshot,
  roundInVain,
  SNAPSHOT_COMPLETE,
  SNAPSHOT_MISSING,
  type FirstSnapshotProgress,
  type SnapshotRound,
} from '../../../src/machines/first-snapshot.ts';

const BEAT_MS = 60_000;

function after(rounds: readonly (SnapshotRound & { atMs: number })[], from: FirstSnapshotProgress = SNAPSHOT_MISSING) {
  return rounds.reduce((progress, round) => judgeFirstSnapshot(progress, round, round.atMs, round.atMs + 10, BEAT_MS), from);
}

describe('a first snapshot counts as complete when', () => {
  test.each<[string, SnapshotRound]>([
    ['there is no other member', { others: 0, asked: 0, answered: 0, complete: false }],
    ['a member sent a complete snapshot, even if other members were not asked or did not answer', { others: 4, asked: 2, answered: 1, complete: true }],
    ['every other member sent its snapshot in the same tick, complete or not', { others: 3, asked: 3, answered: 3, complete: false }],
  ])('%s', (_, round) => {
    expect(after([{ ...round, atMs: 0 }])).toBe(SNAPSHOT_COMPLETE);
  });
});

describe('a first snapshot stays missing when', () => {
  const silent = { others: 2, asked: 2, answered: 1, complete: false };

  test.each<[string, readonly (SnapshotRound & { atMs: number })[]]>([
    ['one of the other members did not answer', [{ ...silent, atMs: 0 }]],
    ['all members were asked three times within one node_tick interval', [0, 1_000, 2_000].map((atMs) => ({ ...silent, atMs }))],
    ['there were only two rounds, although one node_tick interval has passed', [0, 70_000].map((atMs) => ({ ...silent, atMs }))],
    [
      'one of the rounds did not ask all members',
      [
        { ...silent, atMs: 0 },
        { ...silent, asked: 1, atMs: 30_000 },
        { ...silent, atMs: 61_000 },
        { ...silent, atMs: 62_000 },
      ],
    ],
  ])('%s', (_, rounds) => {
    expect(after(rounds).state).toBe('missing');
  });
});

describe('a node without a first snapshot', () => {
  const silent = { others: 2, asked: 2, answered: 1, complete: false };
  const inVain = after([0, 1_000, 60_000].map((atMs) => ({ ...silent, atMs })));

  test('becomes ready after three consecutive rounds that asked every member in vain, if the first round began at least one node_tick interval ago', () => {
    expect(inVain.state).toBe('none');
  });

  test('accepts a complete snapshot even after it has become ready', () => {
    expect(after([{ ...silent, complete: true, atMs: 120_000 }], inVain)).toBe(SNAPSHOT_COMPLETE);
  });

  test('stays ready if a later round asks no member', () => {
    expect(after([{ ...silent, asked: 0, answered: 0, atMs: 120_000 }], inVain).state).toBe('none');
  });

  test('counts its rounds from zero again after a node_tick that asked no member, because only consecutive rounds count', () => {
    const broken = breakRow(after([0, 1_000].map((atMs) => ({ ...silent, atMs }))));
    expect(after([{ ...silent, atMs: 60_000 }], broken).state).toBe('missing');
    expect(after([60_000, 61_000, 62_000].map((atMs) => ({ ...silent, atMs })), broken).state).toBe('none');
  });

  test('becomes ready even when a member makes the rounds hang or throw, because such rounds count too', () => {
    const hung = after([0, 1_000, 60_000].map((atMs) => ({ ...roundInVain(3), atMs })));
    expect(hung.state).toBe('none');
  });

  test('does not become ready after a single round that hung, even if there was no other member', () => {
    expect(after([{ ...roundInVain(1), atMs: 0 }]).state).toBe('missing');
  });
});
