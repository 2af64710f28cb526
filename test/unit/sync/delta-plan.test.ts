/** Which records a push contains, and what the answer to it means (protocol.md §4, Sizes; §10, Rejections). */
import { describe, expect, test } from '@jest/globals';
import { SNAPSHOT_PAGE_BYTES } from '../../../src/domain/limits.ts';
import type { WireRecord } from '../../../src/domain/records.ts';
import { judgeDeltaAnswer, planDelta, type Sent } from '../../../src/sync/delta-plan.ts';

const RUST_BODY_LIMIT = 2 * 1024 * 1024;

function entry(key: string, valueBytes = 28, appId = '100'): Sent {
  const record: WireRecord = { key, value: 'ab'.repeat(valueBytes), version: { w: 1 }, updated_at_ms: 1, tombstone: false, ttl_ms: 0 };
  return { appId, record };
}

/** The size of a body on the wire: each byte of the inner text becomes two hex digits, and the envelope adds its own fields. */
function wireBytes(data: object): number {
  const ids = { sender_wallet: `0x${'ab'.repeat(20)}`, store_id: 'ab'.repeat(8), request_id: 'ab'.repeat(16) };
  const inner = JSON.stringify({ type: 'delta', data, ...ids });
  const envelope = { sender_tee_pubkey: 'ab'.repeat(120), nonce: 'ab'.repeat(12), encrypted_data: '' };
  return JSON.stringify(envelope).length + 2 * (Buffer.byteLength(inner) + 16);
}

/** Plans batch after batch until nothing is left. */
function plan(entries: readonly Sent[]): (readonly Sent[])[] {
  const batches: (readonly Sent[])[] = [];
  for (let left = entries; ; ) {
    const batch = planDelta(left);
    if (batch === null) return batches;
    batches.push(batch.entries);
    left = left.slice(batch.entries.length);
  }
}

describe('a plan', () => {
  test('is null when there is nothing to send', () => expect(planDelta([])).toBeNull());

  test('contains the records of each app in their original order', () => {
    const entries = [entry('a'), entry('b', 28, '7'), entry('c')];
    expect(planDelta(entries)!.data).toEqual({ '100': [entries[0]!.record, entries[2]!.record], '7': [entries[1]!.record] });
  });

  test.each([
    ['many small values', Array.from({ length: 9_000 }, (_, index) => entry(`key ${index}`))],
    ['many apps', Array.from({ length: 6_000 }, (_, index) => entry('k', 60, String(9_007_199_254_700_000 + index)))],
    ['values of 100 KB', Array.from({ length: 25 }, (_, index) => entry(`key ${index}`, 100_000))],
    ['keys that become longer in JSON', Array.from({ length: 900 }, (_, index) => entry(`\u0001\u0002"${'\u0003'.repeat(1_000)}${index}`))],
    ['keys of emoji', Array.from({ length: 1_500 }, (_, index) => entry(`${'😀'.repeat(250)}${index}`))],
  ])('has only bodies below 2 MiB and omits no record, with %s', (_, entries) => {
    const batches = plan(entries);
    expect(batches.length).toBeGreaterThan(1);
    expect(batches.flat()).toEqual(entries);
    for (const batch of batches) expect(wireBytes(planDelta(batch)!.data)).toBeLessThan(RUST_BODY_LIMIT);
  });

  test('puts as many records into one body as fit into a page that this node requests', () => {
    const batches = plan(Array.from({ length: 60 }, (_, index) => entry(`key ${index}`, 20_000)));
    for (const batch of batches.slice(0, -1)) {
      expect(wireBytes(planDelta(batch)!.data)).toBeLessThanOrEqual(SNAPSHOT_PAGE_BYTES);
      expect(wireBytes({ '100': [...batch, entry('one more', 20_000)].map(({ record }) => record) })).toBeGreaterThan(SNAPSHOT_PAGE_BYTES);
    }
  });

  test('is oversized only if it consists of a single record that makes the body exceed 2 MiB', () => {
    expect(planDelta([entry('a', 500_000), entry('b')])).toMatchObject({ entries: [{ record: { key: 'a' } }], oversized: false });
    expect(planDelta([entry('a', 530_000), entry('b')])).toMatchObject({ entries: [{ record: { key: 'a' } }], oversized: true });
  });

  test('sends a record alone if its value makes the body exceed 2 MiB', () => {
    const entries = [entry('before'), entry('large', 1_048_576), entry('after'), entry('also large', 1_048_576)];
    expect(plan(entries).map((batch) => batch.map(({ record }) => record.key))).toEqual([['before'], ['large'], ['after'], ['also large']]);
  });
});

