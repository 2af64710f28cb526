/** Whether a node was cut off for longer than tombstones are kept (protocol.md §4, Ages). */
import { describe, expect, test } from '@jest/globals';
import { Staleness } from '../../../src/sync/staleness.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const RETENTION_MS = 1_000;

function start(others = 2) {
  const clock = new ManualClock();
  const written = { last: 0, acknowledged: Infinity };
  const staleness = new Staleness({ retentionMs: RETENTION_MS }, { clock, lastSequenceNumber: () => written.last, acknowledgedByAny: () => written.acknowledged });
  staleness.noteMembers(others);
  return { clock, written, staleness };
}

describe('a node', () => {
  test('is stale when more than the retention time has passed since its last round with a member, but not when exactly that time has passed', async () => {
    const { clock, staleness } = start();
    await clock.advance(RETENTION_MS);
    expect(staleness.isStale()).toBe(false);
    await clock.advance(1);
    expect(staleness.isStale()).toBe(true);
  });

  test('is not stale while it completes a round with a member from time to time', async () => {
    const { clock, staleness } = start();
    for (let times = 0; times < 5; times += 1) {
      await clock.advance(RETENTION_MS);
      staleness.noteInStep();
    }
    expect(staleness.isStale()).toBe(false);
  });

  test('is stale if it never completes a round, even if it keeps getting messages from members', async () => {
    const { clock, staleness } = start();
    for (let times = 0; times < 5; times += 1) {
      await clock.advance(RETENTION_MS / 4);
      staleness.noteExchange();
    }
    expect(staleness.isStale()).toBe(true);
  });

  test('stays stale even after a new round with a member, until the staleness is resolved', async () => {
    const { clock, staleness } = start();
    await clock.advance(RETENTION_MS + 1);
    staleness.noteInStep();
    expect(staleness.isStale()).toBe(true);
    staleness.resolve();
    expect(staleness.isStale()).toBe(false);
    await clock.advance(RETENTION_MS);
    expect(staleness.isStale()).toBe(false);
  });

  test('is never stale while it is the only member', async () => {
    const { clock, staleness } = start(0);
    await clock.advance(10 * RETENTION_MS);
    expect(staleness.isStale()).toBe(false);
    staleness.noteMembers(1);
    expect(staleness.isStale()).toBe(false);
    await clock.advance(RETENTION_MS + 1);
    expect(staleness.isStale()).toBe(true);
  });

  test('becomes stale even if the membership is refreshed', async () => {
    const { clock, staleness } = start(2);
    await clock.advance(RETENTION_MS);
    staleness.noteMembers(3);
    await clock.advance(1);
    expect(staleness.isStale()).toBe(true);
  });

  test('remembers which of its own writes it made before it was cut off', async () => {
    const { clock, written, staleness } = start();
    written.last = 7;
    staleness.noteExchange();
    written.last = 9;
    expect(staleness.seenUpTo()).toBe(0);
    await clock.advance(RETENTION_MS + 1);
    staleness.noteExchange();
    expect(staleness.seenUpTo()).toBe(7);
    staleness.resolve();
    expect(staleness.seenUpTo()).toBe(0);
  });
});
