/** The visualiser's server on real sockets: which callers get answers, what readers get, and its limits. */
import { connect, type Socket } from 'node:net';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import { chartOf } from '../../../src/chart/chart-of.ts';
import { refusalOf } from '../../../src/visualizer/admission.ts';
import { EventLog } from '../../../src/visualizer/event-log.ts';
import { STALL_TIMEOUT_MS } from '../../../src/visualizer/log-reader.ts';
import { CommandRefusal, type CommandRequest, type Commands } from '../../../src/visualizer/ports.ts';
import { HEARTBEAT_MS, MAX_COMMAND_BYTES, MAX_READERS, serveVisualizer, type VisualizerModules, type VisualizerServer } from '../../../src/visualizer/server.ts';
import type { VisualizerEvent } from '../../../src/visualizer/wire.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { trafficLight } from './traffic-light.ts';

const TOKEN = 'the token of this very test';
const chart = chartOf(trafficLight);
const PAGE = new Map([
  ['/', { type: 'text/html; charset=utf-8', body: '<!doctype html>' }],
  ['/page.js', { type: 'text/javascript', body: Buffer.from('export {}') }],
]);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(more: Partial<VisualizerModules> = {}, limits = { maxEvents: 1_000, maxBytes: 1_000_000 }) {
  const clock = new ManualClock();
  const log = new EventLog('test', limits);
  const server = await serveVisualizer({ port: 0, title: 'A crossing', mode: 'live' }, { clock, log, loadPage: async () => PAGE, layoutOf: async ({ id }) => ({ id, width: 10 }), ...more });
  closers.push(() => server.close());
  return { clock, log, server };
}

function begin(log: EventLog): void {
  log.addChart(chart, 1);
  log.add({ kind: 'state', atMs: 1, source: 'a', chart: chart.id, active: ['light.red'], shown: { turns: 0 }, fresh: true });
}

function note(log: EventLog, text: string): void {
  log.add({ kind: 'note', atMs: 2, source: null, level: 'info', text });
}

interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function open({ port }: VisualizerServer, path: string, { method = 'GET', headers = {}, body = '' }: Ask = {}): Promise<IncomingMessage> {
  const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
  request.on('error', () => undefined);
  request.end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => undefined);
  closers.push(() => request.destroy());
  return answer;
}

async function ask(server: VisualizerServer, path: string, options: Ask = {}): Promise<Answer> {
  const answer = await open(server, path, options);
  let body = '';
  for await (const chunk of answer) body += String(chunk);
  return { status: answer.statusCode!, headers: answer.headers, body };
}

/** Reads text until `holds` returns true for it. */
async function textUntil(answer: IncomingMessage, holds: (text: string) => boolean): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  answer.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    if (holds(text)) resolve(text);
  });
  return promise;
}

async function closed(stream: IncomingMessage | Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  stream.on('close', () => resolve(undefined));
  await promise;
}

/** Reads until this number of server-sent events has arrived. */
async function events(answer: IncomingMessage, count: number): Promise<readonly { readonly id: string; readonly event: VisualizerEvent }[]> {
  const found = (text: string): readonly string[] => text.split('\n\n').slice(0, -1).filter((block) => block.startsWith('id: '));
  const read = await textUntil(answer, (text) => found(text).length >= count);
  return found(read).map((block) => {
    const [id, data] = block.split('\n') as [string, string];
    return { id: id.slice('id: '.length), event: JSON.parse(data.slice('data: '.length)) as VisualizerEvent };
  });
}

