/** Whether a node was cut off for longer than deleted keys are remembered (protocol.md §4, Ages). */
import { describe, expect, test } from '@jest/globals';
import { Contact } from '../../../src/sync/contact.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const RETENTION_MS = 1_000;

function start(others = 2) {
  const clock = new ManualClock();
  const written = { last: 0, acknowledged: Infinity };
  const contact = new Contact({ retentionMs: RETENTION_MS }, { clock, lastNumber: () => written.last, acknowledgedByAny: () => written.acknowledged });
  contact.noteMembers(others);
  return { clock, written, contact };
}

describe('a node', () => {
  test('is stale after more than the retention without a member, not at it', async () => {
    const { clock, contact } = start();
    await clock.advance(RETENTION_MS);
    expect(contact.isStale()).toBe(false);
    await clock.advance(1);
    expect(contact.isStale()).toBe(true);
  });

  test('is not stale while it is brought in step with a member now and then', async () => {
    const { clock, contact } = start();
    for (let times = 0; times < 5; times += 1) {
      await clock.advance(RETENTION_MS);
      contact.noteInStep();
    }
    expect(contact.isStale()).toBe(false);
  });

  test('is stale although it hears of members all the time, if it is never brought in step', async () => {
    const { clock, contact } = start();
    for (let times = 0; times < 5; times += 1) {
      await clock.advance(RETENTION_MS / 4);
      contact.noteExchange();
    }
    expect(contact.isStale()).toBe(true);
  });

  test('stays stale when a member is back, until it is resolved', async () => {
    const { clock, contact } = start();
    await clock.advance(RETENTION_MS + 1);
    contact.noteInStep();
    expect(contact.isStale()).toBe(true);
    contact.resolve();
    expect(contact.isStale()).toBe(false);
    await clock.advance(RETENTION_MS);
    expect(contact.isStale()).toBe(false);
  });

  test('is not stale when it is the only member, however long', async () => {
    const { clock, contact } = start(0);
    await clock.advance(10 * RETENTION_MS);
    expect(contact.isStale()).toBe(false);
    contact.noteMembers(1);
    expect(contact.isStale()).toBe(false);
    await clock.advance(RETENTION_MS + 1);
    expect(contact.isStale()).toBe(true);
  });

  test('does not become fresh by a refresh of the membership', async () => {
    const { clock, contact } = start(2);
    await clock.advance(RETENTION_MS);
    contact.noteMembers(3);
    await clock.advance(1);
    expect(contact.isStale()).toBe(true);
  });

  test('knows what it wrote while it was cut off', async () => {
    const { clock, written, contact } = start();
    written.last = 7;
    contact.noteExchange();
    written.last = 9;
    expect(contact.seenUpTo()).toBe(0);
    await clock.advance(RETENTION_MS + 1);
    contact.noteExchange();
    expect(contact.seenUpTo()).toBe(7);
    contact.resolve();
    expect(contact.seenUpTo()).toBe(0);
  });
});
