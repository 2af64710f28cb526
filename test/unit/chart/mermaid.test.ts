/** Charts as Mermaid pictures: nested and parallel states, no duplicate arrows, valid names. The pictures in the documents are current. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createMachine, setup } from 'xstate';
import { DOCUMENTS, withPicture } from '../../../scripts/chart-update/document.ts';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { mermaidOf } from '../../../src/chart/mermaid.ts';
import { regionOf } from '../../../src/chart/region.ts';
import { nodeChart, regionNames } from '../../../src/cli/chart/node-chart.ts';
import { trafficLight } from '../../support/traffic-light.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

test('a picture of a traffic light shows nested states, parallel regions, and one arrow for all edges between the same two states', () => {
  expect(mermaidOf(chartOf(trafficLight()))).toBe(`stateDiagram-v2
    direction LR
    testing
    state working {
        state cars {
            red
            green
            memory
            [*] --> red
            red --> green: after redFor (30 s)<br/>after amberFor
            green --> red: button [and(isDay, not(isBroken))]
        }
        --
        state walkers {
            wait
            done
            [*] --> wait
            wait --> done: always [isDay]
            done --> [*]
        }
    }
    dark
    gone
    [*] --> testing
    testing --> gone: removed
    working --> gone: removed<br/>done working
    dark --> gone: removed
    testing --> working: done selfTest [isDay]
    testing --> dark: done selfTest<br/>error selfTest<br/>after 5 s
    working --> dark: power.cut
    walkers --> dark: error walkersLamp
    dark --> memory: power.back
    gone --> [*]
`);
});

test('an edge from a region to one of its states is drawn from every other state of the region, and from the target state too if the edge reenters it', () => {
  const machine = createMachine({
    id: 'm',
    type: 'parallel',
    on: { DEEP: '.one.b' },
    states: {
      one: { initial: 'a', on: { RESET: { target: '.a', reenter: true } }, states: { a: {}, b: {}, c: {} } },
      two: { initial: 'x', states: { x: {}, y: {} } },
    },
  });
  const arrows = mermaidOf(chartOf(machine)).split('\n').map((line) => line.trim()).filter((line) => line.includes('-->') && !line.startsWith('[*]'));
  expect(arrows.sort()).toEqual(['a --> a: RESET', 'a --> b: DEEP', 'b --> a: RESET', 'c --> a: RESET', 'c --> b: DEEP']);
});

test('a state gets a different name in the picture if its key is a Mermaid keyword, contains special characters or occurs twice', () => {
  const machine = setup({}).createMachine({
    id: 'odd',
    initial: 'end',
    states: { end: { on: { 'a;b: "c"': 'a-b' } }, 'a-b': { on: { go: 'a_b' } }, a_b: { initial: 'end', states: { end: {} } } },
  });
  expect(mermaidOf(chartOf(machine)).split('\n').map((line) => line.trim())).toEqual([
    'stateDiagram-v2',
    'direction LR',
    'state "end" as odd_end',
    'state "a-b" as a_b',
    'state "a_b" as odd_a_b',
    'state odd_a_b {',
    'state "end" as odd_a_b_end',
    '[*] --> odd_a_b_end',
    '}',
    '[*] --> odd_end',
    'odd_end --> a_b: a b  c',
    'a_b --> odd_a_b: go',
    '',
  ]);
});

describe('a region', () => {
  const chart = chartOf(trafficLight());

  test('becomes a separate chart: its state is the root, and the edges that leave the region are omitted', () => {
    const cars = regionOf(chart, 'light.working.cars')!;
    expect(cars.name).toBe('light cars');
    expect(cars.states.map(({ id, parent }) => [id, parent])).toEqual([
      ['light.working.cars', null],
      ['light.working.cars.red', 'light.working.cars'],
      ['light.working.cars.green', 'light.working.cars'],
      ['light.working.cars.memory', 'light.working.cars'],
    ]);
    expect(regionOf(chart, 'light.working.walkers')!.edges.map(({ label }) => label)).toEqual(['always']);
    expect(cars.id).not.toBe(chart.id);
  });

  test('is null if the chart does not have it', () => expect(regionOf(chart, 'light.nowhere')).toBeNull());

  test('of the node is chosen by name: one of the four regions, or `all` for the whole node', () => {
    expect(regionNames()).toEqual(['readiness', 'nodeTick', 'probing', 'beats', 'all']);
    expect(nodeChart('readiness').states.map(({ key }) => key)).toEqual(['readiness', 'ineligible', 'bootstrapping', 'syncing-secret', 'ready']);
    expect(nodeChart().states[0]!.id).toBe('node');
  });
});

test.each(DOCUMENTS)('%s shows the current machine (npm run chart:update)', (name) => {
  const document = readFileSync(join(ROOT, name), 'utf8');
  expect(withPicture(document)).toBe(document);
});

test('a document is refused if it lacks the comments that mark the place of the picture', () => {
  expect(() => withPicture('# Nothing here')).toThrow('the document does not contain <!-- chart --> and <!-- /chart -->');
});
