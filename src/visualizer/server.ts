/**
 * Serves the page and its data on a loopback port of the visualiser:
 *
 *   GET /                 the page, and its files
 *   GET /session          the page's title, mode and commands (PageSession)
 *   GET /events           the log as server-sent events, from the beginning, or after `Last-Event-ID` or `?after=`
 *   GET /trace            the kept events as JSON lines; with `?follow=true` also new events
 *   GET /layouts/<chart>  the layout of a chart
 *   POST /commands        runs a command; needs the token
 *
 * Connections, readers, chunks and bodies all have limits. No call here blocks the process for longer than it takes to write one chunk to a
 * socket.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock, TimerId } from '../domain/ports.ts';
import { isToken, refusalOf, SECURITY_HEADERS } from './admission.ts';
import type { EventLog } from './event-log.ts';
import { LogReader, type LogReaderOptions } from './log-reader.ts';
import { CommandRefusal, type CommandRequest, type Commands, type LayoutOf, type PageFiles } from './ports.ts';
import type { PageSession } from './wire.ts';

const HOST = '127.0.0.1';
/** Maximum number of open connections; any further connection is closed. */
const MAX_CONNECTIONS = 64;
/** Maximum number of connections that read the log at the same time. */
export const MAX_READERS = 16;
/** Maximum size of a command's body. Bytes. */
export const MAX_COMMAND_BYTES = 1_024;
/** Maximum size of all headers of a request together. Bytes. */
const MAX_HEADER_BYTES = 8 * 1024;
/** Maximum length of a name in a command. Characters. */
const MAX_NAME_CHARS = 64;
/** Timeout of a request's headers, and of the whole request. Milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Time between two heartbeats to the readers. Milliseconds. */
export const HEARTBEAT_MS = 15_000;
/** How long a browser waits before it connects again. Milliseconds. */
const RETRY_MS = 1_000;

export interface VisualizerOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly title: string;
  readonly mode: PageSession['mode'];
}

export interface VisualizerModules {
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'>;
  readonly log: EventLog;
  /** Called for each request for a file of the page. */
  readonly loadPage: () => Promise<PageFiles>;
  readonly layoutOf: LayoutOf;
  readonly commands?: Commands | undefined;
  /** Called when a reader connects while there is no other reader. */
  readonly onFirstReader?: () => void;
}

export interface VisualizerServer {
  readonly port: number;
  readonly url: string;
  /** Number of connections that are reading the log. */
  readonly readers: number;
  close(): Promise<void>;
}

