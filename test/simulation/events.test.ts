/**
 * The events that a simulation writes for the visualiser. The same seed leads to the same events, and writing them does not change the run.
 */
import { expect, test } from '@jest/globals';
import { parseEvent } from '../../src/visualizer/event-form.ts';
import type { VisualizerEvent } from '../../src/visualizer/wire.ts';
import { FAULT_PROFILES } from '../../src/sim/faults/fault-profiles.ts';
import { makeScenario } from '../../src/sim/make-scenario.ts';
import { simulate, type SimulateOptions } from '../../src/sim/simulate.ts';
import { Simulation } from '../../src/sim/simulation.ts';

const SCENARIO = makeScenario({ seed: '7', nodes: 3, apps: 2, durationMs: 180_000, faults: FAULT_PROFILES.brutal, requestsPerSecond: 0.5, settings: {} });

async function run(options: SimulateOptions = {}) {
  const lines: string[] = [];
  const result = await simulate(SCENARIO, { ...options, onEvent: (line) => void lines.push(line) });
  return { lines, result };
}

function eventOf(line: string): VisualizerEvent {
  const event = parseEvent(line);
  if ('problem' in event) throw new Error(event.problem);
  return event;
}

test('the same seed leads to the same events, and the run is the same with and without events', async () => {
  const alone = await simulate(SCENARIO);
  const first = await run();
  const second = await run();
  expect(first.lines).toEqual(second.lines);
  expect([first.result.digest, second.result.digest]).toEqual([alone.digest, alone.digest]);
  expect(first.result.events).toBe(alone.events);
});

test('the trace is the same, byte for byte, with and without events', async () => {
  const traces: string[][] = [[], []];
  await simulate(SCENARIO, { onTrace: (line) => void traces[0]!.push(line) });
  await run({ onTrace: (line) => void traces[1]!.push(line) });
  expect(traces[0]!.length).toBeGreaterThan(100);
  expect(traces[1]).toEqual(traces[0]);
});

test('every event is valid, the events are numbered from 1, and they cover the nodes, their ticks and the faults', async () => {
  const { lines } = await run();
  const events = lines.map(eventOf);
  expect(events.map(({ n }) => n)).toEqual(events.map((_, index) => index + 1));
  expect(events[0]!.kind).toBe('chart');
  const fresh = events.flatMap((event) => (event.kind === 'state' ? [event.source] : []));
  expect(new Set(fresh)).toEqual(new Set(['a', 'b', 'c', ...fresh]));
  expect(fresh.slice(0, 3)).toEqual(['a', 'b', 'c']);
  expect(events.some((event) => event.kind === 'span' && event.outcome !== null)).toBe(true);
  expect(events.some((event) => event.kind === 'shown' && 'peers' in event.shown)).toBe(true);
  expect(events.some((event) => event.kind === 'note' && event.level === 'fault')).toBe(true);
  const times = events.map(({ atMs }) => atMs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test('a broken rule is written as an event with the level "failure"', async () => {
  const lines: string[] = [];
  const simulation = await Simulation.start({ seed: '7', nodes: 2, onEvent: (line) => void lines.push(line) });
  await simulation.run(1_000);
  simulation.report('no rule is broken', 'this one was');
  expect(lines.map(eventOf).at(-1)).toEqual({ n: lines.length, kind: 'note', atMs: 1_000, source: null, level: 'failure', text: 'no rule is broken: this one was' });
});
