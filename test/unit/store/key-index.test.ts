/**
 * Listings (protocol.md §2): the keys in order, in pages that may start after any key, even if keys are added and removed between two
 * pages.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { quoteObject } from '../../../src/domain/quoted-json.ts';
import type { KeyPage, ListRequest } from '../../../src/domain/records.ts';
import { KeyIndex } from '../../../src/store/key-index.ts';
import { QuotedKeys } from '../../../src/store/quoted-keys.ts';

function indexOf(...keys: string[]): KeyIndex {
  const index = new KeyIndex(new QuotedKeys());
  for (const key of keys) index.add(key);
  return index;
}

function naiveList(held: Iterable<string>, { prefix = '', after, limit = Infinity }: ListRequest): KeyPage {
  const keys = [...held].filter((key) => key.startsWith(prefix) && (after === undefined || key > after)).sort();
  return { keys: keys.slice(0, limit), more: keys.length > limit };
}

/** Both forms of a listing must be this page. */
function expectPage(index: KeyIndex, request: ListRequest, page: KeyPage): void {
  expect(index.list(request)).toEqual(page);
  const { keys, count, more } = index.listQuoted(request);
  expect([JSON.parse(String(quoteObject({ keys }))), count, more]).toEqual([{ keys: page.keys }, page.keys.length, page.more]);
}

describe('a listing', () => {
  test.each<[string, ListRequest, string[], boolean]>([
    ['all keys', {}, ['a', 'a/1', 'a/2', 'b', 'é', '😀'], false],
    ['the keys with a prefix', { prefix: 'a/' }, ['a/1', 'a/2'], false],
    ['nothing for a prefix that no key has', { prefix: 'zz' }, [], false],
    ['the keys after a key', { after: 'a/2' }, ['b', 'é', '😀'], false],
    ['the keys after an absent key', { after: 'a/15' }, ['a/2', 'b', 'é', '😀'], false],
    ['the keys with a prefix when `after` sorts before the prefix', { prefix: 'a/', after: 'a' }, ['a/1', 'a/2'], false],
    ['nothing when `after` sorts after all keys with the prefix', { prefix: 'a/', after: 'b' }, [], false],
    ['the first page', { limit: 2 }, ['a', 'a/1'], true],
    ['the last page', { after: 'b', limit: 2 }, ['é', '😀'], false],
    ['a page of the keys with a prefix', { prefix: 'a', after: 'a', limit: 1 }, ['a/1'], true],
  ])('returns %s', (_, request, keys, more) => {
    expectPage(indexOf('b', 'a/2', '😀', 'a', 'é', 'a/1'), request, { keys, more });
  });

  test('omits removed keys, and contains keys that were added again', () => {
    const index = indexOf('a', 'b');
    index.list({});
    index.remove('a');
    expect(index.list({}).keys).toEqual(['b']);
    index.add('a');
    index.remove('b');
    index.add('b');
    expect(index.list({}).keys).toEqual(['a', 'b']);
  });
});

test('after any additions, removals and listings, a listing equals the result of sorting and filtering', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'é', '😀', '\uffff'), minLength: 1, maxLength: 3 });
  const optional = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
  const request = fc.record({ prefix: optional(key), after: optional(key), limit: optional(fc.nat(6)) });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('list' as const), request }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      // Little is kept, so that JSON is dropped and made again.
      const index = new KeyIndex(new QuotedKeys(600));
      const held = new Set<string>();
      for (const action of steps) {
        if (action.kind === 'add' && !held.has(action.key)) {
          index.add(action.key);
          held.add(action.key);
        }
        if (action.kind === 'remove' && held.delete(action.key)) index.remove(action.key);
        if (action.kind === 'list') expectPage(index, action.request, naiveList(held, action.request));
      }
      expectPage(index, {}, naiveList(held, {}));
    }),
    { numRuns: 300 },
  );
});
