/** How a stopping node ends its requests, and for how long it then answers a reader of its audit log. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { RequestListener, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { listen, type HttpServer } from '../../../src/http/server.ts';
import { answerLastRead, DRAIN_TIMEOUT_MS, endRequests, LAST_READ_TIMEOUT_MS } from '../../../src/node/stop-answering.ts';
import { systemClock } from '../../../src/system/system.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function start(listener: RequestListener): Promise<HttpServer> {
  const server = await listen({ host: '127.0.0.1', port: 0 }, { listener, clock: systemClock });
  closers.push(() => {
    server.destroy();
    return server.drain();
  });
  return server;
}

async function send(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

const REQUEST = 'GET /audit HTTP/1.1\r\nHost: node.test\r\n\r\n';

test('requests that are cut off end before the stop continues, even a request that waits behind another one on its connection', async () => {
  const clock = new ManualClock();
  const log = collectingLog();
  let begun = 0;
  const ended: number[] = [];
  const server = await start((_, response) => {
    const number = (begun += 1);
    response.once('close', () => ended.push(number));
  });
  await send(server.port, REQUEST + REQUEST);
  await send(server.port, REQUEST);
  await waitUntil({ what: 'three requests', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (begun === 3 ? null : `${begun} have arrived`));
  let isOver = false;
  const over = endRequests(server, { clock, log }).then(() => (isOver = true));
  await clock.advance(DRAIN_TIMEOUT_MS - 1);
  expect([isOver, ended]).toEqual([false, []]);
  await clock.advance(1);
  await over;
  expect(ended.sort()).toEqual([1, 2, 3]);
  expect(log.lines).toMatchObject([{ level: 'warn', sentence: 'requests under way were cut off' }]);
});

describe('the last read of the audit log', () => {
  function lastRead(timeoutMs: number, listenAgain: () => Promise<HttpServer>) {
    const clock = new ManualClock();
    const log = collectingLog();
    const read = Promise.withResolvers<undefined>();
    const state = { isOver: false };
    const over = answerLastRead(listenAgain, read.promise, timeoutMs, { clock, log }).then(() => (state.isOver = true));
    return { clock, log, read, state, over };
  }

  test('is answered completely, and the node then stops waiting', async () => {
    const waiting: ServerResponse[] = [];
    const server = await start((_, response) => void waiting.push(response));
    const { read, over, log } = lastRead(LAST_READ_TIMEOUT_MS, async () => server);
    const socket = await send(server.port, REQUEST);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    await waitUntil({ what: 'the request', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (waiting.length === 1 ? null : 'it has not arrived'));
    read.resolve(undefined);
    await settle();
    waiting[0]!.end('the last page');
    await over;
    if (!socket.closed) await once(socket, 'close');
    expect(text).toMatch(/the last page$/);
    expect(log.lines).toMatchObject([{ level: 'info', sentence: 'the end of the audit log was read' }]);
  });

  test.each([
    ['its own limit', LAST_READ_TIMEOUT_MS, 60_000],
    ['what is left of the time for the stop', 400, 400],
  ])('does not keep the node waiting for longer than %s', async (_, limitMs, timeoutMs) => {
    const server = await start(() => undefined);
    const { clock, state, over, log } = lastRead(timeoutMs, async () => server);
    await send(server.port, REQUEST);
    await clock.advance(limitMs - 1);
    expect(state.isOver).toBe(false);
    await clock.advance(1);
    await over;
    expect(log.lines).toMatchObject([{ level: 'warn', sentence: 'the end of the audit log was not read in time' }]);
    await expect(once(connect(server.port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test.each([0, -1])('is not awaited, and the node does not listen again, if %i ms are left', async (leftMs) => {
    let hasListened = false;
    const { over, log } = lastRead(leftMs, async () => {
      hasListened = true;
      return Promise.reject(new Error('it listens again'));
    });
    await over;
    expect(hasListened).toBe(false);
    expect(log.lines).toMatchObject([{ level: 'warn', sentence: 'the end of the audit log was not read in time' }]);
  });

  test('does not keep the node waiting if the port is in use', async () => {
    const { over, log } = lastRead(60_000, async () => Promise.reject(Object.assign(new Error('in use'), { code: 'EADDRINUSE' })));
    await over;
    expect(log.lines).toMatchObject([{ level: 'warn', sentence: 'the end of the audit log cannot be read', facts: { code: 'EADDRINUSE' } }]);
  });
});
