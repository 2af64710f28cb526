/** The limits on connections (protocol.md §10: Bounds, An answer reaches its caller), over real sockets. */
import { connect, type Socket } from 'node:net';
import type { RequestListener, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { listen, SERVER_LIMITS, type HttpServer, type ServerLimits } from '../../../src/http/server.ts';
import { systemClock } from '../../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, startNodeOverHttp } from '../../support/node-over-http.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const until = (what: string, reached: () => boolean): Promise<void> =>
  waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));

/** Starts a server. It is closed after the test, together with its open connections. */
async function serve(listener: RequestListener, limits: Partial<ServerLimits> = {}, clock: Parameters<typeof listen>[1]['clock'] = systemClock): Promise<HttpServer> {
  const server = await listen({ host: '127.0.0.1', port: 0, limits }, { listener, clock });
  closers.push(async () => {
    const drained = server.drain();
    server.destroy();
    await drained;
  });
  return server;
}

interface Opened {
  readonly socket: Socket;
  readonly text: () => string;
  readonly isClosed: () => boolean;
  readonly failure: () => string | undefined;
}

async function open(port: number): Promise<Opened> {
  const socket = connect(port, '127.0.0.1');
  const state: { text: string; closed: boolean; failure?: string | undefined } = { text: '', closed: false };
  closers.push(() => socket.destroy());
  socket.on('data', (chunk: Buffer) => (state.text += chunk.toString('latin1')));
  socket.on('error', (error: NodeJS.ErrnoException) => (state.failure = error.code));
  socket.once('close', () => (state.closed = true));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, text: () => state.text, isClosed: () => state.closed, failure: () => state.failure };
}

const REQUEST = 'GET /health HTTP/1.1\r\nHost: node.test\r\n\r\n';

describe('on one connection,', () => {
  test('the node carries out and answers the first sixteen of forty requests, and then closes the connection', async () => {
    const waiting: ServerResponse[] = [];
    const server = await serve((_, response) => void waiting.push(response));
    const { socket, text, isClosed } = await open(server.port);
    socket.write(REQUEST.repeat(40));
    await until('sixteen requests', () => waiting.length === 16);
    for (const response of waiting) response.end('answer');
    await until('the end', isClosed);
    expect(waiting).toHaveLength(16);
    expect(text().match(/200 OK/g)).toHaveLength(16);
    expect(text()).toMatch(/connection: close[^]*$/i);
  });

  test('a client that waits for each answer may send any number of requests', async () => {
    const server = await serve((_, response) => void response.end('answer'));
    const { socket, text } = await open(server.port);
    for (let count = 1; count <= 40; count += 1) {
      socket.write(REQUEST);
      await until('the answer', () => (text().match(/200 OK/g) ?? []).length === count);
    }
    expect(text()).not.toMatch(/connection: close/i);
  });
});

describe('when the maximum number of connections is open,', () => {
  test('the connection that has been idle longest is closed, and the request on the new connection is carried out', async () => {
    const waiting: ServerResponse[] = [];
    const server = await serve((_, response) => void waiting.push(response), { maxConnections: 3 });
    const busy = await open(server.port);
    busy.socket.write(REQUEST);
    await until('the request', () => waiting.length === 1);
    const [first, second] = [await open(server.port), await open(server.port)];
    // The first connection is used again, so the second connection has been idle longer.
    first.socket.write(REQUEST);
    await until('the request', () => waiting.length === 2);
    waiting[1]!.end('answer');
    await until('the answer', () => first.text().endsWith('answer'));
    const newcomer = await open(server.port);
    newcomer.socket.write(REQUEST);
    await until('the request', () => waiting.length === 3);
    await until('the end of the idle connection', second.isClosed);
    expect([busy.isClosed(), first.isClosed(), newcomer.isClosed()]).toEqual([false, false, false]);
  });

  test('a new connection is closed when all other connections are busy', async () => {
    const waiting: ServerResponse[] = [];
    const server = await serve((_, response) => void waiting.push(response), { maxConnections: 1 });
    const busy = await open(server.port);
    busy.socket.write(REQUEST);
    await until('the request', () => waiting.length === 1);
    const newcomer = await open(server.port);
    await until('the end of the new connection', newcomer.isClosed);
    expect(busy.isClosed()).toBe(false);
  });
});

