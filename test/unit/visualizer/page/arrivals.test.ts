import { describe, expect, test } from '@jest/globals';
import { Arrivals } from '../../../../src/visualizer/page/core/arrivals.ts';
import type { VisualizerEvent } from '../../../../src/visualizer/wire.ts';
import { activeIn, state } from './scripted.ts';

const end: VisualizerEvent = { n: 6, kind: 'end', atMs: 5, source: 'a', how: 'killed' };

describe('the end of a source, when it arrives a second time,', () => {
  test('counts as new if a new state of the source came directly before it, because the source would otherwise be shown as running', () => {
    const arrivals = new Arrivals();
    expect(arrivals.isNew(end)).toBe(true);
    expect(arrivals.isNew({ n: 5, ...state(4, 'a', activeIn('closed')) })).toBe(true);
    expect(arrivals.isNew(end)).toBe(true);
  });

  test('does not count as new if nothing, or only the state of another source, has arrived in the meantime', () => {
    const arrivals = new Arrivals();
    expect(arrivals.isNew(end)).toBe(true);
    expect(arrivals.isNew(end)).toBe(false);
    expect(arrivals.isNew({ n: 5, ...state(4, 'b', activeIn('closed')) })).toBe(true);
    expect(arrivals.isNew(end)).toBe(false);
  });
});
