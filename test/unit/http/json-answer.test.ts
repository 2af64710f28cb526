/** Long envelopes (http/json-answer.ts) arrive unchanged even at a caller that reads slowly, and their memory is returned once they are sent. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { envelopeJson, SealedBytes } from '../../../src/domain/envelope.ts';
import { HexBytes } from '../../../src/domain/hex.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { sendEnvelope } from '../../../src/http/json-answer.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

/** Much more than the buffers of a connection hold. */
const DIGITS = 'ab09'.repeat(8_000_000);

function sealedText(digits = DIGITS): SealedBytes {
  return new SealedBytes('cd'.repeat(120) as TeePubkey, '01'.repeat(12), HexBytes.copy(Buffer.from(digits))!);
}

async function answering(sealed: SealedBytes) {
  const answer = Promise.withResolvers<ServerResponse>();
  const server = createServer((_, response) => {
    answer.resolve(response);
    sendEnvelope(response, 200, sealed);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  return { server, socket, response: await answer.promise };
}

test('an envelope is not released before a slow caller has been sent all of it', async () => {
  const sealed = sealedText();
  const expected = envelopeJson(sealed);
  const { server, socket, response } = await answering(sealed);
  // Nothing is read from the socket yet.
  await waitUntil({ what: 'the end of the answer in the server', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (response.writableEnded ? null : 'not yet'));
  expect([response.writableFinished, sealed.hex.digits.length]).toEqual([false, DIGITS.length]);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  expect(Buffer.concat(chunks).toString('latin1').endsWith(`\r\n\r\n${expected}`)).toBe(true);
  await waitUntil({ what: 'the release', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (sealed.hex.digits.length === 0 ? null : 'not yet'));
  server.close();
});

test('an envelope whose caller has hung up is left to the garbage collector, because the socket may still use it', async () => {
  const sealed = sealedText();
  const { server, socket, response } = await answering(sealed);
  socket.destroy();
  await once(response, 'close');
  server.close();
  expect(sealed.hex.digits).toHaveLength(DIGITS.length);
});

test('envelopes of every size arrive unchanged', async () => {
  for (let size = 1; size < 300_000; size = Math.ceil(size * 1.3)) {
    const sealed = sealedText('ab'.repeat(size));
    const expected = envelopeJson(sealed);
    const { server, socket, response } = await answering(sealed);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await once(socket, 'end');
    if (!response.closed) await once(response, 'close');
    expect(Buffer.concat(chunks).toString('latin1').endsWith(`\r\n\r\n${expected}`)).toBe(true);
    server.close();
  }
});
