/** The connections to the enclave API, tested with a server that decides when and how it answers, and when it closes a connection. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { Exchange } from '../../../src/enclave/odyn-connection.ts';
import { OdynConnections } from '../../../src/enclave/odyn-connections.ts';
import { collectGarbage } from '../../support/garbage.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

/** What a server has received on one connection. A request without a body arrives in one read. */
interface Arrived {
  readonly socket: Socket;
  readonly reads: string[];
}

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The client's ends of the connections, oldest first. */
function watchClient(): readonly Socket[] {
  const sockets: Socket[] = [];
  const watch = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
  subscribe('net.client.socket', watch);
  closers.push(() => unsubscribe('net.client.socket', watch));
  return sockets;
}

async function start(maxConnections: number, onRead: (socket: Socket, text: string) => void) {
  const arrived: Arrived[] = [];
  const server = createServer((socket) => {
    const reads: string[] = [];
    arrived.push({ socket, reads });
    socket.setEncoding('latin1').on('error', () => undefined).on('data', (text: string) => {
      reads.push(text);
      onRead(socket, text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connections = new OdynConnections({ host: '127.0.0.1', port, isTls: false, maxConnections }, { clock: new ManualClock() });
  closers.push(() => server.close(), () => arrived.forEach(({ socket }) => socket.destroy()), () => connections.close());
  return { connections, arrived, sockets: watchClient() };
}

/** A request. `answered` resolves to the status and the body of its answer. */
function request(path: string, body = '') {
  const { promise: answered, resolve, reject } = Promise.withResolvers<string>();
  const exchange: Exchange = {
    head: `POST ${path} HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n`,
    body,
    maxAnswerBytes: 1024,
    tooLarge: () => new Error('too large'),
    onAnswer: (status, bytes) => resolve(`${status} ${bytes.toString('latin1')}`),
    onFailure: reject,
  };
  return { exchange, answered };
}

function ask(connections: OdynConnections, path: string, body = ''): Promise<string> {
  const { exchange, answered } = request(path, body);
  connections.send(exchange, false);
  return answered;
}

const answer = (body: string, field = ''): string => `HTTP/1.1 200 OK\r\n${field}content-length: ${body.length}\r\n\r\n${body}`;

const until = (what: string, reached: () => boolean): Promise<void> =>
  waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));

test.each<[string, readonly string[]]>([
  ['one read', [answer('a plaintext')]],
  ['several reads', [answer('a plaintext').slice(0, -9), 'plain', 'text']],
])('an answer in %s arrives unchanged even if its connection is closed immediately afterwards to make room for a retry', async (_, parts) => {
  const { connections, arrived, sockets } = await start(1, (socket, text) => {
    if (text.startsWith('POST /retry')) socket.write(answer('retried'));
  });
  const first = ask(connections, '/first');
  await until('the first request', () => arrived[0]?.reads.length === 1);
  const { exchange, answered } = request('/retry');
  connections.send(exchange, true);
  let written = 0;
  for (const part of parts) {
    written += part.length;
    arrived[0]!.socket.write(part);
    await until('a read of the client', () => sockets[0]!.bytesRead === written || sockets[0]!.destroyed);
  }
  expect(await first).toBe('200 a plaintext');
  expect(await answered).toBe('200 retried');
  expect(sockets[0]!.destroyed).toBe(true);
});

test('an idle connection keeps neither its last request nor the answer in memory', async () => {
  const { connections, sockets } = await start(1, (socket) => void socket.write(answer('a plaintext')));
  const askOnce = async (): Promise<WeakRef<Exchange>> => {
    const { exchange, answered } = request('/first');
    connections.send(exchange, false);
    await answered;
    return new WeakRef(exchange);
  };
  const ended = await askOnce();
  await until('the garbage collection of the request', () => {
    collectGarbage();
    return ended.deref() === undefined;
  });
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
});

test('a connection is not used again if the server has answered before the whole request was sent', async () => {
  const { connections, arrived } = await start(1, (socket, text) => {
    if (text.startsWith('POST /large')) socket.pause().write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n');
    else socket.write(answer('ok'));
  });
  // The buffers of the operating system cannot hold this whole body.
  const large = ask(connections, '/large', 'x'.repeat(16 * 1024 * 1024));
  const waiting = ask(connections, '/waiting');
  expect(await large).toBe('413 ');
  arrived[0]!.socket.destroy();
  expect(await waiting).toBe('200 ok');
});

test('waiting requests are sent in the order of their calls, even if the server closes each connection', async () => {
  const { connections, arrived } = await start(1, (socket) => void socket.end(answer('ok', 'connection: close\r\n')));
  const paths = Array.from({ length: 40 }, (_, place) => `/${place}`);
  await Promise.all(paths.map((path) => ask(connections, path)));
  expect(arrived.map(({ reads }) => reads[0]!.split(' ')[1])).toEqual(paths);
});

test.each<[string, (socket: Socket) => void]>([
  ['bytes that answer no request have arrived', (socket) => void socket.write('stray')],
  ['the server has reset it', (socket) => void socket.resetAndDestroy()],
])('an idle connection is not used again after %s', async (_, spoil) => {
  const { connections, arrived, sockets } = await start(1, (socket) => void socket.write(answer('ok')));
  await ask(connections, '/first');
  spoil(arrived[0]!.socket);
  // The event `close` follows at the end of the turn in which the socket was destroyed, and this loop ends earlier in that turn.
  while (!sockets[0]!.destroyed) await settle(1);
  expect(await ask(connections, '/next')).toBe('200 ok');
});

/** What the server does with a request, by its path. `/held` is answered when the test releases it. */
const SERVED = ['/answered', '/answered-and-closed', '/reset', '/held'] as const;
type Step = { readonly send: (typeof SERVED)[number]; readonly onNew: boolean } | { readonly drop: number } | 'release' | 'pause';

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ send: fc.constantFrom(...SERVED), onNew: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ drop: fc.nat(30) }) },
  fc.constant<Step>('release'),
  fc.constant<Step>('pause'),
);

