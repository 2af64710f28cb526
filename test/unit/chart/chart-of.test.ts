/** The charts of two machines: a traffic light with every kind of element, and the machine of the node. */
import { describe, expect, test } from '@jest/globals';
import type { Chart, ChartEdge, ChartState } from '../../../src/chart/chart.ts';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { createNodeMachine } from '../../../src/machines/node-machine.ts';
import { trafficLight } from '../../support/traffic-light.ts';

function node() {
  const stopped = { clock: { nowMs: () => 0, monotonicMs: () => 0 }, random: { unit: () => 0 }, secret: { isServable: () => false } };
  return createNodeMachine({ nodeTickMs: 60_000, syncTickMs: 10_000, nudgeMs: 50, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: true }, stopped);
}

const state = (chart: Chart, id: string): ChartState => chart.states.find((each) => each.id === id)!;
const edges = (chart: Chart, source: string): readonly ChartEdge[] => chart.edges.filter((each) => each.source === source);
const lines = (chart: Chart, source: string): readonly string[] =>
  edges(chart, source).map(({ label, guard, targets, actions }) =>
    [label, ...(guard === null ? [] : [`[${guard}]`]), ...actions.map((name) => `/${name}`), '->', ...targets].join(' '),
  );

describe('the states of a traffic light', () => {
  const chart = chartOf(trafficLight());

  test('are listed with the root first and parents before children', () => {
    expect(chart.name).toBe('light');
    expect(chart.states.map(({ id, type, parent }) => `${id} ${type} in ${parent}`)).toEqual([
      'light compound in null',
      'light.testing atomic in light',
      'light.working parallel in light',
      'light.working.cars compound in light.working',
      'light.working.cars.red atomic in light.working.cars',
      'light.working.cars.green atomic in light.working.cars',
      'light.working.cars.memory history in light.working.cars',
      'light.working.walkers compound in light.working',
      'light.working.walkers.wait atomic in light.working.walkers',
      'light.working.walkers.done final in light.working.walkers',
      'light.dark atomic in light',
      'light.gone final in light',
    ]);
  });

  test('name the child that is entered first, if there is one', () => {
    expect(chart.states.filter(({ initial }) => initial !== null).map(({ id, initial }) => [id, initial])).toEqual([
      ['light', 'light.testing'],
      ['light.working.cars', 'light.working.cars.red'],
      ['light.working.walkers', 'light.working.walkers.wait'],
    ]);
  });

  test('have the fields that the machine gives them, and the strings, numbers and booleans from their meta', () => {
    expect(state(chart, 'light.working')).toMatchObject({
      key: 'working',
      description: 'The cars and the walkers each see a signal.',
      tags: ['lit'],
      meta: { headline: true, depth: 2, text: 'on' },
    });
    expect(state(chart, 'light.testing')).toMatchObject({ description: null, tags: [], meta: {}, invokes: ['selfTest'] });
    expect(state(chart, 'light.working.walkers').invokes).toEqual(['walkersLamp']);
  });

  test('have their entry and exit actions, without the actions that XState adds for delays', () => {
    expect(state(chart, 'light.working.cars.red')).toMatchObject({ entry: ['note', 'raise button'], exit: ['switchOff'] });
    expect(state(chart, 'light.testing')).toMatchObject({ entry: [], exit: [] });
  });
});

describe('the edges of a traffic light', () => {
  const chart = chartOf(trafficLight());

  test.each([
    ['light', ['removed -> light.gone']],
    [
      'light.testing',
      [
        'done: selfTest [isDay] -> light.working',
        'done: selfTest -> light.dark',
        'error: selfTest /note -> light.dark',
        'after 250 ms /note ->',
        'after 5 s -> light.dark',
      ],
    ],
    ['light.working', ['power.cut -> light.dark', 'done: working -> light.gone']],
    ['light.working.cars.red', ['after redFor (30 s) -> light.working.cars.green', 'after amberFor -> light.working.cars.green']],
    ['light.working.cars.green', ['button [and(isDay, not(isBroken))] -> light.working.cars.red', 'button /assign ->']],
    ['light.working.walkers', ['error: walkersLamp -> light.dark']],
    ['light.working.walkers.wait', ['always [isDay] -> light.working.walkers.done']],
    ['light.dark', ['power.back -> light.working.cars.memory', '* [inline] /note ->']],
    ['light.gone', []],
  ])('that leave %s are listed with their triggers, guards, actions and targets', (source, expected) => {
    expect(lines(chart, source)).toEqual(expected);
  });

  test('have a kind that depends on their trigger', () => {
    const kinds = new Map(chart.edges.map(({ label, kind }) => [label, kind]));
    expect(Object.fromEntries(kinds)).toMatchObject({
      removed: 'event',
      'done: selfTest': 'done',
      'error: selfTest': 'error',
      'after 5 s': 'after',
      'after amberFor': 'after',
      'done: working': 'done',
      always: 'always',
    });
  });

  test('are marked if they reenter their state, and have the strings, numbers and booleans from their meta', () => {
    expect(chart.edges.filter(({ reenter }) => reenter).map(({ id }) => id)).toEqual(['light.working.cars.green|button|0']);
    expect(chart.edges.filter(({ meta }) => Object.keys(meta).length > 0).map(({ id, meta }) => [id, meta])).toEqual([
      ['light.working|power.cut|0', { dropped: 'light' }],
    ]);
  });

  test('have unique ids, built from source, event and position', () => {
    expect(edges(chart, 'light.testing').map(({ id }) => id)).toEqual([
      'light.testing|xstate.done.actor.0.light.testing|0',
      'light.testing|xstate.done.actor.0.light.testing|1',
      'light.testing|xstate.error.actor.0.light.testing|0',
      'light.testing|xstate.after.250.light.testing|0',
      'light.testing|xstate.after.5000.light.testing|0',
    ]);
    expect(new Set(chart.edges.map(({ id }) => id)).size).toBe(chart.edges.length);
  });
});

describe('a chart', () => {
  test('has the same id for the same machine, and another id for another machine', () => {
    expect(chartOf(trafficLight())).toEqual(chartOf(trafficLight()));
    expect(chartOf(trafficLight()).id).toMatch(/^[0-9a-f]{32}$/);
    expect(chartOf(node()).id).not.toBe(chartOf(trafficLight()).id);
  });

  test('is plain data', () => {
    const chart = chartOf(trafficLight());
    expect(JSON.parse(JSON.stringify(chart))).toEqual(chart);
  });

  test('of the node has four regions, named delays, and no edge to a missing state', () => {
    const chart = chartOf(node());
    expect(chart.states.filter(({ parent }) => parent === 'node').map(({ key }) => key)).toEqual(['readiness', 'nodeTick', 'probing', 'beats']);
    const known = new Set(chart.states.map(({ id }) => id));
    for (const { source, targets } of chart.edges) for (const id of [source, ...targets]) expect(known).toContain(id);
    expect(lines(chart, 'node.nodeTick.readingChain').at(-1)).toBe('after readingChain (20 s) /conclude -> node.nodeTick.settling');
    expect(lines(chart, 'node.beats.nodeBeat.resting')).toContain('after untilNextTick -> node.beats.nodeBeat.due');
    expect(lines(chart, 'node.readiness.ready')).toContain('sync_tick /countSyncTick /sendTo ->');
  });
});
