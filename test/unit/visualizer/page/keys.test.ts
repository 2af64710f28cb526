/** The keys of the page: the same table defines their actions and the text of the help. */
import { expect, test } from '@jest/globals';
import { actionOf, KEY_ROWS } from '../../../../src/visualizer/page/core/keys.ts';

test('each key has exactly one action', () => {
  const keys = KEY_ROWS.flatMap(({ keys }) => Object.keys(keys));
  expect(new Set(keys).size).toBe(keys.length);
  for (const row of KEY_ROWS) for (const [key, action] of Object.entries(row.keys)) expect(actionOf(key)).toBe(action);
});

test('keys that are not in the table do nothing', () => {
  for (const key of ['', 'q', 'Tab', 'Enter', 'constructor', '__proto__']) expect(actionOf(key)).toBeNull();
});

test('the help shows each letter in the line that describes its action', () => {
  for (const { shown, keys } of KEY_ROWS) {
    for (const key of Object.keys(keys)) if (/^[a-z]$/.test(key)) expect(shown.split(/[ ,]+/)).toContain(key);
    for (const key of Object.keys(keys)) if (/^[A-Z]$/.test(key)) expect(shown).toContain(`Shift+${key}`);
  }
});
