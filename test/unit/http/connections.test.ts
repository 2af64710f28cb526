/** What connections may hold of a node (protocol.md §10: Bounds, An answer reaches its caller), over real sockets. */
import { connect, type Socket } from 'node:net';
import type { RequestListener, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { listen, type HttpServer } from '../../../src/http/server.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { authorizedRecord, startNodeOverHttp } from '../../support/node-over-http.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const until = (what: string, reached: () => boolean): Promise<void> =>
  waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));

/** A server that is closed after the test, whatever is still open then. */
async function serve(listener: RequestListener, maxConnections?: number): Promise<HttpServer> {
  const server = await listen('127.0.0.1', 0, listener, { maxConnections });
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

describe('pipelining', () => {
  test('the sixteenth unanswered request is the last that is carried out; the socket ends after its answer', async () => {
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

  test('who waits for answers may send as many as it likes', async () => {
    const server = await serve((_, response) => void response.end('answer'));
    const { socket, text } = await open(server.port);
    for (let count = 1; count <= 40; count += 1) {
      socket.write(REQUEST);
      await until('the answer', () => (text().match(/200 OK/g) ?? []).length === count);
    }
    expect(text()).not.toMatch(/connection: close/i);
  });
});

describe('at the cap of connections', () => {
  test('the one that has been idle longest gives way, and the newcomer is answered', async () => {
    const waiting: ServerResponse[] = [];
    const server = await serve((_, response) => void waiting.push(response), 3);
    const busy = await open(server.port);
    busy.socket.write(REQUEST);
    await until('the request', () => waiting.length === 1);
    const [first, second] = [await open(server.port), await open(server.port)];
    // It has been used since: the other one is idle longer.
    first.socket.write(REQUEST);
    await until('the request', () => waiting.length === 2);
    waiting[1]!.end('answer');
    await until('the answer', () => first.text().endsWith('answer'));
    const newcomer = await open(server.port);
    newcomer.socket.write(REQUEST);
    await until('the request', () => waiting.length === 3);
    await until('the end of the idle one', second.isClosed);
    expect([busy.isClosed(), first.isClosed(), newcomer.isClosed()]).toEqual([false, false, false]);
  });

  test('where all are at work the newcomer is closed', async () => {
    const waiting: ServerResponse[] = [];
    const server = await serve((_, response) => void waiting.push(response), 1);
    const busy = await open(server.port);
    busy.socket.write(REQUEST);
    await until('the request', () => waiting.length === 1);
    const newcomer = await open(server.port);
    await until('the end of the newcomer', newcomer.isClosed);
    expect(busy.isClosed()).toBe(false);
  });
});

describe('an answer that leaves the body unread', () => {
  const BODY = Buffer.alloc(6 * 1024 * 1024, 0x61);

  test.each([
    ['for its size', 'ready', 413],
    ['for want of a proof', 'ready', 403],
    ['by a node that is not ready', 'ineligible', 503],
  ] as const)('refused %s, reaches its caller, who sends 6 MiB first and reads then', async (_, state, status) => {
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

  test.each(['GET', 'HEAD', 'OPTIONS'])('and is to %s, is the last on its connection, and its body may go on for 16 MiB at most', async (method) => {
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
