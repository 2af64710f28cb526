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

test('a source that the reader did not choose is replaced by the first source, and a missing source cannot be chosen', () => {
  const choice = new Choice();
  choice.show('n2');
  choice.pick(undefined);
  choice.suggestFirst(NAMES);
  expect(choice.name).toBe('n1');
});

test('moving on from the last source leads to the first, and moving back from the first leads to the last', () => {
  const choice = new Choice();
  choice.suggestFirst(NAMES);
  choice.pickNext(NAMES, -1);
  expect(choice.name).toBe('n3');
  choice.pickNext(NAMES, 1);
  expect(choice.name).toBe('n1');
  choice.pickNext([], 1);
  expect(choice.name).toBe('n1');
});
