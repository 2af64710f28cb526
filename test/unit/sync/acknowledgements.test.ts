/** Writes that wait until n peers have acknowledged them (protocol.md §10, Acknowledged by n). */
import { describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import { Acknowledgements } from '../../../src/sync/acknowledgements.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const [B, C] = ['b', 'c'].map((digit) => `0x${digit.repeat(40)}`) as [Wallet, Wallet];

function start() {
  const clock = new ManualClock();
  const acknowledgements = new Acknowledgements({ clock });
  /** Starts a write that waits. The returned object has the outcome of the write, or `waiting` while it waits. */
  const wait = (sequenceNumber: number, wanted: number, { key = 'k', appId = '1', timeoutMs = 5_000 } = {}) => {
    const seen: { outcome: unknown } = { outcome: 'waiting' };
    acknowledgements.wait({ appId, key, sequenceNumber, updatedAtMs: 1 }, wanted, timeoutMs).then(
      (count) => (seen.outcome = count),
      (error: unknown) => (seen.outcome = error instanceof RefusalError ? error.code : error),
    );
    return seen;
  };
  const note = async (peer: Wallet, sequenceNumber: number, { key = 'k', appId = '1' } = {}): Promise<void> => {
    acknowledgements.note(peer, { appId, key, sequenceNumber });
    await settle();
  };
  return { clock, acknowledgements, wait, note };
}

describe('a write that waits', () => {
  test('is answered when n different peers have acknowledged it', async () => {
    const { wait, note } = start();
    const seen = wait(7, 2);
    await note(B, 7);
    await note(B, 7);
    expect(seen.outcome).toBe('waiting');
    await note(C, 7);
    expect(seen.outcome).toBe(2);
  });

  test('also counts as acknowledged when a peer acknowledges a later write to the same key, but not when it acknowledges an earlier one', async () => {
    const { wait, note } = start();
    const seen = wait(7, 1);
    await note(B, 6);
    expect(seen.outcome).toBe('waiting');
    await note(B, 8);
    expect(seen.outcome).toBe(1);
  });

  test.each([{ key: 'other' }, { appId: '2' }])('does not count as acknowledged when a peer acknowledges another record: %j', async (other) => {
    const { wait, note } = start();
    const seen = wait(7, 1);
    await note(B, 9, other);
    expect(seen.outcome).toBe('waiting');
  });

  test('does not count as acknowledged when a peer acknowledges another record, even if appending the key to the app id gives the same string', async () => {
    const { wait, note } = start();
    const seen = wait(7, 1, { appId: '1', key: '2k' });
    await note(B, 9, { appId: '12', key: 'k' });
    expect(seen.outcome).toBe('waiting');
  });

  test('ends as not_replicated after its timeout, but not before', async () => {
    const { clock, wait, note } = start();
    const seen = wait(7, 2, { timeoutMs: 1_000 });
    await note(B, 7);
    await clock.advance(999);
    expect(seen.outcome).toBe('waiting');
    await clock.advance(1);
    expect(seen.outcome).toBe('not_replicated');
  });

  test('is independent of other waiting writes to the same key: each waits for its own number of peers', async () => {
    const { wait, note } = start();
    const [one, two] = [wait(7, 1), wait(8, 2)];
    await note(B, 8);
    expect([one.outcome, two.outcome]).toEqual([1, 'waiting']);
    await note(C, 8);
    expect(two.outcome).toBe(2);
  });

  test('leaves nothing in memory when it has ended, whether it was acknowledged or not', async () => {
    const { clock, acknowledgements, wait, note } = start();
    wait(7, 1);
    wait(8, 1, { key: 'late' });
    expect(acknowledgements.size).toBe(2);
    await note(B, 7);
    expect(acknowledgements.size).toBe(1);
    await clock.advance(5_000);
    expect(acknowledgements.size).toBe(0);
  });

  test('ends as not_replicated immediately when too many writes are already waiting', async () => {
    const { acknowledgements, wait } = start();
    for (let sequenceNumber = 1; sequenceNumber <= 4_096; sequenceNumber += 1) wait(sequenceNumber, 1, { key: `k${sequenceNumber}` });
    const last = wait(4_097, 1, { key: 'one too many' });
    await settle();
    expect([last.outcome, acknowledgements.size]).toEqual(['not_replicated', 4_096]);
  });
});
