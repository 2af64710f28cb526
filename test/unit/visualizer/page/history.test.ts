import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { History } from '../../../../src/visualizer/page/core/history.ts';
import { KEYFRAME_EVERY } from '../../../../src/visualizer/page/core/limits.ts';
import { EMPTY_MODEL, fold } from '../../../../src/visualizer/page/core/model.ts';
import type { NewEvent, VisualizerEvent } from '../../../../src/visualizer/wire.ts';
import { activeIn, chart, CLOSES, numbered, OPENS, state, step } from './scripted.ts';

/** Events of a door that is pushed repeatedly. */
function pushes(count: number, gapMs = 10): readonly VisualizerEvent[] {
  const events: NewEvent[] = [chart(), state(0, 'a', activeIn('closed'))];
  for (let index = 0; index < count; index++) {
    const opens = index % 2 === 0;
    events.push(step((index + 1) * gapMs, 'a', 'push', [opens ? OPENS : CLOSES], activeIn(opens ? 'open' : 'closed'), { pushes: index + 1 }));
  }
  return numbered(events);
}

function historyOf(events: readonly VisualizerEvent[], limit?: number): History {
  const history = new History(limit);
  for (const event of events) history.append(event);
  return history;
}

describe('a history', () => {
  test('returns the model at any kept place, even if earlier events were dropped', () => {
    const events = pushes(700);
    const history = historyOf(events, 256);
    expect(history.firstPlace).toBeGreaterThan(0);
    expect(history.size).toBeLessThan(256 + KEYFRAME_EVERY);
    fc.assert(
      fc.property(fc.integer({ min: history.firstPlace, max: history.lastPlace }), (place) => {
        expect(history.modelAt(place)).toEqual(events.slice(0, place).reduce(fold, EMPTY_MODEL));
      }),
      { numRuns: 60 },
    );
  });

  test('finds the last event at or before a time', () => {
    const history = historyOf(pushes(20));
    expect(history.placeAt(-1)).toBe(0);
    expect(history.placeAt(0)).toBe(2);
    expect(history.placeAt(55)).toBe(7);
    expect(history.placeAt(1e9)).toBe(22);
    expect(history.timeAt(7)).toBe(50);
  });

  test('treats a clock that was set back like a clock that has stopped', () => {
    const history = historyOf(numbered([chart(), state(100, 'a', activeIn('closed')), step(40, 'a', 'push', [OPENS], activeIn('open'))]));
    expect(history.lastMs).toBe(100);
    expect(history.modelAt(history.placeAt(100)).sources.get('a')?.headline).toBe('open');
  });

  test('can step to the next or previous event of a kind', () => {
    const history = historyOf(pushes(6));
    const opens = (event: VisualizerEvent): boolean => event.kind === 'step' && event.edges.includes(OPENS);
    expect(history.find(0, 1, opens)).toBe(3);
    expect(history.find(3, 1, opens)).toBe(5);
    expect(history.find(3, -1, opens)).toBeNull();
  });
});