describe('the timeouts of a connection', () => {
  test('have the values that the protocol defines, and are checked each second', () => {
    const { requestTimeoutMs, headersTimeoutMs, answerTimeoutMs, checkEveryMs, keepAliveMs } = SERVER_LIMITS;
    expect({ requestTimeoutMs, headersTimeoutMs, answerTimeoutMs, checkEveryMs, keepAliveMs }).toEqual({
      requestTimeoutMs: 30_000,
      headersTimeoutMs: 10_000,
      answerTimeoutMs: 60_000,
      checkEveryMs: 1_000,
      // This is longer than the 90 s for which callers keep an idle connection open.
      keepAliveMs: 100_000,
    });
  });

  test('include a keep-alive timeout, which each answer states in a header', async () => {
    const server = await serve((_, response) => void response.end('answer'));
    const { socket, text } = await open(server.port);
    socket.write(REQUEST);
    await until('the answer', () => text().includes('answer'));
    expect(text()).toMatch(/keep-alive: timeout=100\r\n/i);
  });

  test('close an idle connection, but not a connection whose client waits for an answer', async () => {
    const waiting: ServerResponse[] = [];
    const server = await serve((_, response) => void waiting.push(response), { keepAliveMs: 1 });
    const [busy, idle] = [await open(server.port), await open(server.port)];
    busy.socket.write(REQUEST);
    await until('the request', () => waiting.length === 1);
    idle.socket.write(REQUEST);
    await until('the request', () => waiting.length === 2);
    waiting[1]!.end('answer');
    await until('the end of the idle connection', idle.isClosed);
    expect(busy.isClosed()).toBe(false);
  });

  test.each<[string, string, Partial<ServerLimits>]>([
    ['headers', 'GET /health HTTP/1.1\r\nHost: node.test\r\n', { headersTimeoutMs: 30, requestTimeoutMs: 30_000 }],
    ['body', 'PUT /kms/data HTTP/1.1\r\nHost: node.test\r\nContent-Length: 100\r\n\r\n{', { headersTimeoutMs: 30, requestTimeoutMs: 30 }],
  ])('end a request that never completes its %s, and the node sends an answer', async (_, begun, limits) => {
    const server = await serve((request) => void request.resume(), { checkEveryMs: 10, ...limits });
    const { socket, text, isClosed } = await open(server.port);
    socket.write(begun);
    await until('the end', isClosed);
    expect(text()).toMatch(/^HTTP\/1\.1 400 [^]*connection: close[^]*"message":"the request took too long to arrive"/);
  });

  test('end an answer that the client does not read, but not an answer that is still being made', async () => {
    const waiting: ServerResponse[] = [];
    const clock = new ManualClock();
    const server = await serve((_, response) => void waiting.push(response), {}, clock);
    const [deaf, patient, reader] = [await open(server.port), await open(server.port), await open(server.port)];
    for (const { socket } of [deaf, patient, reader]) {
      socket.write(REQUEST);
      await until('the request', () => waiting.length === [deaf, patient, reader].findIndex((one) => one.socket === socket) + 1);
    }
    deaf.socket.pause();
    waiting[0]!.end(Buffer.alloc(64 * 1024 * 1024, 0x61));
    waiting[2]!.end('answer');
    await until('the answer', () => reader.text().endsWith('answer'));
    await clock.advance(60_000);
    expect(waiting[0]!.destroyed).toBe(false);
    await clock.advance(1_000);
    expect(waiting.map(({ destroyed }) => destroyed)).toEqual([true, false, true]);
    expect([patient.isClosed(), reader.isClosed()]).toEqual([false, false]);
  });
});

describe('an answer that is sent before the whole body has been read', () => {
  const BODY = Buffer.alloc(6 * 1024 * 1024, 0x61);

  test.each([
    ['because of the size of the body', 'ready', 413],
    ['because there is no proof', 'ready', 403],
    ['because the node is not ready', 'ineligible', 503],
  ] as const)('reaches a caller that sends 6 MiB before it reads (refused %s)', async (_, state, status) => {
    const node = await startNodeOverHttp({ inEnclave: status !== 413, lookup: async (of) => authorizedRecord(100n, of, 'aa' as TeePubkey) });
    closers.push(() => node.close());
    node.state.view = { ...node.state.view, state };
    for (let time = 0; time < 5; time += 1) {
      const { socket, text, isClosed, failure } = await open(node.port);
      socket.pause();
      socket.write(`PUT /kms/data HTTP/1.1\r\nHost: node.test\r\nx-tee-wallet: 0x${'0a'.repeat(20)}\r\nContent-Length: ${BODY.length}\r\n\r\n`);
      await new Promise<void>((resolve) => socket.write(BODY, () => resolve()));
      socket.resume();
      await until('the end', isClosed);
      expect([failure(), text().slice(0, 12)]).toEqual([undefined, `HTTP/1.1 ${status}`]);
      expect(text()).toMatch(/connection: close/i);
    }
  });

  test.each(['GET', 'HEAD', 'OPTIONS'])('is the last answer on its connection if the method is %s, and the node closes the connection even if the body never ends', async (method) => {
    const node = await startNodeOverHttp();
    closers.push(() => node.close());
    const { socket, text, isClosed } = await open(node.port);
    socket.write(`${method} /health HTTP/1.1\r\nHost: node.test\r\nTransfer-Encoding: chunked\r\n\r\n`);
    await until('the answer', () => text().includes('\r\n\r\n'));
    expect(text()).toMatch(/^HTTP\/1\.1 20[04] [^]*connection: close/i);
    const chunk = `100000\r\n${'a'.repeat(0x100000)}\r\n`;
    const send = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', send);
    send();
    await until('the end', isClosed);
    expect(socket.bytesWritten).toBeLessThan(40 * 1024 * 1024);
  });
});