/** @throws the error of `listen`, such as EADDRINUSE */
export async function serveVisualizer(options: VisualizerOptions, modules: VisualizerModules): Promise<VisualizerServer> {
  const visualizer = new Visualizer(options, modules);
  const server = createServer(
    { headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
    (request, response) => visualizer.answer(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(options.port, HOST, () => resolve(undefined));
  await promise;
  const { port } = server.address() as AddressInfo;
  visualizer.start(port);
  return {
    port,
    url: `http://${HOST}:${port}`,
    get readers() {
      return visualizer.readers;
    },
    async close() {
      visualizer.stop();
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      // Data that was written in this turn of the event loop is sent at the end of the turn, so the connections are closed after that.
      setImmediate(() => server.closeAllConnections());
      await closed.promise;
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

class Visualizer {
  readonly #options: VisualizerOptions;
  readonly #modules: VisualizerModules;
  readonly #readers = new Set<LogReader>();
  #port = 0;
  #beat: TimerId = null;
  #stopListening: (() => void) | null = null;
  #pumpIsDue = false;

  constructor(options: VisualizerOptions, modules: VisualizerModules) {
    this.#options = options;
    this.#modules = modules;
  }

  get readers(): number {
    return this.#readers.size;
  }

  start(port: number): void {
    this.#port = port;
    this.#stopListening = this.#modules.log.listen(() => this.#pumpSoon());
    this.#beatLater();
  }

  stop(): void {
    // Sends the last events.
    for (const reader of this.#readers) reader.pump();
    this.#stopListening?.();
    this.#modules.clock.clearTimeout(this.#beat);
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    const url = URL.parse(request.url ?? '', `http://${HOST}`);
    const refusal = refusalOf(request.headers, this.#port, { changes: request.method !== 'GET', isPage: url?.pathname === '/' });
    if (refusal !== null) sayError(response, refusal.status, refusal.error);
    else if (url === null) sayError(response, 400, 'the request does not name a valid path');
    else if (request.method === 'GET') this.#get({ request, response, url });
    else if (request.method === 'POST' && url.pathname === '/commands') void this.#command(request, response);
    else sayError(response, 405, 'this method is not allowed here');
  }

  #get(exchange: Exchange): void {
    const { request, response, url } = exchange;
    const [, first, second] = url.pathname.split('/');
    if (url.pathname === '/session') sayJson(response, 200, JSON.stringify(this.#session()));
    else if (url.pathname === '/events') this.#read(exchange, { form: 'events', follow: true }, request.headers['last-event-id'] ?? url.searchParams.get('after') ?? undefined);
    else if (url.pathname === '/trace') this.#read(exchange, { form: 'lines', follow: url.searchParams.get('follow') === 'true' }, undefined);
    else if (first === 'layouts' && second !== undefined) void this.#layout(response, second);
    else {
      // The page requests the layouts next. They take longest, so the server starts to compute them now.
      if (url.pathname === '/') for (const chart of this.#modules.log.charts()) this.#modules.layoutOf(chart).catch(() => undefined);
      void this.#file(response, url.pathname);
    }
  }

  #session(): PageSession {
    const { title, mode } = this.#options;
    const { commands } = this.#modules;
    const onPage = commands?.onPage === true;
    return { title, mode, commands: onPage ? commands.list : [], token: onPage ? commands.token : null };
  }

  async #file(response: ServerResponse, path: string): Promise<void> {
    let page: PageFiles;
    try {
      page = await this.#modules.loadPage();
    } catch {
      sayError(response, 500, 'the page cannot be loaded');
      return;
    }
    const file = page.get(path);
    if (file === undefined) {
      sayError(response, 404, 'there is no file at this path');
      return;
    }
    response.writeHead(200, { 'content-type': file.type, 'content-length': Buffer.byteLength(file.body) });
    response.end(file.body);
  }

  #read({ response }: Exchange, options: LogReaderOptions, lastId: string | string[] | undefined): void {
    const { log, clock, onFirstReader } = this.#modules;
    if (this.#readers.size >= MAX_READERS) { sayError(response, 503, `there are already ${MAX_READERS} readers`); return; }
    if (this.#readers.size === 0) onFirstReader?.();
    const cursor = log.cursor(typeof lastId === 'string' ? lastId : null);
    const reader = new LogReader(options, { log, cursor, response, monotonicMs: () => clock.monotonicMs() });
    this.#readers.add(reader);
    response.on('close', () => this.#readers.delete(reader));
    if (options.form === 'events') {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write(`retry: ${RETRY_MS}\n\n`);
    } else {
      response.writeHead(200, { 'content-type': 'application/jsonl; charset=utf-8', 'content-disposition': 'attachment; filename="trace.jsonl"' });
      response.flushHeaders();
    }
    reader.pump();
  }

  async #layout(response: ServerResponse, id: string): Promise<void> {
    const chart = this.#modules.log.chart(id);
    if (chart === null) { sayError(response, 404, 'there is no such chart'); return; }
    try {
      sayJson(response, 200, JSON.stringify(await this.#modules.layoutOf(chart)));
    } catch {
      sayError(response, 500, 'the chart cannot be laid out');
    }
  }

  async #command(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { commands } = this.#modules;
    try {
      if (commands === undefined) throw new CommandRefusal(404, 'there are no commands here');
      if (!isToken(request.headers['x-visualizer-token'], commands.token)) throw new CommandRefusal(403, 'the token is wrong');
      if (!/^application\/json(?:;|$)/i.test(request.headers['content-type'] ?? '')) throw new CommandRefusal(415, 'a command must be application/json');
      await commands.run(commandOf(await bodyOf(request)));
      sayJson(response, 200, '{}');
    } catch (error) {
      const known = error instanceof CommandRefusal;
      sayError(response, known ? error.status : 500, known ? error.message : 'the command failed');
    }
  }

  /** Wakes the readers after this turn of the event loop, so that a burst of events wakes each reader only once. */
  #pumpSoon(): void {
    if (this.#pumpIsDue || this.#readers.size === 0) return;
    this.#pumpIsDue = true;
    setImmediate(() => {
      this.#pumpIsDue = false;
      for (const reader of this.#readers) reader.pump();
    });
  }

  #beatLater(): void {
    this.#beat = this.#modules.clock.setTimeout(() => {
      for (const reader of this.#readers) reader.beat();
      this.#beatLater();
    }, HEARTBEAT_MS);
  }
}

function sayJson(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function sayError(response: ServerResponse, status: number, error: string): void {
  // Closes the connection instead of waiting for the rest of an unread body.
  if (!response.req.complete) response.setHeader('connection', 'close');
  sayJson(response, status, JSON.stringify({ error }));
}

/** This does not use `for await`: leaving such a loop when a body is too long would close the connection before the 413 is sent. */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_COMMAND_BYTES) reject(new CommandRefusal(413, `a command may have at most ${MAX_COMMAND_BYTES} bytes`));
    else chunks.push(chunk);
  });
  request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  request.on('close', () => reject(new CommandRefusal(400, 'the command was cut off')));
  return promise;
}

function commandOf(text: string): CommandRequest {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new CommandRefusal(400, 'the body is not JSON');
  }
  const { command, source = null, peer = null } = (read ?? {}) as Record<string, unknown>;
  if (typeof command !== 'string' || !isName(command)) throw new CommandRefusal(400, 'a command needs a name');
  if (!isNameOrNull(source) || !isNameOrNull(peer)) throw new CommandRefusal(400, 'source and peer must be names');
  return { command, source, peer };
}

function isName(text: string): boolean {
  return text.length > 0 && text.length <= MAX_NAME_CHARS;
}

function isNameOrNull(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && isName(value));
}
