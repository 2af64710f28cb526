import { describe, expect, test } from '@jest/globals';
import { EMPTY_MODEL, fold, reasonOf, type Model } from '../../../../src/visualizer/page/core/model.ts';
import type { NewEvent } from '../../../../src/visualizer/wire.ts';
import { activeIn, chart, CLOSES, numbered, OPENS, state, step } from './scripted.ts';

const modelOf = (...events: NewEvent[]): Model => numbered(events).reduce(fold, EMPTY_MODEL);

describe('the model of a source', () => {
  test('takes its headline from the state marked as the headline: the name of the active child of that state', () => {
    const { sources } = modelOf(chart(), state(1, 'a', activeIn('closed'), { reason: 'it is cold' }), step(5, 'a', 'push', [OPENS], activeIn('open'), { reason: null }));
    expect(sources.get('a')).toMatchObject({ headline: 'open', sinceMs: 5, sinceExact: true, ended: null });
    expect(reasonOf(sources.get('a')!)).toBeNull();
  });

  test('has a headline even if its chart arrives later than its state', () => {
    expect(modelOf(state(1, 'a', activeIn('open')), chart()).sources.get('a')?.headline).toBe('open');
  });

  test('counts how many times each edge was taken since the start of the actor', () => {
    const events = [chart(), state(1, 'a', activeIn('closed')), step(2, 'a', 'push', [OPENS], activeIn('open')), step(3, 'a', 'push', [CLOSES], activeIn('closed'))];
    expect([...modelOf(...events).sources.get('a')!.taken]).toEqual([[OPENS, 1], [CLOSES, 1]]);
    expect(modelOf(...events, state(4, 'a', activeIn('closed'))).sources.get('a')!.taken.size).toBe(2);
    expect(modelOf(...events, state(4, 'a', activeIn('closed'), {}, true)).sources.get('a')!.taken.size).toBe(0);
  });

  test('does not count edges that its chart does not have', () => {
    const events = [chart(), state(1, 'a', activeIn('closed')), step(2, 'a', 'push', ['elsewhere', OPENS], activeIn('open'))];
    expect([...modelOf(...events).sources.get('a')!.taken]).toEqual([[OPENS, 1]]);
  });

  test('changes shown values one by one, and a whole state replaces all of them', () => {
    const events = [chart(), state(1, 'a', activeIn('closed'), { x: 1, y: 2 }), { kind: 'shown', atMs: 2, source: 'a', shown: { y: 3 } } as const];
    expect(modelOf(...events).sources.get('a')?.shown).toEqual({ x: 1, y: 3 });
    expect(modelOf(...events, state(3, 'a', activeIn('closed'), { z: 1 })).sources.get('a')?.shown).toEqual({ z: 1 });
  });

  test('has no active state between the end of the source and its next start', () => {
    const ended = [chart(), state(1, 'a', activeIn('open')), { kind: 'end', atMs: 7, source: 'a', how: 'killed' } as const];
    expect(modelOf(...ended).sources.get('a')).toMatchObject({ ended: { atMs: 7, how: 'killed' }, active: new Set() });
    expect(modelOf(...ended, state(9, 'a', activeIn('closed'), {}, true)).sources.get('a')).toMatchObject({ ended: null, headline: 'closed', sinceMs: 9 });
  });

  test('keeps the time at which its current state began when the whole state is repeated', () => {
    expect(modelOf(chart(), state(1, 'a', activeIn('open')), state(100, 'a', activeIn('open'))).sources.get('a')).toMatchObject({ sinceMs: 1, sinceExact: false });
  });

  test('is not created by a step of an unknown source', () => {
    expect(modelOf(chart(), step(1, 'a', 'push', [OPENS], activeIn('open'))).sources.size).toBe(0);
  });

  test('is never changed in place: a later event makes a new model', () => {
    const before = modelOf(chart(), state(1, 'a', activeIn('closed')));
    const kept = structuredClone(before.sources.get('a'));
    fold(before, { n: 3, ...step(2, 'a', 'push', [OPENS], activeIn('open'), { reason: 'x' }) });
    expect(before.sources.get('a')).toEqual(kept);
  });
});
