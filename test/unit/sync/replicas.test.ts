/** Which of this node's own writes each peer has (protocol.md §10, Who sends what). */
import { describe, expect, test } from '@jest/globals';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { WriteLog } from '../../../src/store/write-log.ts';
import { Replicas } from '../../../src/sync/replicas.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/members.ts';

const walletOf = (digit: string): Wallet => `0x${digit.repeat(40)}` as Wallet;
const [B, C] = [memberOf(walletOf('b'), 'bb' as TeePubkey), memberOf(walletOf('c'), 'cc' as TeePubkey)];

const ownWrite = (sequenceNumber: number) => ({ appId: '1', record: { key: 'k' }, sequenceNumber });

function start() {
  const clock = new ManualClock();
  const writes = new WriteLog<string>();
  const random = { unit: () => 0 };
  const replicas = new Replicas({ clock, random, store: { writes } });
  return { clock, writes, replicas };
}

describe('a peer', () => {
  test('that is new is behind by all earlier writes', () => {
    const { writes, replicas } = start();
    writes.append(1, 'x', 10);
    writes.append(2, 'y', 20);
    expect(replicas.of(B).view()).toMatchObject({ acknowledgedUpTo: 0, behindRecords: 2, behindBytes: 30 });
  });

  test('is behind by all writes that are not superseded and that it has not acknowledged', () => {
    const { writes, replicas } = start();
    const replica = replicas.of(B);
    const first = writes.append(1, 'x', 10);
    writes.append(2, 'y', 20);
    writes.supersede(first);
    writes.append(3, 'x', 11);
    expect(replica.view()).toMatchObject({ behindRecords: 2, behindBytes: 31 });
    replica.progress.advance(2, { records: 1, bytes: 20 });
    expect(replica.view()).toMatchObject({ acknowledgedUpTo: 2, behindRecords: 1, behindBytes: 11 });
    expect(replica.progress.hasBacklog).toBe(true);
    replica.progress.advance(3, { records: 1, bytes: 11 });
    expect([replica.view().behindRecords, replica.progress.hasBacklog]).toEqual([0, false]);
  });

  test('stays equally far behind when a log entry that it already has is superseded', () => {
    const { writes, replicas } = start();
    const entry = writes.append(1, 'x', 10);
    const replica = replicas.of(B);
    replica.progress.advance(1, { records: 1, bytes: 10 });
    writes.supersede(entry);
    expect(replica.view()).toMatchObject({ behindRecords: 0, behindBytes: 0 });
  });

  test('never gets a lower acknowledged sequence because of a late answer', () => {
    const { replicas } = start();
    const replica = replicas.of(B);
    replica.progress.advance(5, { records: 0, bytes: 0 });
    replica.progress.advance(3, { records: 0, bytes: 0 });
    expect(replica.progress.acknowledgedSequence).toBe(5);
  });

  test('gets all records again when its store_id changes, but not when its store_id stays the same or becomes known for the first time', () => {
    const { writes, replicas } = start();
    writes.append(1, 'x', 10);
    const replica = replicas.of(B);
    replica.noteStoreId('one');
    replica.progress.advance(1, { records: 1, bytes: 10 });
    replica.noteStoreId('one');
    expect([replica.progress.acknowledgedSequence, replica.progress.epoch]).toEqual([1, 0]);
    replica.noteStoreId('two');
    expect([replica.progress.acknowledgedSequence, replica.progress.epoch]).toEqual([0, 1]);
    expect(replica.view()).toMatchObject({ behindRecords: 1, behindBytes: 10 });
  });

  test('is treated as a different peer when its teePubkey changes', () => {
    const { replicas } = start();
    replicas.of(B).progress.advance(5, { records: 0, bytes: 0 });
    expect(replicas.of({ ...B, teePubkey: 'dd' as TeePubkey }).progress.acknowledgedSequence).toBe(0);
  });

  test('is not treated as having a record that it refused for now, even if it accepted later records', () => {
    const { replicas } = start();
    const replica = replicas.of(B);
    replica.progress.advance(9, { records: 0, bytes: 0 });
    replica.progress.postpone(ownWrite(4));
    expect([replica.progress.acknowledgedSequence, replica.progress.acknowledgedUpTo]).toEqual([9, 3]);
    expect([3, 4, 5, 9, 10].map((number) => replicas.takenByAll(number))).toEqual([true, false, true, true, false]);
    replica.progress.noteTaken(ownWrite(4));
    expect([replica.progress.acknowledgedUpTo, replica.progress.hasTaken(4)]).toEqual([9, true]);
  });

  test('is treated as having an acknowledged record, unless it refused that record or the record may be in doubt', () => {
    const { replicas } = start();
    const replica = replicas.of(B);
    replica.progress.advance(10_000, { records: 0, bytes: 0 });
    replica.progress.leaveInDoubt(ownWrite(5));
    replica.progress.noteRefusal(ownWrite(7), 'malformed');
    expect([4, 5, 6, 7, 8].map((number) => replica.progress.hasTaken(number))).toEqual([true, false, true, false, true]);
    for (let number = 100; number < 100 + 4_096; number += 1) replica.progress.leaveInDoubt(ownWrite(number));
    // The node no longer remembers which of the first records were in doubt, so it treats all of them as in doubt.
    expect([4, 6, 8, 99, 100, 4_195, 4_196].map((number) => replica.progress.hasTaken(number))).toEqual([false, false, true, true, false, false, true]);
    replica.noteStoreId('one');
    replica.noteStoreId('two');
    replica.progress.advance(10_000, { records: 0, bytes: 0 });
    expect(replica.progress.hasTaken(5)).toBe(true);
  });

  test('is left alone for longer after each failure, and a success resets that time', async () => {
    const { clock, replicas } = start();
    const replica = replicas.of(B);
    for (const restMs of [500, 1_000, 2_000]) {
      replica.noteFailure('gone', undefined);
      await clock.advance(restMs - 1);
      expect(replica.isResting).toBe(true);
      await clock.advance(1);
      expect(replica.isResting).toBe(false);
    }
    replica.noteSuccess();
    replica.noteFailure('gone', undefined);
    await clock.advance(500);
    expect(replica.isResting).toBe(false);
  });

  test('is left alone for the time that it requested, or until it sends a request', async () => {
    const { clock, replicas } = start();
    const replica = replicas.of(B);
    replica.noteFailure('busy', 30_000);
    await clock.advance(29_999);
    expect(replica.isResting).toBe(true);
    replica.noteAlive();
    expect(replica.isResting).toBe(false);
  });

  test('has figures about its last success, the reason for its failure and the time of the next attempt', async () => {
    const { clock, replicas } = start();
    const replica = replicas.of(B);
    replica.noteSuccess();
    const succeededMs = clock.nowMs();
    await clock.advance(1_000);
    replica.noteFailure('the peer cannot be reached', undefined);
    for (const number of [1, 2]) replica.progress.noteRefusal(ownWrite(number), 'malformed');
    expect(replica.view()).toMatchObject({
      lastSuccessMs: succeededMs,
      lastError: 'the peer cannot be reached',
      lastErrorMs: clock.nowMs(),
      nextTryMs: clock.nowMs() + 500,
      refused: { malformed: 2 },
    });
    replica.noteSuccess();
    expect(replica.view()).toMatchObject({ lastError: null, lastErrorMs: null, nextTryMs: null });
  });

  test('cannot fill the memory of this node with invented reasons for refusals', () => {
    const { replicas } = start();
    for (let reason = 0; reason < 1_000; reason += 1) replicas.of(B).progress.noteRefusal(ownWrite(reason), `reason ${reason}`);
    const { refused } = replicas.of(B).view();
    expect([Object.keys(refused).length, refused['other']]).toEqual([17, 984]);
  });
});

