/** The batches that are sent to a peer until the outcome of each record is known (protocol.md §4, Sizes; §9.10, §9.17; §10, Rejections). */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Delivery, MAX_SAMPLES, MAX_SUSPECTS_IN_A_ROW, type DeliveryState } from '../../../src/sync/delivery.ts';
import { judgeDeltaAnswer, type DeltaBatch, type Sent } from '../../../src/sync/delta-plan.ts';
import { MAX_REJECTIONS_LISTED } from '../../../src/sync/merge-batch.ts';
import { PeerError } from '../../../src/sync/peer-error.ts';

const OVERSIZED_BYTES = 600_000;

function entry(key: string): Sent {
  const value = 'ab'.repeat(key.startsWith('large') ? OVERSIZED_BYTES : 28);
  return { appId: '7', record: { key, value, version: { w: 1 }, updated_at_ms: 1, tombstone: false, ttl_ms: 0 } };
}

const keysOf = (batch: DeltaBatch<Sent>): readonly string[] => batch.entries.map(({ record }) => record.key);
const refusedWith = (status: number): PeerError => new PeerError('refused', `the peer answered ${status}`, status);
const UNREACHABLE = new PeerError('unreachable', 'the peer cannot be reached');

/** What a peer answers to a batch of these keys, or how it fails. */
type Peer = (keys: readonly string[]) => object | PeerError;

/** An answer that lists the rejected records. */
function told(keys: readonly string[], rejected: readonly { readonly key: string; readonly reason: string }[] = [], listed = MAX_REJECTIONS_LISTED): object {
  const rejections = rejected.slice(0, listed).map(({ key, reason }) => ({ app_id: '7', key, reason }));
  return { total: keys.length, merged: keys.length - rejected.length, skipped: 0, rejected: rejected.length, rejections };
}

const takes: Peer = (keys) => told(keys);
const refuses =
  (reasonOf: (key: string) => string | null, listed?: number): Peer =>
  (keys) =>
    told(
      keys,
      keys.flatMap((key) => (reasonOf(key) === null ? [] : [{ key, reason: reasonOf(key)! }])),
      listed,
    );
const fails =
  (at: (keys: readonly string[]) => boolean, failure: PeerError, otherwise = takes): Peer =>
  (keys) =>
    at(keys) ? failure : otherwise(keys);

/** Runs a delivery of these keys to a peer until the delivery ends. */
function deliver(keys: readonly string[], peer: Peer, size?: number) {
  const delivery = new Delivery(keys.map(entry), size);
  const sent: (readonly string[])[] = [];
  const states = new Set<DeliveryState['kind']>([delivery.state.kind]);
  const fates = new Map<string, string>();
  const settle = (key: string, fate: string): void => {
    expect([key, fates.get(key)]).toEqual([key, undefined]);
    fates.set(key, fate);
  };
  for (let batch = delivery.next(); batch !== null; batch = delivery.next()) {
    expect(delivery.next()).toBe(batch);
    sent.push(keysOf(batch));
    expect(sent.length).toBeLessThan(10_000);
    const reply = peer(keysOf(batch));
    const settled = reply instanceof PeerError ? delivery.failed(reply) : delivery.answered(judgeDeltaAnswer(batch.entries, reply)!);
    states.add(delivery.state.kind);
    if (settled === null) continue;
    const { entries, outcome } = settled;
    if (outcome.kind === 'counted') for (const { record } of entries) settle(record.key, outcome.allMerged ? 'taken' : 'in doubt');
    else {
      for (const { record } of outcome.taken) settle(record.key, 'taken');
      for (const { record } of outcome.later) settle(record.key, 'later');
      for (const { entry: { record }, reason } of outcome.refused) settle(record.key, reason);
    }
  }
  for (const { record } of delivery.suspects) settle(record.key, 'suspect');
  return { delivery, sent, states: [...states], fates };
}

const names = (count: number, name = 'k'): string[] => Array.from({ length: count }, (_, index) => `${name}${index}`);
const hasBad = (keys: readonly string[]): boolean => keys.some((key) => key.startsWith('bad'));

