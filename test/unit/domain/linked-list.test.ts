/** A list whose items hold their own links (domain/linked-list.ts). */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LinkedList, type Linked } from '../../../src/domain/linked-list.ts';

interface Item extends Linked<Item> {
  readonly name: number;
}

const NAMES = 6;

function itemsOf(list: LinkedList<Item>): readonly number[] {
  const names: number[] = [];
  for (let item = list.first; item !== null; item = item.next) names.push(item.name);
  return names;
}

test('a list keeps the order in which items were added when others are removed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(NAMES - 1)), (toggled) => {
      const items = Array.from({ length: NAMES }, (_, name): Item => ({ name, previous: null, next: null }));
      const list = new LinkedList<Item>();
      let expected: readonly number[] = [];
      for (const name of toggled) {
        if (expected.includes(name)) {
          list.remove(items[name]!);
          expected = expected.filter((other) => other !== name);
        } else {
          list.add(items[name]!);
          expected = [...expected, name];
        }
        expect(itemsOf(list)).toEqual(expected);
      }
      const removed = items.filter(({ name }) => !expected.includes(name));
      for (const item of removed) expect([item.previous, item.next]).toEqual([null, null]);
    }),
  );
});

test('removing an item that is in no list changes nothing', () => {
  const [inside, outside] = [0, 1].map((name): Item => ({ name, previous: null, next: null })) as [Item, Item];
  const list = new LinkedList<Item>();
  list.add(inside);
  list.remove(outside);
  expect(itemsOf(list)).toEqual([0]);
  list.remove(inside);
  list.remove(inside);
  expect(itemsOf(list)).toEqual([]);
  list.add(outside);
  expect(itemsOf(list)).toEqual([1]);
});
