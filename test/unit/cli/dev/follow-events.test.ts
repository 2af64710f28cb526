/** A reader of an event stream reconnects when the stream breaks off, even in the middle of an event. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { followEvents } from '../../../../src/cli/dev/follow-events.ts';
import type { VisualizerEvent } from '../../../../src/visualizer/wire.ts';

const textOf = (n: number): string => `data: ${JSON.stringify({ n, atMs: n, kind: 'note', source: null, level: 'info', text: `${n}` })}\n\n`;

test.each([
  ['between the id of an event and its data', 'id: x-2\n'],
  ['within the data of an event', `id: x-2\n${textOf(2).slice(0, 20)}`],
  ['before the line break after the data of an event', `id: x-2\n${textOf(2).trimEnd()}`],
])('when the stream breaks off %s, the reader reconnects and continues after the last complete event', async (_, cut) => {
  const askedAfter: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const lastId = request.headers['last-event-id'] as string | undefined;
    askedAfter.push(lastId);
    if (lastId === undefined) response.write(`id: x-1\n${textOf(1)}${cut}`, () => response.destroy());
    else response.write(`id: x-3\n${textOf(3)}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const taken: VisualizerEvent[] = [];
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stopping = new AbortController();
  const following = followEvents(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    signal: stopping.signal,
    take: (event) => {
      taken.push(event);
      if (event.n === 3) resolve(undefined);
    },
  });
  await promise;
  stopping.abort();
  await following;
  server.closeAllConnections();
  server.close();
  expect(askedAfter).toEqual([undefined, 'x-1']);
  expect(taken.map(({ n }) => n)).toEqual([1, 3]);
});
