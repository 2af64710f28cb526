/** The limited log of events: which events it keeps, and what a late reader gets. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { EventLog, MAX_CHARTS, MAX_SOURCES } from '../../../src/visualizer/event-log.ts';
import type { VisualizerEvent } from '../../../src/visualizer/wire.ts';
import { trafficLight } from './traffic-light.ts';

const chart = chartOf(trafficLight);
const NO_LIMITS = { maxEvents: Infinity, maxBytes: Infinity };

function begin(log: EventLog, source = 'a'): void {
  log.addChart(chart, 0);
  log.add({ kind: 'state', atMs: 0, source, chart: chart.id, active: ['light.red'], shown: { turns: 0, fixed: true }, fresh: true });
}

function step(log: EventLog, turns: number, source = 'a'): void {
  const active = turns % 2 === 0 ? ['light.red'] : ['light.green'];
  log.add({ kind: 'step', atMs: turns, source, event: 'turn', edges: [], active, shown: { turns } });
}

function readAll(log: EventLog, lastId: string | null = null, chunk = 1): VisualizerEvent[] {
  const cursor = log.cursor(lastId);
  const events: VisualizerEvent[] = [];
  for (;;) {
    const entries = log.read(cursor, chunk);
    if (entries === null) throw new Error('fell behind');
    if (entries.length === 0) return events;
    for (const { n, line } of entries) {
      const event = JSON.parse(line) as VisualizerEvent;
      expect(event.n).toBe(n);
      events.push(event);
    }
  }
}

test('event numbers rise by one, and each chart is added once', () => {
  const log = new EventLog('one', NO_LIMITS);
  begin(log, 'a');
  begin(log, 'b');
  expect(readAll(log).map(({ n, kind }) => `${n} ${kind}`)).toEqual(['1 chart', '2 state', '3 state']);
  expect(log.chart(chart.id)).toEqual(chart);
  expect(log.chart('another')).toBeNull();
});

test('above the maximum number of events, the oldest are dropped, and a new reader first gets the state to which the dropped events led', () => {
  const log = new EventLog('one', { maxEvents: 3, maxBytes: Infinity });
  begin(log);
  for (let turns = 1; turns <= 10; turns += 1) step(log, turns);
  log.add({ kind: 'shown', atMs: 11, source: 'a', shown: { peers: 2 } });
  expect(log.length).toBe(3);
  const [first, second, ...rest] = readAll(log);
  expect(first).toEqual({ n: 9, kind: 'chart', atMs: 0, chart });
  expect(second).toEqual({ n: 10, kind: 'state', atMs: 8, source: 'a', chart: chart.id, active: ['light.red'], shown: { turns: 8, fixed: true }, fresh: false });
  expect(rest.map(({ n, kind }) => `${n} ${kind}`)).toEqual(['11 step', '12 step', '13 shown']);
});

test('the events that a new reader gets have numbers without a gap', () => {
  const log = new EventLog('one', { maxEvents: 5, maxBytes: Infinity });
  begin(log, 'a');
  begin(log, 'b');
  for (let turns = 1; turns <= 5_000; turns += 1) step(log, turns, turns % 2 === 0 ? 'a' : 'b');
  const numbers = readAll(log, null, 1_000).map(({ n }) => n);
  expect(numbers).toEqual(Array.from(numbers, (_, index) => numbers[0]! + index));
  expect(numbers.at(-1)).toBe(log.last);
});

test('above the maximum number of bytes, the oldest events are dropped', () => {
  const log = new EventLog('one', { maxEvents: Infinity, maxBytes: 10_000 });
  begin(log);
  for (let turns = 1; turns <= 1_000; turns += 1) step(log, turns);
  expect(log.bytes).toBeLessThanOrEqual(10_000);
  expect(log.length).toBeGreaterThan(20);
});

function end(log: EventLog, atMs: number, source = 'a'): void {
  log.add({ kind: 'end', atMs, source, how: 'stopped' });
}

describe('a source that ended before the oldest kept event', () => {
  const told = (log: EventLog): readonly string[] => readAll(log).map((event) => `${event.n} ${event.kind} ${'source' in event ? event.source : ''}`);

  test('is shown to a new reader as ended', () => {
    const log = new EventLog('one', { maxEvents: 1, maxBytes: Infinity });
    begin(log, 'a');
    begin(log, 'b');
    step(log, 1, 'a');
    end(log, 2);
    log.add({ kind: 'shown', atMs: 9, source: 'a', shown: { peers: 0 } });
    step(log, 10, 'b');
    expect(readAll(log).slice(1, 3)).toEqual([
      { n: 4, kind: 'state', atMs: 1, source: 'a', chart: chart.id, active: ['light.green'], shown: { turns: 1, fixed: true, peers: 0 }, fresh: false },
      { n: 5, kind: 'end', atMs: 2, source: 'a', how: 'stopped' },
    ]);
    expect(told(log)).toEqual(['3 chart ', '4 state a', '5 end a', '6 state b', '7 step b']);
  });

  test('is shown as running when it has started again', () => {
    const log = new EventLog('one', { maxEvents: 1, maxBytes: Infinity });
    begin(log);
    end(log, 1);
    begin(log);
    step(log, 2);
    expect(told(log)).toEqual(['3 chart ', '4 state a', '5 step a']);
  });

  test('is described to a new reader by events that reuse the numbers of dropped events, starting at 1 if necessary', () => {
    const log = new EventLog('one', { maxEvents: 1, maxBytes: Infinity });
    for (const source of ['a', 'b', 'c']) begin(log, source);
    for (const source of ['c', 'a', 'b']) end(log, 1, source);
    log.add({ kind: 'note', atMs: 2, source: null, level: 'info', text: 'alone' });
    expect(told(log)).toEqual(['1 chart ', '2 state a', '3 end a', '4 state b', '5 end b', '6 state c', '7 end c', '8 note null']);
  });

  test('is forgotten before a running source when there are too many sources', () => {
    const log = new EventLog('one', { maxEvents: 1, maxBytes: Infinity });
    begin(log, 'runs');
    begin(log, 'a');
    end(log, 1);
    for (let index = 0; index < MAX_SOURCES - 1; index += 1) begin(log, `source ${index}`);
    step(log, 1, 'runs');
    const states = readAll(log).flatMap((event) => (event.kind === 'state' ? [event.source] : []));
    expect(states).toHaveLength(MAX_SOURCES);
    expect(states[0]).toBe('runs');
    expect(states).not.toContain('a');
  });
});

test('for any sequence of events, a new reader gets positive event numbers without a gap', () => {
  const happening = fc.record({ kind: fc.constantFrom('state', 'step', 'end', 'note'), source: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (happenings, maxEvents) => {
      const log = new EventLog('one', { maxEvents, maxBytes: Infinity });
      for (const { kind, source } of happenings) {
        if (kind === 'state') begin(log, source);
        else if (kind === 'step') step(log, 1, source);
        else if (kind === 'end') end(log, 1, source);
        else log.add({ kind: 'note', atMs: 1, source, level: 'info', text: 'x' });
      }
      const numbers = readAll(log).map(({ n }) => n);
      expect(numbers).toEqual(Array.from(numbers, (_, index) => log.last - numbers.length + 1 + index));
      expect(numbers[0] ?? 1).toBeGreaterThan(0);
    }),
  );
});

test.each([
  ['the last event', 4, []],
  ['an earlier event', 2, [3, 4]],
])('a reader that continues after %s gets only later events', (_, last, expected) => {
  const log = new EventLog('one', NO_LIMITS);
  begin(log);
  step(log, 1);
  step(log, 2);
  expect(readAll(log, log.idOf(last)).map(({ n }) => n)).toEqual(expected);
});

test.each([
  ['of an event that is no longer kept', 'one-1'],
  ['of another process', 'two-11'],
  ['that was never used', 'one-99'],
  ['in the wrong form', '11'],
])('a reader that sends an id %s gets the chart, the state and all kept events', (_, lastId) => {
  const log = new EventLog('one', { maxEvents: 3, maxBytes: Infinity });
  begin(log);
  for (let turns = 1; turns <= 10; turns += 1) step(log, turns);
  expect(readAll(log, lastId).map(({ kind }) => kind)).toEqual(['chart', 'state', 'step', 'step', 'step']);
});

test('a reader whose next event has already been dropped gets null', () => {
  const log = new EventLog('one', { maxEvents: 3, maxBytes: Infinity });
  begin(log);
  const cursor = log.cursor(null);
  for (let turns = 1; turns <= 10; turns += 1) step(log, turns);
  expect(log.read(cursor, 1)).toBeNull();
});

test('the number of charts and the number of sources are limited', () => {
  const log = new EventLog('one', { maxEvents: 1, maxBytes: Infinity });
  for (let index = 0; index < MAX_CHARTS + 5; index += 1) log.addChart({ ...chart, id: `chart ${index}` }, 0);
  expect(log.chart(`chart ${MAX_CHARTS - 1}`)).not.toBeNull();
  expect(log.chart(`chart ${MAX_CHARTS}`)).toBeNull();
  for (let index = 0; index < MAX_SOURCES + 5; index += 1) begin(log, `source ${index}`);
  const states = readAll(log).filter(({ kind }) => kind === 'state');
  expect(states.length).toBeLessThanOrEqual(MAX_SOURCES + 1);
});