describe('an answer to a push', () => {
  const [a, b, c] = [entry('a'), entry('b'), entry('c')];
  const entries = [a, b, c];
  const full = { total: 3, merged: 2, skipped: 0, rejected: 1 };
  const rejection = (key: string, reason: string) => ({ app_id: '100', key, reason });

  test('without rejections means that the peer has all records', () => {
    expect(judgeDeltaAnswer(entries, { total: 3, merged: 1, skipped: 2, rejected: 0, rejections: [] })).toEqual({ kind: 'told', taken: entries, later: [], refused: [] });
  });

  test.each(['too_far_ahead', 'store_full'])('with %s means that the record is sent again later', (reason) => {
    expect(judgeDeltaAnswer(entries, { ...full, rejections: [rejection('b', reason)] })).toEqual({ kind: 'told', taken: [a, c], later: [b], refused: [] });
  });

  test.each(['malformed', 'does_not_decrypt', 'too_large', 'an unknown reason'])('with %s means that the record is not sent again', (reason) => {
    expect(judgeDeltaAnswer(entries, { ...full, rejections: [rejection('b', reason)] })).toEqual({ kind: 'told', taken: [a, c], later: [], refused: [{ entry: b, reason }] });
  });

  test('that rejects a key of one app does not reject the same key of another app', () => {
    const [ours, other] = [entry('k', 28, '100'), entry('k', 28, '200')];
    const answer = { total: 2, merged: 1, skipped: 0, rejected: 1, rejections: [{ app_id: '200', key: 'k', reason: 'malformed' }] };
    expect(judgeDeltaAnswer([ours, other], answer)).toMatchObject({ taken: [ours], refused: [{ entry: other }] });
  });

  test.each([
    ['cut to 1,024 characters', 'x'.repeat(1_024), 'x'.repeat(5_000)],
    ['in full', 'x'.repeat(5_000), 'x'.repeat(5_000)],
    ['cut inside an emoji (which leaves a replacement character)', `${'x'.repeat(1_023)}\ufffd`, `${'x'.repeat(1_023)}😀`],
    ['cut inside an emoji (which leaves half of a surrogate pair)', `${'x'.repeat(1_023)}\ud83d`, `${'x'.repeat(1_023)}😀`],
  ])('that names a long key %s rejects the record of that key', (_, named, key) => {
    const long = entry(key);
    const answer = { total: 2, merged: 1, skipped: 0, rejected: 1, rejections: [rejection(named, 'store_full')] };
    expect(judgeDeltaAnswer([a, long], answer)).toEqual({ kind: 'told', taken: [a], later: [long], refused: [] });
  });

  test('that names only the beginning of a key rejects both records whose keys begin that way', () => {
    const alike = [entry(`${'x'.repeat(1_024)} one`), entry(`${'x'.repeat(1_024)} two`)];
    const answer = { total: 2, merged: 1, skipped: 0, rejected: 1, rejections: [rejection('x'.repeat(1_024), 'store_full')] };
    expect(judgeDeltaAnswer(alike, answer)).toEqual({ kind: 'told', taken: [], later: alike, refused: [] });
  });

  test('that lists fewer rejections than it counts does not tell which records were rejected', () => {
    expect(judgeDeltaAnswer(entries, { ...full, merged: 1, rejected: 2, rejections: [rejection('b', 'malformed')] })).toEqual({ kind: 'unlisted' });
  });

  test.each([
    ['comes from an older node that merged all records', { status: 'ok', merged: 3 }, true],
    ['comes from an older node that merged some records', { status: 'ok', merged: 2 }, false],
    ['counts more merged records than were sent', { status: 'ok', merged: 4 }, false],
    ['counts rejections but lists none', full, false],
    ['does not account for one of the records', { total: 2, merged: 2, skipped: 0, rejected: 0, rejections: [] }, false],
    ['counts more records in total than were sent', { total: 4, merged: 3, skipped: 1, rejected: 0, rejections: [] }, false],
  ])('that %s is used only as a count of merged records', (_, answer, allMerged) => {
    expect(judgeDeltaAnswer(entries, answer)).toEqual({ kind: 'counted', allMerged });
  });

  test.each([[null], [{}], [{ merged: -1 }], [{ merged: 'all' }], [{ merged: 1.5 }], [[3]]])('that is malformed is ignored: %j', (answer) => {
    expect(judgeDeltaAnswer(entries, answer)).toBeNull();
  });
});
