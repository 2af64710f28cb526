/** The shutdown of the server (protocol.md §2): a connection without a request in progress does not delay it. */
import { afterEach, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import type { ServerResponse } from 'node:http';
import { STOP_TIMEOUT_MS } from '../../../src/dev/managed-process.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { listen } from '../../../src/http/server.ts';
import { NODE_STOP_TIMEOUT_MS } from '../../../src/node/stop-answering.ts';
import { systemClock } from '../../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function until(what: string, reached: () => boolean): Promise<void> {
  return waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));
}

async function startServer() {
  const waiting: ServerResponse[] = [];
  const server = await listen({ host: '127.0.0.1', port: 0 }, { listener: (_, response) => void waiting.push(response), clock: systemClock });
  closers.push(() => server.destroy());
  const open = async (text: string): Promise<{ socket: Socket; received: () => string; closed: () => boolean }> => {
    const socket = connect(server.port, '127.0.0.1');
    closers.push(() => socket.destroy());
    const state = { text: '', closed: false };
    socket.on('data', (chunk: Buffer) => (state.text += chunk.toString('utf8')));
    socket.on('error', () => undefined);
    socket.once('close', () => (state.closed = true));
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    socket.write(text);
    return { socket, received: () => state.text, closed: () => state.closed };
  };
  /** Sends one more request. When it has arrived, all bytes that were sent earlier on other connections have arrived too. */
  const arrived = async (): Promise<void> => {
    const before = waiting.length;
    const { socket, closed } = await open('GET /marker HTTP/1.1\r\nHost: node.test\r\nConnection: close\r\n\r\n');
    await until('the marker', () => waiting.length > before);
    waiting[before]!.end();
    await until('the end of the marker', closed);
    socket.destroy();
  };
  return { server, waiting, open, arrived };
}

test.each([
  ['that has sent nothing', ''],
  ['that has sent half a request', 'GET /status HTTP/1.1\r\nHost: no'],
])('a connection %s is closed when the server shuts down', async (_, text) => {
  const { server, open, arrived } = await startServer();
  const connection = await open(text);
  await arrived();
  let drained = false;
  const drain = server.drain().then(() => (drained = true));
  await until('draining', () => drained);
  await drain;
  await until('the end of the connection', connection.closed);
});

test('a keep-alive connection whose answer has begun is closed after that answer', async () => {
  const { server, waiting, open } = await startServer();
  const { received, closed } = await open('GET /status HTTP/1.1\r\nHost: node.test\r\n\r\n');
  await until('the request', () => waiting.length === 1);
  waiting[0]!.writeHead(200, { 'content-length': '4' });
  waiting[0]!.write('do');
  await until('the first half', () => received().endsWith('do'));
  let drained = false;
  const drain = server.drain().then(() => (drained = true));
  await new Promise(setImmediate);
  expect([drained, closed()]).toEqual([false, false]);
  waiting[0]!.end('ne');
  await until('draining', () => drained);
  await drain;
  expect(received()).toMatch(/done$/);
});

test('when the server is drained, all requests that were cut off have ended, even those that waited behind another request on their connection', async () => {
  const { server, waiting, open } = await startServer();
  const request = 'GET /status HTTP/1.1\r\nHost: node.test\r\n\r\n';
  await open(request + request);
  await open(request);
  await until('three requests', () => waiting.length === 3);
  let ended = 0;
  for (const response of waiting) response.once('close', () => (ended += 1));
  const drained = server.drain();
  server.destroy();
  await drained;
  // A node writes its last audit entry immediately after the drain, so the test must not wait for anything before this check.
  expect(ended).toBe(3);
});

test('the timeout for stopping a process is longer than the time that an orderly stop of a node may take', () => {
  expect(STOP_TIMEOUT_MS).toBeGreaterThan(NODE_STOP_TIMEOUT_MS);
});
