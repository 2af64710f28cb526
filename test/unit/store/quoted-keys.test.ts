/** The JSON of the keys that the store keeps for listings: for how long, and how much of it. */
import { expect, test } from '@jest/globals';
import { quoteObject } from '../../../src/domain/quoted-json.ts';
import type { ListRequest } from '../../../src/domain/records.ts';
import { KeyIndex } from '../../../src/store/key-index.ts';
import { QuotedKeys } from '../../../src/store/quoted-keys.ts';

const nameOf = (index: number): string => `key-${String(index).padStart(6, '0')}`;

function filled(count: number, quoted: QuotedKeys): KeyIndex {
  const index = new KeyIndex(quoted);
  for (let place = 0; place < count; place += 1) index.add(nameOf(place));
  return index;
}

const jsonOf = (index: KeyIndex, request: ListRequest = {}): string => String(quoteObject({ keys: index.listQuoted(request).keys }));
const piecesOf = (index: KeyIndex): ReadonlySet<Buffer> => new Set(index.listQuoted({}).keys.pieces.map(({ quoted }) => quoted));

test('after a key is added or removed, only the JSON of its neighbours is made again', () => {
  const index = filled(10_000, new QuotedKeys());
  for (const change of [() => index.add(`${nameOf(5_000)}+`), () => index.remove(nameOf(7_000))]) {
    const before = piecesOf(index);
    change();
    const made = [...piecesOf(index)].filter((piece) => !before.has(piece));
    // The first two pieces of a list are always new: its bracket, and the rest of its first kept piece without the comma. So is the last.
    expect(made.length).toBeLessThanOrEqual(3 + 2);
    expect(jsonOf(index)).toBe(JSON.stringify({ keys: index.list({}).keys }));
  }
});

test('the JSON of keys that are gone is dropped', () => {
  const quoted = new QuotedKeys();
  const index = filled(2_000, quoted);
  index.listQuoted({});
  expect(quoted.bytes).toBeGreaterThan(2_000 * nameOf(0).length);
  for (let place = 0; place < 2_000; place += 1) {
    index.remove(nameOf(place));
    if (place % 50 === 0) index.listQuoted({});
  }
  expect(quoted.bytes).toBe(0);
});

test('all apps together keep no more than the maximum, and the JSON that was listed least recently is dropped first', () => {
  const maxBytes = 100_000;
  const quoted = new QuotedKeys(maxBytes);
  const [first, second, third] = [filled(2_000, quoted), filled(2_000, quoted), filled(2_000, quoted)];
  const firstPieces = piecesOf(first);
  piecesOf(second);
  const isKept = (): boolean => [...piecesOf(first)].some((piece) => firstPieces.has(piece));
  expect(isKept()).toBe(true);
  piecesOf(third);
  expect(quoted.bytes).toBeLessThanOrEqual(maxBytes);
  expect(isKept()).toBe(true);
  const large = filled(10_000, quoted);
  expect(jsonOf(large)).toBe(JSON.stringify({ keys: large.list({}).keys }));
  expect(quoted.bytes).toBeLessThanOrEqual(maxBytes);
  expect(isKept()).toBe(false);
});