describe('batches', () => {
  test.each<[string, readonly string[], Peer, readonly (readonly string[])[]]>([
    ['combined into one when all records fit', ['a', 'b', 'c'], takes, [['a', 'b', 'c']]],
    ['not made when there are no records', [], takes, []],
    ['separate for a record that is too large for some peers', ['a', 'large', 'c'], takes, [['a'], ['large'], ['c']]],
    ['half as large after a failure, and twice as large after an answer', ['a', 'bad', 'c', 'd', 'e'], fails(hasBad, refusedWith(500)), [
      ['a', 'bad', 'c', 'd', 'e'],
      ['a', 'bad', 'c'],
      ['a', 'bad'],
      ['a'],
      ['bad', 'c'],
      ['bad'],
      ['c'],
      ['d', 'e'],
    ]],
    ['reduced to single records when a peer refuses records that it does not list', ['a', 'bad', 'c'], refuses((key) => (key === 'bad' ? 'malformed' : null), 0), [['a', 'bad', 'c'], ['a'], ['bad'], ['c']]],
    ['followed by an empty batch when a large body makes the peer close the connection', ['large'], fails((keys) => keys.includes('large'), UNREACHABLE), [['large'], []]],
  ])('are %s', (_, keys, peer, sent) => {
    expect(deliver(keys, peer).sent).toEqual(sent);
  });

  test('shrink, after the peer has refused more records than it listed, to the number of rejections that a peer can list', () => {
    const { sent, fates } = deliver([...names(150, 'bad'), ...names(90)], refuses((key) => (key.startsWith('bad') ? 'malformed' : null)));
    expect(sent.map((keys) => keys.length)).toEqual([240, 100, 100, 40]);
    expect([...fates.values()].filter((fate) => fate === 'malformed')).toHaveLength(150);
  });

  test('start at the last batch size of the previous delivery', () => {
    expect(deliver(names(8), takes, 2).sent.map((keys) => keys.length)).toEqual([2, 4, 2]);
  });
});

describe('a record', () => {
  test.each<[string, Peer, string]>([
    ['is accepted when the answer does not list it', takes, 'taken'],
    ['is sent again later when the peer has no room', refuses(() => 'store_full'), 'later'],
    ['is sent again later when its time is too far ahead of the clock of the peer', refuses(() => 'too_far_ahead'), 'later'],
    ['is refused when the reason is permanent', refuses(() => 'malformed'), 'malformed'],
    ['is refused when the peer counts it as refused but does not list it', refuses(() => 'malformed', 0), 'unlisted'],
    ['is refused when a batch with only this record is too large', () => refusedWith(413), 'too_large'],
    ['is accepted when the peer reports only counts, and these include all records', (keys) => ({ merged: keys.length }), 'taken'],
    ['is in doubt when the peer reports only counts, and these do not include all records', () => ({ merged: 0 }), 'in doubt'],
    ['is a suspect when the peer fails on a batch with only this record', () => refusedWith(400), 'suspect'],
  ])('%s', (_, peer, fate) => {
    expect(deliver(['k'], peer).fates.get('k')).toBe(fate);
  });

  test.each<[string, Peer, string | undefined, DeliveryState['kind']]>([
    ['is sent again later when the peer closes the connection but answers an empty batch', fails((keys) => keys.length > 0, UNREACHABLE), 'later', 'over'],
    ['is sent again later when the peer closes the connection but refuses an empty batch', (keys) => (keys.length > 0 ? UNREACHABLE : refusedWith(400)), 'later', 'over'],
    ['has no outcome when the peer is unreachable', () => UNREACHABLE, undefined, 'broken'],
    ['is sent again later when the peer answers with a failure', () => refusedWith(500), 'later', 'over'],
    ['is refused when the peer answers that the record is too large', () => refusedWith(413), 'too_large', 'over'],
  ])('that is large %s', (_, peer, fate, end) => {
    const { fates, delivery } = deliver(['large'], peer);
    expect([fates.get('large'), delivery.state.kind]).toEqual([fate, end]);
  });
});

