import { expect, test } from '@jest/globals';
import { Choice } from '../../../../src/visualizer/page/core/choice.ts';

const NAMES = ['n1', 'n2', 'n3'];

test('the first source is shown until the reader chooses one', () => {
  const choice = new Choice();
  choice.suggestFirst([]);
  expect(choice.name).toBeNull();
  choice.suggestFirst(['n2']);
  choice.suggestFirst(NAMES);
  expect(choice.name).toBe('n1');
  choice.pick('n3');
  choice.suggestFirst(NAMES);
  expect(choice.name).toBe('n3');
});

test('a source shown temporarily gives way to the first, and a missing source is not chosen', () => {
  const choice = new Choice();
  choice.show('n2');
  choice.pick(undefined);
  choice.suggestFirst(NAMES);
  expect(choice.name).toBe('n1');
});

test('the first source follows the last, and the last one precedes the first', () => {
  const choice = new Choice();
  choice.suggestFirst(NAMES);
  choice.pickNext(NAMES, -1);
  expect(choice.name).toBe('n3');
  choice.pickNext(NAMES, 1);
  expect(choice.name).toBe('n1');
  choice.pickNext([], 1);
  expect(choice.name).toBe('n1');
});
