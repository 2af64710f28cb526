/** The drawing of a machine is the same each time. Its states are in the right places, and no text is larger than its box. */
import { describe, expect, test } from '@jest/globals';
import { createMachine } from 'xstate';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { createNodeMachine } from '../../../src/machines/node-machine.ts';
import { MAX_CHARTS } from '../../../src/visualizer/event-log.ts';
import { layoutOf, Layouts } from '../../../src/visualizer/layout.ts';
import { TEXT, type Box, type Drawing, type Layout } from '../../../src/visualizer/layout-graph.ts';
import type { Chart } from '../../../src/visualizer/wire.ts';

const nodeChart = chartOf(
  createNodeMachine(
    { nodeTickMs: 60_000, syncTickMs: 10_000, nudgeMs: 200, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: true },
    { clock: { nowMs: () => 0, monotonicMs: () => 0 }, random: { unit: () => 0 }, secret: { isServable: () => false } },
  ),
);
const within = (inner: Box, outer: Box): boolean =>
  inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.width <= outer.x + outer.width && inner.y + inner.height <= outer.y + outer.height;
const apart = (a: Box, b: Box): boolean => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
const drawingOf = (layout: Layout, region: string | null): Drawing => layout.drawings.find((drawing) => drawing.region === region)!;

describe('the layout of the node', () => {
  test('has a drawing of each region, in the order of the regions in the machine, and then a drawing of the whole machine', async () => {
    const layout = await layoutOf(nodeChart);
    expect(layout.chart).toBe(nodeChart.id);
    expect(layout.drawings.map(({ region }) => region)).toEqual(['node.readiness', 'node.nodeTick', 'node.probing', 'node.beats', null]);
    expect(drawingOf(layout, null).states.map(({ id }) => id)).toEqual(nodeChart.states.map(({ id }) => id));
    const edges = drawingOf(layout, null);
    const drawn = [...edges.arrows.flatMap((arrow) => arrow.edges), ...edges.states.flatMap(({ inside }) => inside.map(({ edge }) => edge))];
    expect(new Set(drawn)).toEqual(new Set(nodeChart.edges.map(({ id }) => id)));
  });

  test('is made once, even if it is requested several times', async () => {
    expect(await layoutOf(nodeChart)).toBe(await layoutOf(nodeChart));
  });

  test('has children inside their parents, no overlapping states, and text inside its box', async () => {
    for (const drawing of (await layoutOf(nodeChart)).drawings) {
      const boxes = new Map(drawing.states.map((state) => [state.id, state]));
      for (const state of drawing.states) {
        const { key, parent } = nodeChart.states.find(({ id }) => id === state.id)!;
        expect(within(state, { x: 0, y: 0, width: drawing.width, height: drawing.height })).toBe(true);
        if (boxes.has(parent!)) expect(within(state, boxes.get(parent!)!)).toBe(true);
        expect(key.length * TEXT.titleCharPx).toBeLessThan(state.width);
        for (const { text } of state.inside) expect(text.length * TEXT.labelCharPx).toBeLessThan(state.width);
      }
      const leaves = drawing.states.filter(({ holds }) => !holds);
      for (const [place, leaf] of leaves.entries()) for (const other of leaves.slice(place + 1)) expect(apart(leaf, other)).toBe(true);
      for (const { label } of drawing.arrows) {
        for (const { text } of label!.lines) expect(text.length * TEXT.labelCharPx).toBeLessThanOrEqual(label!.width);
        for (const leaf of leaves) expect(apart(label!, leaf)).toBe(true);
      }
    }
  });

  test('is the same for the same machine', async () => {
    expect(await layoutOf({ ...nodeChart, id: 'once more' })).toEqual({ ...(await layoutOf(nodeChart)), chart: 'once more' });
  });
});

test('the layouts of many charts are made one at a time, and each only once', async () => {
  let [under, most, made] = [0, 0, 0];
  const layouts = new Layouts(async ({ id }) => {
    under += 1;
    made += 1;
    most = Math.max(most, under);
    await Promise.resolve();
    under -= 1;
    return { chart: id, drawings: [] };
  });
  const charts = Array.from({ length: MAX_CHARTS }, (_, number) => ({ ...nodeChart, id: `chart-${number}` }));
  // Each layout is requested twice, as when a page is loaded twice.
  const all = await Promise.all([...charts, ...charts].map((chart) => layouts.of(chart)));
  expect(all.map(({ chart }) => chart)).toEqual([...charts, ...charts].map(({ id }) => id));
  expect({ most, made }).toEqual({ most: 1, made: MAX_CHARTS });
});

test('a layout that failed is made again, and does not hold up the next one', async () => {
  let fails = true;
  const layouts = new Layouts(async ({ id }) => {
    if (fails && id === nodeChart.id) throw new Error('the chart cannot be drawn');
    return { chart: id, drawings: [] };
  });
  const failed = layouts.of(nodeChart);
  const next = layouts.of({ ...nodeChart, id: 'next' });
  await expect(failed).rejects.toThrow('cannot be drawn');
  expect((await next).chart).toBe('next');
  fails = false;
  expect((await layouts.of(nodeChart)).chart).toBe(nodeChart.id);
});

test('a layout can be made of a machine with final and history states, and with edges from a state to itself, from a parent to its child and to several regions', async () => {
  const chart = chartOf(
    createMachine({
      id: 'odd',
      initial: 'a',
      on: { reset: '.a' },
      states: {
        a: { on: { go: 'b', again: { target: 'a', reenter: true }, both: ['#x2', '#y2'] as never } },
        b: { type: 'parallel', on: { up: 'c' }, states: { x: { initial: 'x1', states: { x1: {}, x2: { id: 'x2', on: { out: '#odd.c' } } } }, y: { initial: 'y1', states: { y1: {}, y2: { id: 'y2' } } } } },
        c: { type: 'final' },
        h: { type: 'history' },
      },
    }),
  );
  const { drawings } = await layoutOf(chart);
  expect(drawings.map(({ region }) => region)).toEqual([null]);
  for (const { points } of drawings[0]!.arrows) expect(points.length).toBeGreaterThanOrEqual(2);
});

test('the layout of an invalid chart fails each time that it is requested', async () => {
  const broken = { ...nodeChart, id: 'broken', edges: [{ ...nodeChart.edges[0]!, source: 'nowhere', targets: ['node'] }], states: [] } as unknown as Chart;
  await expect(layoutOf(broken)).rejects.toThrow('cannot be drawn');
  await expect(layoutOf(broken)).rejects.toThrow('cannot be drawn');
});