describe('all peers', () => {
  test('count as having only the writes that the slowest of them has, or all writes when there are no peers', () => {
    const { replicas } = start();
    const taken = (): boolean[] => [3, 4].map((number) => replicas.takenByAll(number));
    expect(taken()).toEqual([true, true]);
    replicas.keepOnly([B, C]);
    replicas.of(B).progress.advance(5, { records: 0, bytes: 0 });
    expect(taken()).toEqual([false, false]);
    replicas.of(C).progress.advance(3, { records: 0, bytes: 0 });
    expect(taken()).toEqual([true, false]);
  });

  test('share one highest acknowledged sequence, which includes acknowledgements from earlier stores and from former members', () => {
    const { replicas } = start();
    replicas.keepOnly([B, C]);
    replicas.of(B).progress.advance(7, { records: 0, bytes: 0 });
    for (const storeId of ['one', 'two']) replicas.of(B).noteStoreId(storeId);
    expect([replicas.of(B).progress.acknowledgedSequence, replicas.acknowledgedByAny()]).toEqual([0, 7]);
    replicas.of(C).progress.advance(9, { records: 0, bytes: 0 });
    replicas.keepOnly([B]);
    expect(replicas.acknowledgedByAny()).toBe(9);
  });

  test('are forgotten when they leave the membership, and new writes no longer change their backlog', () => {
    const { writes, replicas } = start();
    replicas.keepOnly([B, C]);
    const gone = replicas.of(C);
    replicas.keepOnly([B]);
    writes.append(1, 'x', 10);
    expect(replicas.views().map(({ wallet }) => wallet)).toEqual([B.wallet]);
    expect(gone.view().behindRecords).toBe(0);
  });
});
