/** What a recorder reports about a running machine, and what it does not reveal. */
import { describe, expect, test } from '@jest/globals';
import { createActor, type AnyMachineSnapshot } from 'xstate';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { edgeIdsOf } from '../../../src/chart/edge-ids.ts';
import { bounded, changesOf, MAX_SHOWN_CHARS, MAX_SHOWN_ROWS, MAX_SHOWN_VALUES, recordActor } from '../../../src/visualizer/recorder.ts';
import type { Chart, EventSink, NewEvent, Shown } from '../../../src/visualizer/wire.ts';
import { SECRET, trafficLight } from './traffic-light.ts';

class Sink implements EventSink {
  readonly events: NewEvent[] = [];

  addChart(chart: Chart, atMs: number): void {
    this.events.push({ kind: 'chart', atMs, chart });
  }

  add(event: NewEvent): void {
    this.events.push(event);
  }
}

const chart = chartOf(trafficLight);
const edgeTo = (source: string, event: string): string => chart.edges.find((edge) => edge.source === source && edge.label === event)!.id;

function watched(shown: (snapshot: AnyMachineSnapshot) => Shown = ({ context }) => ({ turns: (context as { turns: number }).turns, fixed: true })) {
  const sink = new Sink();
  const failures: unknown[] = [];
  const errors: unknown[] = [];
  const actor = createActor(trafficLight);
  const stop = recordActor(
    actor,
    { source: 'crossing' },
    { nowMs: () => 7, sink, chart, edgeIds: edgeIdsOf(trafficLight), shown, onFailure: (error) => void failures.push(error) },
  );
  actor.subscribe({ error: (error) => void errors.push(error) });
  actor.start();
  const steps = (): readonly NewEvent[] => sink.events.slice(2);
  return { actor, sink, stop, steps, failures, errors };
}

