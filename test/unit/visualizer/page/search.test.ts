import { describe, expect, test } from '@jest/globals';
import { EMPTY_MODEL, fold } from '../../../../src/visualizer/page/core/model.ts';
import { describe as describeEvent, matches, NO_FILTER, type Filter } from '../../../../src/visualizer/page/core/search.ts';
import type { NewEvent } from '../../../../src/visualizer/wire.ts';
import { activeIn, chart, numbered, OPENS, state, step } from './scripted.ts';

const events = numbered([
  chart(),
  state(1, 'a', activeIn('closed')),
  step(2, 'a', 'push', [OPENS], activeIn('open'), { reason: 'warm' }),
  step(3, 'a', 'oil', []),
  { kind: 'note', atMs: 4, source: null, level: 'fault', text: 'The network was cut' },
  { kind: 'end', atMs: 5, source: 'b', how: 'killed' },
] satisfies NewEvent[]);
const model = events.reduce(fold, EMPTY_MODEL);
const found = (filter: Partial<Filter>): readonly number[] => events.filter((event) => matches({ ...NO_FILTER, ...filter }, event, model)).map(({ n }) => n);

describe('a filter finds', () => {
  test.each<[string, Partial<Filter>, readonly number[]]>([
    ['all events', {}, [1, 2, 3, 4, 5, 6]],
    ['events that contain all words, in upper or lower case', { text: 'Closed OPEN push' }, [3]],
    ['a step by the name of the state that its edge leads to', { text: '→ open' }, [3]],
    ['a note by its text', { text: 'network' }, [5]],
    ['the events of one source, and events without a source', { source: 'a' }, [1, 2, 3, 4, 5]],
    ['all events except those of some kinds', { without: new Set(['step', 'chart'] as const) }, [2, 5, 6]],
    ['events of one type', { type: 'oil' }, [4]],
    ['nothing for a word that no event contains', { text: 'nowhere' }, []],
  ])('%s', (_, filter, places) => expect(found(filter)).toEqual(places));
});

test('an event is described in a few words', () => {
  expect(describeEvent(events[2]!, model)).toEqual({ title: 'push', detail: 'closed → open  reason: warm' });
  expect(describeEvent(events[3]!, model)).toEqual({ title: 'oil', detail: 'no edge handles it' });
});