test('in any order of requests, drops and closes, each request ends once, and no connection is lost or exceeds the limit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), async (maxConnections, steps) => {
      const held: Socket[] = [];
      const serve = (socket: Socket, text: string): void => {
        const path = text.split(' ')[1];
        if (path === '/reset') socket.destroy();
        else if (path === '/held') held.push(socket);
        else if (path === '/answered-and-closed') socket.end(answer('done', 'connection: close\r\n'));
        else socket.write(answer('done'));
      };
      const release = (): void => held.splice(0).forEach((socket) => void socket.write(answer('done')));
      const { connections, sockets } = await start(maxConnections, serve);
      const sent: { readonly exchange: Exchange; ends: number; isDropped: boolean }[] = [];
      const send = (path: string, onNew: boolean): void => {
        const one = { ...request(path), ends: 0, isDropped: false };
        const end = (): void => {
          one.ends += 1;
          if (one.isDropped) throw new Error('a dropped exchange has ended');
        };
        const exchange: Exchange = { ...one.exchange, onAnswer: end, onFailure: end };
        sent.push(Object.assign(one, { exchange }));
        connections.send(exchange, onNew);
      };
      const open = (): number => sockets.filter(({ destroyed }) => !destroyed).length;
      for (const each of steps) {
        if (each === 'release') release();
        else if (each === 'pause') await settle();
        else if ('send' in each) send(each.send, each.onNew);
        else {
          const one = sent[each.drop];
          if (one !== undefined && one.ends === 0) {
            one.isDropped = true;
            connections.drop(one.exchange);
          }
        }
        expect(open()).toBeLessThanOrEqual(maxConnections);
      }
      const hasEnded = ({ ends, isDropped }: (typeof sent)[number]): boolean => isDropped || ends === 1;
      await until('the end of all requests', () => {
        release();
        return sent.every(hasEnded);
      });
      // All places are free again: as many requests as there are places arrive, although none of them is answered.
      for (let count = 0; count < maxConnections; count += 1) send('/held', false);
      await until('the arrival of the last requests', () => held.length === maxConnections);
      connections.close();
      expect(sent.map(({ ends, isDropped }) => (isDropped ? 1 : ends))).toEqual(sent.map(() => 1));
      for (const close of closers.splice(0).reverse()) await close();
    }),
    // A failure may be a wait that has timed out, so making the example smaller would take too long.
    { numRuns: 40, endOnFailure: true },
  );
});