test('every transition of the machine has the id of its edge in the chart', () => {
  const ids = [...edgeIdsOf(trafficLight).values()];
  expect(ids).toEqual(chart.edges.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
});

test('a recording begins with the chart and the whole state', () => {
  const { sink } = watched();
  expect(sink.events).toEqual([
    { kind: 'chart', atMs: 7, chart },
    { kind: 'state', atMs: 7, source: 'crossing', chart: chart.id, active: ['light', 'light.red'], shown: { turns: 0, fixed: true }, fresh: true },
  ]);
});

test('an event that moves the machine is recorded as a step with the edge taken, the states and the changed values', () => {
  const { actor, steps } = watched();
  actor.send({ type: 'turn' });
  expect(steps()).toEqual([
    { kind: 'step', atMs: 7, source: 'crossing', event: 'turn', edges: [edgeTo('light.red', 'turn')], active: ['light', 'light.green'], shown: { turns: 1 } },
  ]);
});

test('a step that leaves the states and values unchanged is recorded without them', () => {
  const { actor, steps } = watched(() => ({}));
  actor.send({ type: 'note' });
  expect(steps()).toEqual([{ kind: 'step', atMs: 7, source: 'crossing', event: 'note', edges: [edgeTo('light', 'note')] }]);
});

test('a transition that happens without an event is recorded as a separate step', () => {
  const { actor, steps } = watched();
  for (let turn = 0; turn < 5; turn += 1) actor.send({ type: 'turn' });
  const always = chart.edges.find(({ kind }) => kind === 'always')!.id;
  expect(steps().filter((event) => event.kind === 'step' && event.edges.includes(always))).toHaveLength(1);
});

test('an event that no edge handles is recorded as a step without edges, and without its name if the machine does not know the event', () => {
  const { actor, steps } = watched();
  actor.send({ type: 'mend' });
  actor.send({ type: 'break' });
  actor.send({ type: SECRET } as never);
  expect(steps()).toEqual(
    ['(unknown)', 'break', '(unknown)'].map((event) => ({ kind: 'step', atMs: 7, source: 'crossing', event, edges: [] })),
  );
});

test('payloads and contexts are not recorded', () => {
  const { actor, sink } = watched();
  actor.send({ type: 'turn', secret: SECRET });
  actor.send({ type: 'turn' });
  expect(sink.events.length).toBeGreaterThan(3);
  expect(JSON.stringify(sink.events)).not.toContain(SECRET);
});

test('a stopped machine is recorded as ended', () => {
  const { actor, steps } = watched();
  actor.stop();
  expect(steps()).toEqual([{ kind: 'end', atMs: 7, source: 'crossing', how: 'stopped' }]);
});

test('a failed machine is recorded as ended, without the reason for the failure', () => {
  const { actor, steps, errors } = watched();
  actor.send({ type: 'turn' });
  actor.send({ type: 'turn' });
  actor.send({ type: 'break' });
  expect(errors).toHaveLength(1);
  expect(steps().at(-1)).toEqual({ kind: 'end', atMs: 7, source: 'crossing', how: 'error' });
  expect(JSON.stringify(steps())).not.toContain(SECRET);
});

describe('a recorder that fails', () => {
  test('detaches itself, reports that once, and does not affect the machine', () => {
    let calls = 0;
    const { actor, steps, failures, errors } = watched(() => {
      calls += 1;
      if (calls > 1) throw new Error('no values today');
      return {};
    });
    actor.send({ type: 'turn' });
    actor.send({ type: 'turn' });
    expect(actor.getSnapshot().value).toBe('yellow');
    expect(failures).toHaveLength(1);
    expect(errors).toEqual([]);
    expect(steps()).toEqual([
      { kind: 'note', atMs: 7, source: 'crossing', level: 'failure', text: 'The recorder failed and detached itself; the machine keeps running unrecorded.' },
      { kind: 'end', atMs: 7, source: 'crossing', how: 'no longer watched' },
    ]);
    actor.stop();
    expect(steps()).toHaveLength(2);
  });

  test('does not affect the machine when only its sink fails', () => {
    const { actor, sink, failures, errors } = watched();
    sink.add = () => {
      throw new Error('full');
    };
    actor.send({ type: 'turn' });
    actor.send({ type: 'turn' });
    expect(actor.getSnapshot().value).toBe('yellow');
    expect(failures).toHaveLength(1);
    expect(errors).toEqual([]);
  });
});

test('nothing is recorded after the recorder was stopped', () => {
  const { actor, steps, stop } = watched();
  stop();
  actor.send({ type: 'turn' });
  expect(steps()).toEqual([]);
});

describe('values that may be shown', () => {
  test('are truncated to their limits', () => {
    const shown = bounded({ long: 'x'.repeat(MAX_SHOWN_CHARS + 1), table: { rows: Array.from({ length: MAX_SHOWN_ROWS + 5 }, () => ({ cell: 'y'.repeat(1_000) })) } });
    expect((shown['long'] as string).length).toBe(MAX_SHOWN_CHARS);
    const { rows } = shown['table'] as { rows: readonly { cell: string }[] };
    expect(rows).toHaveLength(MAX_SHOWN_ROWS);
    expect(rows[0]!.cell.length).toBe(MAX_SHOWN_CHARS);
    const many = bounded(Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`value ${index}`, index])));
    expect(Object.keys(many)).toHaveLength(MAX_SHOWN_VALUES);
  });

  test.each([
    ['count as unchanged when a number stays the same', 1, 1, null],
    ['count as changed when a number differs', 1, 2, { value: 2 }],
    ['count as unchanged when a time stays the same', { atMs: 5 }, { atMs: 5 }, null],
    ['count as changed when a time differs', { atMs: 5 }, { atMs: 6 }, { value: { atMs: 6 } }],
    ['count as changed when a time is removed', { atMs: 5 }, null, { value: null }],
    ['count as unchanged when a table stays the same', { rows: [{ a: 1 }] }, { rows: [{ a: 1 }] }, null],
    ['count as changed when a table differs', { rows: [{ a: 1 }] }, { rows: [{ a: 2 }] }, { value: { rows: [{ a: 2 }] } }],
  ])('%s', (_, before, after, changes) => {
    expect(changesOf({ value: before }, { value: after })).toEqual(changes);
  });
});
