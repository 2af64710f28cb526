/** Merging the records from a peer (protocol.md §4; §9.10, §9.17): each record is merged separately and counted. */
import { describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import type { AppId } from '../../../src/domain/ids.ts';
import type { MergeVerdict } from '../../../src/domain/records.ts';
import { mergeBatch } from '../../../src/sync/merge-batch.ts';
import { APP, startNodes } from '../../support/replicating-nodes.ts';

function start() {
  const { clock, nodes } = startNodes('a', 'b');
  const [a, b] = nodes;
  const verdicts: (readonly [string, MergeVerdict['kind']])[] = [];
  const turns = { yielded: 0 };
  const modules = {
    clock,
    store: b.store,
    yieldNow: async () => void (turns.yielded += 1),
    onVerdict: (appId: string, _: unknown, verdict: MergeVerdict) => void verdicts.push([appId, verdict.kind]),
  };
  /** A good record with these fields changed. */
  const record = (key: string, changes: object = {}): Record<string, unknown> => {
    a.put(key, 'value');
    return { ...a.store.recordOf(APP, key)!, ...changes };
  };
  return { clock, a, b, modules, verdicts, turns, record };
}

/** Each row has the name of a bad record, the record itself (or the changes that make a good record bad), and the reason of the refusal. */
const POISON: readonly (readonly [string, unknown, string])[] = [
  ['null', null, 'malformed'],
  ['a number', 7, 'malformed'],
  ['a string', 'record', 'malformed'],
  ['a list', [], 'malformed'],
  ['an empty object', {}, 'malformed'],
  ['a record without a key', { key: undefined }, 'malformed'],
  ['an empty key', { key: '' }, 'malformed'],
  ['a key that is not a string', { key: 7 }, 'malformed'],
  ['a time that is not a number', { updated_at_ms: 'now' }, 'malformed'],
  ['a time that is not a whole number', { updated_at_ms: 1.5 }, 'malformed'],
  ['a negative lifetime', { ttl_ms: -1 }, 'malformed'],
  ['a tombstone with a value', { tombstone: true }, 'malformed'],
  ['a value that is not valid hex', { value: 'zz'.repeat(40) }, 'malformed'],
  ['a value that ends in half a byte', { value: 'abc' }, 'malformed'],
  ['a record without a value', { value: null }, 'malformed'],
  ['an invalid clock', { version: [1] }, 'malformed'],
  ['a key with an unpaired surrogate', { key: 'k\ud800' }, 'malformed'],
  ['a clock key with an unpaired surrogate', { version: { '\ud800': 1 } }, 'malformed'],
  ['a clock key with an unpaired surrogate and a count of 0', { version: { 'w/\udc00': 0 } }, 'malformed'],
  ['a count that is not a number', { version: { w: '1' } }, 'malformed'],
  ['a count above 2^52', { version: { w: 2 ** 52 + 1 } }, 'bad_clock'],
  ['a long clock key', { version: { ['w'.repeat(129)]: 1 } }, 'bad_clock'],
  ['too many clock entries', { version: Object.fromEntries(Array.from({ length: 1_025 }, (_, n) => [`w${n}`, 1])) }, 'bad_clock'],
  ['a value of 27 bytes', { value: 'ab'.repeat(27) }, 'too_short'],
  ['a value above the limit', { value: 'ab'.repeat(1_048_576 + 129) }, 'too_large'],
  ['a value that does not decrypt', { value: 'ab'.repeat(40) }, 'does_not_decrypt'],
  ['a time far ahead', { updated_at_ms: 1_790_000_000_000 + 15_001 }, 'too_far_ahead'],
];

describe('the merge of a batch', () => {
  test.each(POISON)('with %s accepts all other records, and reports the refused record', async (_, poison, reason) => {
    const { b, modules, record } = start();
    const bad = typeof poison === 'object' && poison !== null && !Array.isArray(poison) && Object.keys(poison).length > 0 ? record('bad', poison) : poison;
    const report = await mergeBatch({ [APP]: [record('before'), bad, record('after')] }, modules);
    expect(report).toMatchObject({ total: 3, merged: 2, skipped: 0, rejected: 1, skip_reasons: { [reason]: 1 } });
    expect(report.rejections).toMatchObject([{ app_id: APP, reason }]);
    expect(b.keys()).toEqual(['after', 'before']);
  });

  test.each(['0', '00', '01', '-1', '1.5', 'x', '', '9007199254740992', '__proto__', '1 '])('with an invalid app id rejects only the records of that app: %j', async (appId) => {
    const { b, modules, record } = start();
    const data = JSON.parse(JSON.stringify({ [APP]: [record('good')] }).replace('{', `{${JSON.stringify(appId)}:[${JSON.stringify(record('bad'))}],`)) as object;
    const report = await mergeBatch(data, modules);
    expect(report).toMatchObject({ total: 2, merged: 1, rejected: 1, skip_reasons: { bad_app_id: 1 } });
    expect([b.keys(), b.store.appIds()]).toEqual([['good'], [APP]]);
  });

  test.each([[null], ['records'], [{}], [7]])('with %j instead of the records of an app accepts the records of the other apps', async (records) => {
    const { b, modules, record } = start();
    expect(await mergeBatch({ '7': records, [APP]: [record('good')] }, modules)).toMatchObject({ total: 1, merged: 1 });
    expect(b.keys()).toEqual(['good']);
  });

  test.each([[null], [undefined], ['data'], [[]], [7]])('that is not an object is refused: %j', async (data) => {
    const { modules } = start();
    const error = await mergeBatch(data, modules).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RefusalError);
    expect((error as RefusalError).code).toBe('bad_request');
  });

  test('skips records that the store already has in the same or a later version, and counts the reasons', async () => {
    const { clock, modules, record } = start();
    const [old, held] = [record('k'), record('l')];
    await clock.advance(5);
    await mergeBatch({ [APP]: [record('k'), held] }, modules);
    const report = await mergeBatch({ [APP]: [old, held] }, modules);
    expect(report).toEqual({ total: 2, merged: 0, skipped: 2, rejected: 0, skip_reasons: { ignored_existing_newer_version: 1, ignored_identical: 1 }, rejections: [] });
  });

  test('counts every rejection, and lists the first hundred with keys cut to the maximum length', async () => {
    const { modules, record } = start();
    const bad = Array.from({ length: 150 }, (_, index) => record(`bad ${index}`, { ttl_ms: -1 }));
    const long = { ...record('x', { ttl_ms: -1 }), key: 'x'.repeat(5_000) };
    const report = await mergeBatch({ [APP]: [long, ...bad] }, modules);
    expect([report.rejected, report.rejections.length, report.rejections[0]!.key.length]).toEqual([151, 100, 1_024]);
    expect(report.rejections[1]).toEqual({ app_id: APP, key: 'bad 0', reason: 'malformed' });
  });

  test('replaces the half of an emoji that is left at the end of a cut key, because some nodes cannot read an answer with half a character', async () => {
    const { modules, record } = start();
    const { rejections } = await mergeBatch({ [APP]: [{ ...record('x', { ttl_ms: -1 }), key: `${'x'.repeat(1_023)}😀` }] }, modules);
    expect(rejections.map(({ key }) => [key.length, key.isWellFormed()])).toEqual([[1_024, true]]);
  });

  test('reports a verdict on each record to the caller', async () => {
    const { modules, verdicts, record } = start();
    const good = record('good');
    await mergeBatch({ [APP]: [good, good, null] }, modules);
    expect(verdicts).toEqual([[APP, 'merged'], [APP, 'skipped'], [APP, 'rejected']]);
  });

  test('yields to requests when it takes a long time', async () => {
    const { clock, modules, turns, record } = start();
    const records = Array.from({ length: 320 }, (_, index) => record(`k${index}`));
    let elapsedMs = 0;
    const slow = { nowMs: () => clock.nowMs(), monotonicMs: () => (elapsedMs += 2.5) };
    await mergeBatch({ [APP]: records }, { ...modules, clock: slow });
    expect(turns.yielded).toBeGreaterThanOrEqual(8);
  });

  test('ends when the store is emptied meanwhile, so that no record encrypted with the old secret enters the store', async () => {
    const { b, modules, record } = start();
    const records = Array.from({ length: 64 }, (_, index) => record(`k${index}`));
    let elapsedMs = 0;
    const clock = { nowMs: modules.clock.nowMs.bind(modules.clock), monotonicMs: () => (elapsedMs += 10) };
    const emptied = { ...modules, clock, yieldNow: async () => b.store.reset() };
    const error = await mergeBatch({ [APP]: records }, emptied).catch((thrown: unknown) => thrown);
    expect((error as RefusalError).code).toBe('service_unavailable');
    expect(b.records()).toEqual([]);
  });

  test('treats __proto__ like any other key', async () => {
    const { b, modules, record } = start();
    expect(await mergeBatch({ [APP]: [record('__proto__'), record('constructor')] }, modules)).toMatchObject({ merged: 2 });
    expect([b.read('__proto__'), b.keys()]).toEqual(['value', ['__proto__', 'constructor']]);
  });
});

test('a value that was encrypted with the key of another app is rejected', async () => {
  const { a, modules } = start();
  a.put('k', 'value', { app: '7' });
  const report = await mergeBatch({ [APP]: [a.store.recordOf('7', 'k')] }, modules);
  expect(report).toMatchObject({ rejected: 1, skip_reasons: { does_not_decrypt: 1 } });
  expect(a.vault.openValue(7 as AppId, a.store.get('7', 'k', modules.clock.nowMs())!.value)).not.toBeNull();
});
