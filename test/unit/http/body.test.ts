/** How a body is read from its stream (protocol.md §3; §10, Bounds). */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { readJson } from '../../../src/http/body.ts';

const UNCOUNTED = { expect: () => undefined, add: () => undefined };

/** A request whose body the test sends. */
const incoming = (): IncomingMessage => Object.assign(new Readable({ read: () => undefined }), { headers: {} }) as unknown as IncomingMessage;

test('a body is refused, and the node does not wait for it, if the caller has hung up before the node reads it', async () => {
  const request = incoming();
  const closed = once(request, 'close');
  request.destroy();
  await closed;
  const refusal = readJson(request, 1_000, UNCOUNTED).catch((error: unknown) => error);
  const waited = new Promise((resolve) => setImmediate(resolve, 'the node still waits for the body'));
  expect(await Promise.race([refusal, waited])).toMatchObject({ code: 'bad_request' });
});

/**
 * A chunk that is kept costs a few hundred bytes in addition to its content, so small chunks are copied. The test uses one buffer for all
 * chunks except the first, so a reader that keeps this buffer instead of a copy gets wrong bytes.
 */
test('the small chunks of a body are copied, so that they do not use far more memory than their bytes', async () => {
  const request = incoming();
  const read = readJson(request, 5, UNCOUNTED);
  const shared = Buffer.of(0);
  request.emit('data', Buffer.from('1'));
  for (const digit of '2345') {
    shared.write(digit);
    request.emit('data', shared);
  }
  request.emit('end');
  expect(await read).toBe(12_345);
});
