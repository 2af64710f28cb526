/** A trace is a stream of events. One server sends it, a command saves it to a file, and a second server replays the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { followEvents } from '../../../../src/cli/dev/follow-events.ts';
import { serveTrace } from '../../../../src/cli/trace/serve-trace.ts';
import { readTraceFile, TraceFileError } from '../../../../src/cli/trace/trace-file.ts';
import { writeTrace, WriteTraceError } from '../../../../src/cli/trace/write-trace.ts';
import { chartOf } from '../../../../src/chart/chart-of.ts';
import { systemClock } from '../../../../src/system/system.ts';
import { EventLog, LIVE_LIMITS } from '../../../../src/visualizer/event-log.ts';
import { parseEvent } from '../../../../src/visualizer/event-form.ts';
import { readEventLine } from '../../../../src/visualizer/page/core/trace.ts';
import { serveVisualizer, type VisualizerServer } from '../../../../src/visualizer/server.ts';
import type { NewEvent, VisualizerEvent } from '../../../../src/visualizer/wire.ts';
import { createMachine } from 'xstate';
import { trafficLight } from '../../visualizer/traffic-light.ts';

const folder = mkdtempSync(join(tmpdir(), 'trace-'));
const file = join(folder, 'a.jsonl');
const chart = chartOf(trafficLight);

afterAll(() => rmSync(folder, { recursive: true }));

const EVENTS: readonly NewEvent[] = [
  { kind: 'state', atMs: 1, source: 'a', chart: chart.id, active: ['light', 'light.red'], shown: { turns: 0, next: { atMs: 5 }, peers: { rows: [{ wallet: '0x1', behind: 0, next: null }] } }, fresh: true },
  { kind: 'step', atMs: 2, source: 'a', event: 'turn', edges: ['light.red|turn|0'], active: ['light', 'light.green'], shown: { turns: 1 } },
  { kind: 'step', atMs: 3, source: 'a', event: 'mend', edges: [] },
  { kind: 'shown', atMs: 3, source: 'a', shown: { peers: { rows: [] } } },
  { kind: 'span', atMs: 4, source: 'a', name: 'sync_tick', span: 1, outcome: null },
  { kind: 'span', atMs: 5, source: 'a', name: 'sync_tick', span: 1, outcome: 'ok' },
  { kind: 'note', atMs: 6, source: null, level: 'failure', text: 'a rule was broken' },
  { kind: 'end', atMs: 7, source: 'a', how: 'stopped' },
];

const servers: VisualizerServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

function filled(name = 'live'): EventLog {
  const log = new EventLog(name, LIVE_LIMITS);
  log.addChart(chart, 0);
  for (const event of EVENTS) log.add(event);
  return log;
}

async function serving(log: EventLog, port = 0): Promise<VisualizerServer> {
  const server = await serveVisualizer({ port, title: 'live', mode: 'live' }, { clock: systemClock, log, loadPage: async () => new Map(), layoutOf: async () => ({}) });
  servers.push(server);
  return server;
}

function collector(): { readonly output: Writable; readonly text: () => string; readonly until: (holds: (text: string) => boolean) => Promise<void> } {
  let text = '';
  const listeners = new Set<() => void>();
  const output = new Writable({
    write: (chunk: Buffer, _, done) => {
      text += chunk.toString('utf8');
      for (const listener of listeners) listener();
      done();
    },
  });
  const until = async (holds: (text: string) => boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const look = (): void => {
      if (holds(text)) resolve(undefined);
    };
    listeners.add(look);
    look();
    await promise;
  };
  return { output, text: () => text, until };
}

test('a saved trace of a live server is replayed with the same events', async () => {
  const live = await serving(filled());
  const written = collector();
  await writeTrace(live.url, written.output, { follow: false });
  writeFileSync(file, written.text());
  const { server: replay } = await serveTrace(file, { port: 0 });
  servers.push(replay);
  expect(await (await fetch(`${replay.url}/session`)).json()).toEqual({ title: 'a.jsonl', mode: 'replay', commands: [], token: null });
  const again = await (await fetch(`${replay.url}/trace`)).text();
  const eventsOf = (text: string): unknown[] => text.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown);
  expect(eventsOf(again)).toEqual(eventsOf(written.text()));
  expect(eventsOf(again)).toEqual([{ n: 1, kind: 'chart', atMs: 0, chart }, ...EVENTS.map((event, index) => ({ n: index + 2, ...event }))]);
});

test('a trace that follows a server continues until it is aborted', async () => {
  const log = filled();
  const live = await serving(log);
  const written = collector();
  const stopping = new AbortController();
  const writing = writeTrace(live.url, written.output, { signal: stopping.signal });
  await written.until((text) => text.includes('a rule was broken'));
  log.add({ kind: 'note', atMs: 9, source: null, level: 'info', text: 'and then' });
  await written.until((text) => text.includes('and then'));
  stopping.abort();
  await writing;
});

test('keep-alive lines are not written, and a trace ends when it is aborted, even if its output accepts no more lines', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/jsonl' });
    response.write('\n{"n":1}\n\n{"n":2}\n\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const written = collector();
  const stopping = new AbortController();
  const writing = writeTrace(url, written.output, { signal: stopping.signal });
  await written.until((text) => text.includes('"n":2'));
  expect(written.text()).toBe('{"n":1}\n{"n":2}\n');
  stopping.abort();
  await writing;
  // This output accepts one line and then stalls.
  const asked = Promise.withResolvers<undefined>();
  const stalled = new Writable({ highWaterMark: 1, write: () => asked.resolve(undefined) });
  const stoppingStalled = new AbortController();
  const writingStalled = writeTrace(url, stalled, { signal: stoppingStalled.signal });
  await asked.promise;
  stoppingStalled.abort();
  await writingStalled;
  server.closeAllConnections();
  server.close();
});

test('a line may contain characters that some readers treat as a line break', async () => {
  writeFileSync(file, `${JSON.stringify({ n: 1, atMs: 0, kind: 'note', source: null, level: 'info', text: 'one\u2028two\u0085' })}\n`);
  expect(await readTraceFile(file)).toMatchObject({ isCut: false, log: { last: 1 } });
});

describe('writing a trace whose connection breaks off', () => {
  async function brokenOff(follow: boolean): Promise<string> {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/jsonl' });
      response.write('{"n":1}\n{"n":2}\n{"n":', () => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const written = collector();
    try {
      await expect(writeTrace(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, written.output, { follow })).rejects.toThrow(/ended the trace before it was complete/);
    } finally {
      server.close();
    }
    return written.text();
  }

  test.each([true, false])('fails, and only complete lines are written (with follow: %s)', async (follow) => {
    expect(await brokenOff(follow)).toBe('{"n":1}\n{"n":2}\n');
  });
});

test.each([
  ['no node answers', 'http://127.0.0.1:1'],
  ['the address is not a URL', 'node-1'],
])('writing a trace fails with a WriteTraceError when %s', async (_, url) => {
  await expect(writeTrace(url, collector().output)).rejects.toThrow(WriteTraceError);
});

test('a file whose last line is incomplete is read without that line and marked as cut off', async () => {
  const line = JSON.stringify({ n: 1, atMs: 0, kind: 'note', source: null, level: 'info', text: 'x' });
  writeFileSync(file, `${line}\n${line.slice(0, 30)}`);
  expect(await readTraceFile(file)).toMatchObject({ isCut: true, log: { last: 1 } });
  // This file lacks only the final line break, so its last line is complete.
  writeFileSync(file, `${line}\n${line}`);
  expect(await readTraceFile(file)).toMatchObject({ isCut: false, log: { last: 2 } });
});

describe('a file that is not a trace', () => {
  test.each([
    ['a line that is not JSON', '{"n":1', /line 1: this is not an event/],
    ['an object that is not an event', '{}', /line 1/],
    ['a later line that is not an event', `${JSON.stringify({ n: 1, atMs: 0, kind: 'note', source: null, level: 'info', text: 'x' })}\n\n{"kind":"step"}\n`, /line 3/],
    ['an incomplete line before the last line', `${JSON.stringify({ n: 1, atMs: 0, kind: 'note', source: null, level: 'info', text: 'x' })}\n{"n"\n{"n"`, /line 2/],
    ['an event with a text that is too long', JSON.stringify({ n: 1, atMs: 0, kind: 'note', source: null, level: 'info', text: 'x'.repeat(10_000) }), /text/],
    ['a line that is longer than 4 MiB', 'x'.repeat(4 * 1024 * 1024 + 1), /a line has more than 4194304 bytes/],
    ['an empty file', '', /is empty/],
  ])('is refused with a message that states the problem: %s', async (_, text, problem) => {
    writeFileSync(file, text);
    const reading = readTraceFile(file);
    await expect(reading).rejects.toThrow(TraceFileError);
    await expect(reading).rejects.toThrow(problem);
  });

  test('is refused with a message that states the problem: a folder, or a missing file', async () => {
    await expect(readTraceFile(folder)).rejects.toThrow(/is not a file/);
    await expect(readTraceFile(join(folder, 'none'))).rejects.toThrow(/ENOENT/);
  });
});

const LAMP = chartOf(createMachine({ id: 'lamp', initial: 'off', states: { off: { on: { press: 'on' } }, on: {} } }));
const STATE = { n: 2, atMs: 1, kind: 'state', source: 'a', chart: 'c', active: ['m'], shown: {}, fresh: true };
const NOTE = { n: 3, atMs: 1, kind: 'note', source: null, level: 'info', text: 'x' };
const STEP = { n: 4, atMs: 1, kind: 'step', source: 'a', event: 'go', edges: ['e'] };
const SPAN = { n: 5, atMs: 1, kind: 'span', source: 'a', name: 'tick', span: 1, outcome: null };
const SHOWN = { n: 6, atMs: 1, kind: 'shown', source: 'a', shown: { members: 3 } };
const END = { n: 7, atMs: 1, kind: 'end', source: 'a', how: 'stopped' };

test.each<[string, unknown, boolean]>([
  ...[STATE, NOTE, STEP, SPAN, SHOWN, END].map((event): [string, unknown, boolean] => [event.kind, event, true]),
  ['a step with states', { ...STEP, active: ['m'], shown: {} }, true],
  ['a span that has ended', { ...SPAN, outcome: 'ok' }, true],
  ['a note without a number', { ...NOTE, n: 'x' }, false],
  ['a note whose number has a fraction', { ...NOTE, n: 1.5 }, false],
  ['a note without a time', { ...NOTE, atMs: null }, false],
  ['an event of an unknown kind', { ...NOTE, kind: 'other' }, false],
  ['a note of an unknown level', { ...NOTE, level: 'bad' }, false],
  ['a note whose source is a number', { ...NOTE, source: 1 }, false],
  ['a state without a chart', { ...STATE, chart: undefined }, false],
  ['a state whose active states are numbers', { ...STATE, active: [1] }, false],
  ['a state without the field `fresh`', { ...STATE, fresh: undefined }, false],
  ['a step without an event', { ...STEP, event: undefined }, false],
  ['a step whose edges are numbers', { ...STEP, edges: [1] }, false],
  ['a span without a name', { ...SPAN, name: undefined }, false],
  ['a span without a number', { ...SPAN, span: 'x' }, false],
  ['shown values that are a string', { ...SHOWN, shown: 'x' }, false],
  ['an end without the field `how`', { ...END, how: undefined }, false],
  ['an end without a source', { ...END, source: null }, false],
  ['a note whose time is too large for a date', { ...NOTE, atMs: 1e300 }, false],
  ['a table without rows', { ...SHOWN, shown: { peers: { rows: null } } }, false],
  ['a table of numbers', { ...SHOWN, shown: { peers: { rows: [1] } } }, false],
  ['a table with rows', { ...SHOWN, shown: { peers: { rows: [{ peer: 'b', next: { atMs: 5 } }] }, since: { atMs: 1 } } }, true],
  ['a chart', { n: 1, atMs: 0, kind: 'chart', chart: LAMP }, true],
  ['a chart without its fields', { n: 1, atMs: 0, kind: 'chart', chart: { id: 'c' } }, false],
  ['a chart of empty states', { n: 1, atMs: 0, kind: 'chart', chart: { ...LAMP, states: [{}] } }, false],
  ['a chart without states', { n: 1, atMs: 0, kind: 'chart', chart: { ...LAMP, states: [], edges: [] } }, false],
  ['a state that is its own parent', { n: 1, atMs: 0, kind: 'chart', chart: { ...LAMP, states: LAMP.states.map((state) => ({ ...state, parent: state.id })) } }, false],
  ['a state before its parent', { n: 1, atMs: 0, kind: 'chart', chart: { ...LAMP, states: LAMP.states.toReversed() } }, false],
  ['an edge to a state that does not exist', { n: 1, atMs: 0, kind: 'chart', chart: { ...LAMP, edges: LAMP.edges.map((edge) => ({ ...edge, targets: ['lamp.gone'] })) } }, false],
  ['a list', [], false],
  ['null', null, false],
])('the server and the page agree on whether a line is a valid event: %s', (_, event, isEvent) => {
  const line = JSON.stringify(event);
  expect({ server: !('problem' in parseEvent(line)), page: readEventLine(line) !== null }).toEqual({ server: isEvent, page: isEvent });
});

test('a parsed event has only the fields of its kind', () => {
  const event = parseEvent(JSON.stringify({ n: 1, atMs: 0, kind: 'end', source: 'a', how: 'stopped', payload: 'secret' }));
  expect(event).toEqual({ n: 1, atMs: 0, kind: 'end', source: 'a', how: 'stopped' });
});

describe('a reader that follows the events of a process', () => {
  test('begins again at the first event when a new process listens on the same port', async () => {
    const first = await serving(filled('first'));
    const taken: VisualizerEvent[] = [];
    const stopping = new AbortController();
    const heard = { wanted: '', done: Promise.withResolvers<undefined>() };
    const take = (event: VisualizerEvent): void => {
      taken.push(event);
      if (event.kind === 'note' && event.text === heard.wanted) heard.done.resolve(undefined);
    };
    heard.wanted = 'a rule was broken';
    const following = followEvents(first.url, { take, signal: stopping.signal });
    await heard.done.promise;
    await servers.splice(0)[0]!.close();
    const before = taken.length;
    heard.wanted = 'the second';
    heard.done = Promise.withResolvers();
    const log = filled('second');
    await serving(log, first.port);
    log.add({ kind: 'note', atMs: 8, source: null, level: 'info', text: 'the second' });
    await heard.done.promise;
    stopping.abort();
    await following;
    expect(taken.slice(before).map(({ n }) => n)).toEqual(Array.from({ length: log.last }, (_, index) => index + 1));
  });
});