describe('a peer', () => {
  test.each<[string, Peer]>([
    ['it cannot be reached', () => UNREACHABLE],
    ['it answers 503', () => refusedWith(503)],
    ['its answer has a bad signature', () => new PeerError('bad_signature', 'not signed')],
    ['it answers 500, and then cannot be reached when it is sent a sample', (keys) => (keys[0] === 'k99' && keys.length === 1 ? UNREACHABLE : refusedWith(500))],
  ])('is treated as broken immediately when %s', (_, peer) => {
    const { delivery, fates } = deliver(names(100), peer);
    expect([delivery.state.kind, [...fates.values()].filter((fate) => fate !== 'suspect')]).toEqual(['broken', []]);
  });

  test('is treated as broken when it fails on too many records in a row and then on each of a few samples from the remaining records', () => {
    const { delivery, sent, fates } = deliver(names(1_000), () => refusedWith(500));
    expect(delivery.state.kind).toBe('broken');
    expect(sent.filter((keys) => keys.length === 1)).toHaveLength(MAX_SUSPECTS_IN_A_ROW + MAX_SAMPLES);
    expect(sent.length).toBeLessThan(25);
    expect(fates.size).toBe(MAX_SUSPECTS_IN_A_ROW);
  });

  test('is not treated as broken while it accepts samples, and all good records arrive', () => {
    const { delivery, states, fates } = deliver([...names(20, 'bad'), ...names(50)], fails(hasBad, refusedWith(500)));
    expect([delivery.state.kind, states.includes('sampling')]).toEqual(['over', true]);
    expect([...fates].every(([key, fate]) => fate === (key.startsWith('bad') ? 'suspect' : 'taken'))).toBe(true);
  });

  test('is treated as broken when it fails on too many records in a row at the end, even if it accepted earlier records', () => {
    const { delivery } = deliver([...names(20), ...names(12, 'bad')], fails(hasBad, refusedWith(500)));
    expect([delivery.anyPassed, delivery.state.kind]).toEqual([true, 'broken']);
  });
});

/** How a peer treats a record, regardless of the other records in its batch. */
const TREATMENTS = ['takes', 'malformed', 'store_full', 'breaks', 'too large'] as const;

test('each record gets exactly one outcome, which depends on how the peer treats it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 6, arbitrary: fc.constant<(typeof TREATMENTS)[number]>('takes') }, { weight: 1, arbitrary: fc.constantFrom(...TREATMENTS) }), { maxLength: 300 }),
      fc.constantFrom(0, 1, 3, 100),
      fc.boolean(),
      (treatments, listed, counts) => {
        const of = (key: string): (typeof TREATMENTS)[number] => treatments[Number(key.slice(1))]!;
        const rejects = refuses((key) => (of(key) === 'takes' ? null : of(key)), listed);
        const answers: Peer = counts ? (keys) => ({ merged: keys.filter((key) => of(key) === 'takes').length }) : rejects;
        const peer: Peer = (keys) => {
          if (keys.some((key) => of(key) === 'breaks')) return refusedWith(500);
          return keys.some((key) => of(key) === 'too large') ? refusedWith(413) : answers(keys);
        };
        const { delivery, fates, sent } = deliver(names(treatments.length), peer);
        expect(sent.length).toBeLessThanOrEqual(12 * treatments.length + 12);
        // A peer is treated as broken only if it has failed on many records.
        if (delivery.state.kind === 'broken') {
          expect(treatments.filter((treatment) => treatment === 'breaks').length).toBeGreaterThanOrEqual(MAX_SUSPECTS_IN_A_ROW);
          return;
        }
        expect(fates.size).toBe(treatments.length);
        for (const [key, fate] of fates) {
          const wanted: Record<(typeof TREATMENTS)[number], readonly string[]> = {
            takes: counts ? ['taken', 'in doubt'] : ['taken'],
            malformed: counts ? ['in doubt'] : ['malformed', 'unlisted'],
            store_full: counts ? ['in doubt'] : ['later', 'unlisted'],
            breaks: ['suspect'],
            'too large': ['too_large'],
          };
          expect(wanted[of(key)]).toContain(fate);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a delivery throws when it is told about the failure of a batch that was never sent', () => {
  const delivery = new Delivery([entry('k')]);
  expect(() => delivery.failed(UNREACHABLE)).toThrow('was not sent');
});
