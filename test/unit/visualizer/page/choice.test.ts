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

test('a source that was shown without a choice of the reader is replaced by the first source, and the reader cannot choose a missing source', () => {
  const choice = new Choice();
  choice.show('n2');
  choice.pick(undefined);
  choice.suggestFirst(NAMES);
  expect(choice.name).toBe('n1');
});

test('the next source after the last is the first, and the previous source before the first is the last', () => {
  const choice = new Choice();
  choice.suggestFirst(NAMES);
  choice.pickNext(NAMES, -1);
  expect(choice.name).toBe('n3');
  choice.pickNext(NAMES, 1);
  expect(choice.name).toBe('n1');
  choice.pickNext([], 1);
  expect(choice.name).toBe('n1');
});