describe('every answer', () => {
  test.each([
    ['the page', '/', 200],
    ['a file', '/page.js', 200],
    ['the session', '/session', 200],
    ['an unknown path', '/nothing', 404],
    ['a path that leads out of the folder', '/..%2f..%2fpackage.json', 404],
    ['the layout of an unknown chart', '/layouts/none', 404],
  ])('to %s has the content security policy', async (_, path, status) => {
    const { server } = await serve();
    const answer = await ask(server, path);
    expect(answer.status).toBe(status);
    const policy = answer.headers['content-security-policy']!;
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
      expect(policy).toContain(rule);
    }
    expect(policy).not.toContain('unsafe');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('access', () => {
  test.each<[string, (port: number) => Record<string, string>, number]>([
    ['a caller without special headers', () => ({}), 200],
    ['localhost', (port) => ({ host: `localhost:${port}` }), 200],
    ['our own page', (port) => ({ origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' }), 200],
    ['a foreign name that resolves to 127.0.0.1', (port) => ({ host: `evil.example:${port}` }), 421],
    ['our address without the port', () => ({ host: '127.0.0.1' }), 421],
    ['our address with the wrong port', () => ({ host: '127.0.0.1:1' }), 421],
    ['a foreign origin', () => ({ origin: 'http://evil.example' }), 403],
    ['an opaque origin', () => ({ origin: 'null' }), 403],
    ['an origin on another port of this machine', () => ({ origin: 'http://127.0.0.1:1' }), 403],
    ['our origin with https', (port) => ({ origin: `https://127.0.0.1:${port}` }), 403],
    ['our origin with a different name', (port) => ({ origin: `http://localhost:${port}` }), 403],
    ['a script tag on another site', () => ({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 403],
    ['a script tag in a page from another port', () => ({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }), 403],
  ])('is decided by the Host, the origin and the fetch metadata of the request: %s', async (_, headers, status) => {
    const { server } = await serve();
    for (const path of ['/', '/session']) expect((await ask(server, path, { headers: headers(server.port) })).status).toBe(status);
  });

  test.each([['/', 200], ['/session', 403], ['/events', 403], ['/trace?follow=true', 403]])('through a link or frame on another site to %s is answered with %i', async (path, status) => {
    const { server } = await serve();
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect((await open(server, path, { headers })).statusCode).toBe(status);
    expect(server.readers).toBe(0);
  });

  // These tests call the check directly, because no test can bind port 80.
  test.each<[string, number, Record<string, string>, number | undefined]>([
    ['our address', 80, { host: '127.0.0.1', origin: 'http://127.0.0.1' }, undefined],
    ['our name', 80, { host: 'localhost', origin: 'http://localhost' }, undefined],
    ['our address with the port', 80, { host: '127.0.0.1:80', origin: 'http://127.0.0.1:80' }, undefined],
    ['our address, with the port in only one of the two headers', 80, { host: '127.0.0.1:80', origin: 'http://127.0.0.1' }, undefined],
    ['a foreign name that resolves to 127.0.0.1', 80, { host: 'evil.example', origin: 'http://evil.example' }, 421],
    ['no name', 80, { host: '' }, 421],
    ['two ports', 80, { host: '127.0.0.1:80:80' }, 421],
    ['an origin on another port of this machine', 80, { host: '127.0.0.1', origin: 'http://127.0.0.1:8080' }, 403],
    ['our origin with a different name', 80, { host: '127.0.0.1', origin: 'http://localhost' }, 403],
    ['our address with https', 80, { host: '127.0.0.1', origin: 'https://127.0.0.1' }, 403],
    ['the origin of a page on port 80', 8080, { host: '127.0.0.1:8080', origin: 'http://127.0.0.1' }, 403],
  ])('is decided by the Host and the origin, which may omit the default port of http: %s, on port %d', (_, port, headers, status) => {
    expect(refusalOf(headers, port, { changes: true, isPage: false })?.status).toBe(status);
  });

  test('to events and traces is refused for a foreign origin', async () => {
    const { server, log } = await serve();
    begin(log);
    for (const path of ['/events', '/trace']) {
      const answer = await ask(server, path, { headers: { origin: 'http://evil.example' } });
      expect(answer.status).toBe(403);
      expect(answer.body).not.toContain('light');
    }
  });
});

describe('events', () => {
  test('have ascending numbers, and the kept events come before the new events', async () => {
    const { server, log } = await serve();
    begin(log);
    const answer = await open(server, '/events');
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    note(log, 'something');
    const read = await events(answer, 3);
    expect(read.map(({ id, event }) => `${id} ${event.kind}`)).toEqual(['test-1 chart', 'test-2 state', 'test-3 note']);
  });

  test('continue after the event in Last-Event-ID', async () => {
    const { server, log } = await serve();
    begin(log);
    note(log, 'third');
    const read = await events(await open(server, '/events', { headers: { 'last-event-id': 'test-2' } }), 1);
    expect(read.map(({ id }) => id)).toEqual(['test-3']);
    // A browser's Last-Event-ID is newer than the id in the URL, so the server uses the Last-Event-ID.
    for (const [path, headers] of [['/events?after=test-2', {}], ['/events?after=test-1', { 'last-event-id': 'test-2' }]] as const) {
      expect((await events(await open(server, path, { headers }), 1)).map(({ id }) => id)).toEqual(['test-3']);
    }
  });

  test('begin with charts and states for a reader that was away for too long or whose last event came from another process', async () => {
    const { server, log } = await serve({}, { maxEvents: 2, maxBytes: 1_000_000 });
    begin(log);
    for (let index = 0; index < 20; index += 1) note(log, `${index}`);
    for (const lastId of ['test-3', 'other-21']) {
      const read = await events(await open(server, '/events', { headers: { 'last-event-id': lastId } }), 4);
      expect(read.map(({ event }) => event.kind)).toEqual(['chart', 'state', 'note', 'note']);
    }
  });

  test('are sent to at most MAX_READERS readers', async () => {
    const { server } = await serve();
    for (let index = 0; index < MAX_READERS; index += 1) expect((await open(server, '/events')).statusCode).toBe(200);
    expect(server.readers).toBe(MAX_READERS);
    expect((await ask(server, '/events')).status).toBe(503);
    expect((await ask(server, '/session')).status).toBe(200);
  });

  test('are followed by heartbeats', async () => {
    const { server, clock } = await serve();
    const answer = await open(server, '/events');
    const beat = textUntil(answer, (text) => text.endsWith(':\n\n'));
    await clock.advance(HEARTBEAT_MS);
    await beat;
  });

  test('are followed by empty lines as heartbeats in a trace', async () => {
    const { server, log, clock } = await serve();
    begin(log);
    const answer = await open(server, '/trace?follow=true');
    const beat = textUntil(answer, (text) => text.endsWith('}\n\n'));
    await clock.advance(HEARTBEAT_MS);
    await beat;
  });

  test('are all sent before the server closes, even the last one', async () => {
    const { server, log } = await serve();
    begin(log);
    const answer = await open(server, '/events');
    const last = textUntil(answer, (text) => text.includes('the very last'));
    note(log, 'the very last');
    await server.close();
    await last;
  });

  test('cause only one call of onFirstReader, even when a second reader connects', async () => {
    let comers = 0;
    const { server } = await serve({ onFirstReader: () => void (comers += 1) });
    await open(server, '/events');
    await open(server, '/events');
    expect(comers).toBe(1);
  });
});

describe('a reader that does not read', () => {
  /** Sends a request and does not read the answer. */
  async function sleeper(server: VisualizerServer, path: string): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: server.port });
    closers.push(() => socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n\r\n`);
    return socket;
  }

  async function until(holds: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const look = (): unknown => (holds() ? resolve(undefined) : setImmediate(look));
    look();
    await promise;
  }

  test.each(['/events', '/trace?follow=true'])('from %s is disconnected when its next event has been dropped, and does not delay other readers', async (path) => {
    const { server, log } = await serve({}, { maxEvents: 1_000_000, maxBytes: 1_000_000 });
    begin(log);
    await sleeper(server, path);
    await until(() => server.readers === 1);
    const reading = await open(server, '/events');
    reading.resume();
    await until(() => server.readers === 2);
    // This loop sends more bytes than fit into the socket buffers of this machine.
    while (server.readers === 2) {
      for (let each = 0; each < 10; each += 1) note(log, 'x'.repeat(1_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(log.bytes).toBeLessThanOrEqual(1_000_000);
    expect(server.readers).toBe(1);
    expect(reading.destroyed).toBe(false);
  });

  test('is disconnected when it has read nothing for STALL_TIMEOUT_MS', async () => {
    const { server, log, clock } = await serve({}, { maxEvents: 1_000_000, maxBytes: 64_000_000 });
    begin(log);
    for (let index = 0; index < 32_000; index += 1) note(log, 'x'.repeat(1_000));
    const socket = await sleeper(server, '/events');
    await until(() => server.readers === 1);
    const ended = closed(socket);
    await clock.advance(STALL_TIMEOUT_MS + HEARTBEAT_MS);
    await until(() => server.readers === 0);
    socket.resume();
    await ended;
  });
});

describe('a trace', () => {
  test('contains all kept events, one per line, and ends', async () => {
    const { server, log } = await serve();
    begin(log);
    note(log, 'third');
    const { body, headers } = await ask(server, '/trace');
    expect(headers['content-type']).toBe('application/jsonl; charset=utf-8');
    expect(body.endsWith('\n')).toBe(true);
    const lines = body.trimEnd().split('\n').map((line) => JSON.parse(line) as VisualizerEvent);
    expect(lines.map(({ n, kind }) => `${n} ${kind}`)).toEqual(['1 chart', '2 state', '3 note']);
  });

  test('without events is empty', async () => {
    const { server } = await serve();
    expect((await ask(server, '/trace')).body).toBe('');
  });

  test('continues with new events if the request contains follow=true', async () => {
    const { server, log } = await serve();
    begin(log);
    const answer = await open(server, '/trace?follow=true');
    const read = textUntil(answer, (text) => text.includes('what came later'));
    note(log, 'what came later');
    const text = await read;
    expect(text.trimEnd().split('\n')).toHaveLength(3);
  });
});

describe('a layout', () => {
  test('is made for each chart, even before the page requests it', async () => {
    const asked: string[] = [];
    const { server, log } = await serve({
      layoutOf: async ({ id }) => {
        asked.push(id);
        return { id };
      },
    });
    begin(log);
    await ask(server, '/');
    expect(asked).toEqual([chart.id]);
    expect(JSON.parse((await ask(server, `/layouts/${chart.id}`)).body)).toEqual({ id: chart.id });
  });

  test('that failed is attempted again', async () => {
    let tries = 0;
    const { server, log } = await serve({
      layoutOf: async () => {
        tries += 1;
        if (tries === 1) throw new Error('secret details');
        return {};
      },
    });
    begin(log);
    const failed = await ask(server, `/layouts/${chart.id}`);
    expect(failed.status).toBe(500);
    expect(failed.body).not.toContain('secret details');
    expect((await ask(server, `/layouts/${chart.id}`)).status).toBe(200);
  });
});

describe('commands', () => {
  const list = [{ command: 'turn', label: 'Turn', takes: 'source', breaks: false }] as const;

  async function commanded(run: (request: CommandRequest) => void = () => undefined, onPage = true) {
    const asked: CommandRequest[] = [];
    const commands: Commands = {
      token: TOKEN,
      onPage,
      list,
      run: async (request) => {
        asked.push(request);
        run(request);
      },
    };
    const { server } = await serve({ commands });
    const good = { origin: server.url, 'content-type': 'application/json', 'x-visualizer-token': TOKEN };
    const send = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
      ask(server, '/commands', { method: 'POST', headers: { ...good, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
    return { server, asked, send, good };
  }

  test('run for a caller that has the token and our origin', async () => {
    const { asked, send } = await commanded();
    expect(await send({ command: 'turn', source: 'a', peer: 'b' })).toMatchObject({ status: 200, body: '{}' });
    expect(asked).toEqual([{ command: 'turn', source: 'a', peer: 'b' }]);
  });

  test('are on the page, together with the token, if the page may have the token', async () => {
    const { server } = await commanded();
    expect(JSON.parse((await ask(server, '/session')).body)).toEqual({ title: 'A crossing', mode: 'live', commands: list, token: TOKEN });
  });

  test('and the token are missing on a page that may not have the token', async () => {
    const { server, send } = await commanded(undefined, false);
    expect(JSON.parse((await ask(server, '/session')).body)).toEqual({ title: 'A crossing', mode: 'live', commands: [], token: null });
    expect((await send({ command: 'turn' })).status).toBe(200);
  });

  test.each<[string, unknown, Record<string, string>, number]>([
    ['the wrong token', { command: 'turn' }, { 'x-visualizer-token': `${TOKEN}.` }, 403],
    ['no token', { command: 'turn' }, { 'x-visualizer-token': '' }, 403],
    ['a foreign origin', { command: 'turn' }, { origin: 'http://evil.example' }, 403],
    ['a foreign name that resolves to 127.0.0.1', { command: 'turn' }, { host: 'evil.example' }, 421],
    ['a content type that is not JSON', { command: 'turn' }, { 'content-type': 'text/plain' }, 415],
    ['a body that is too long', { command: 'turn', source: 'x'.repeat(MAX_COMMAND_BYTES) }, {}, 413],
    ['a body that is not JSON', 'turn', {}, 400],
    ['null', 'null', {}, 400],
    ['no command', {}, {}, 400],
    ['a command that is not a string', { command: ['turn'] }, {}, 400],
    ['a source that is not a name', { command: 'turn', source: { $gt: '' } }, {}, 400],
    ['a long source', { command: 'turn', source: 'x'.repeat(100) }, {}, 400],
  ])('are refused with %s', async (_, body, headers, status) => {
    const { asked, send } = await commanded();
    expect((await send(body, headers)).status).toBe(status);
    expect(asked).toEqual([]);
  });

  test('are refused without an origin', async () => {
    const { server, good } = await commanded();
    const headers = { 'content-type': good['content-type'], 'x-visualizer-token': TOKEN };
    expect((await ask(server, '/commands', { method: 'POST', headers, body: '{"command":"turn"}' })).status).toBe(403);
  });

  test('that fail are answered only with a message from the server itself or from a CommandRefusal', async () => {
    const failing = await commanded(() => {
      throw new CommandRefusal(409, 'it does not turn');
    });
    expect(await failing.send({ command: 'turn' })).toMatchObject({ status: 409, body: '{"error":"it does not turn"}' });
    const broken = await commanded(() => {
      throw new Error('secret details');
    });
    expect(await broken.send({ command: 'turn' })).toMatchObject({ status: 500, body: '{"error":"the command failed"}' });
  });

  test('do not exist on a server without commands', async () => {
    const { server } = await serve();
    const headers = { origin: server.url, 'content-type': 'application/json', 'x-visualizer-token': '' };
    expect((await ask(server, '/commands', { method: 'POST', headers, body: '{"command":"turn"}' })).status).toBe(404);
  });
});

test('a request that is not a GET is refused on all paths except /commands', async () => {
  const { server } = await serve();
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    expect((await ask(server, '/session', { method, headers: { origin: server.url } })).status).toBe(405);
  }
});

test('the server can close while readers are connected', async () => {
  const { server } = await serve();
  const answer = await open(server, '/events');
  const ended = closed(answer);
  await server.close();
  await ended;
});
