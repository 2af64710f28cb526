/** How a body is read from its stream (protocol.md §3; §10, Bounds). */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { readJson } from '../../../src/http/body.ts';

const UNCOUNTED = { expect: () => undefined, add: () => undefined };

/** A request whose body the test sends. */
const incoming = (): IncomingMessage => Object.assign(new Readable({ read: () => undefined }), { headers: {} }) as unknown as IncomingMessage;

test('a body whose caller has hung up before it is read is refused, not waited for', async () => {
  const request = incoming();
  const closed = once(request, 'close');
  request.destroy();
  await closed;
  const refusal = readJson(request, 1_000, UNCOUNTED).catch((error: unknown) => error);
  const waited = new Promise((resolve) => setImmediate(resolve, 'it is waited for'));
  expect(await Promise.race([refusal, waited])).toMatchObject({ code: 'bad_request' });
});
