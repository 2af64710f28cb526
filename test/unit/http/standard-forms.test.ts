/**
 * Forms of HTTP/1.1 that a server must accept (RFC 9110, 9112), written as raw bytes to the real server. Most clients never use these
 * forms, but a proxy or an older client may.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';

let node: NodeOverHttp;
beforeAll(async () => {
  node = await startNodeOverHttp({ inEnclave: false, lookup: async (of) => authorizedRecord(100n, of, 'aa' as TeePubkey) });
});
afterAll(() => node.close());

/** Sends the parts, and returns all text that arrives until the node closes the connection. */
async function exchange(...parts: readonly string[]): Promise<string> {
  const socket = connect(node.port, '127.0.0.1');
  const closed = Promise.withResolvers<undefined>();
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.on('close', () => closed.resolve(undefined));
  for (const part of parts) {
    socket.write(part, 'latin1');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed.promise;
  return text;
}

const END = 'Host: node.test\r\nConnection: close\r\n\r\n';
const HEALTHY = /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\{"status":"healthy"\}$/;
/** Two answers, which prove that the node found the end of the body: it refuses the content of the body and answers the next request. */
const THEN_HEALTHY = /^HTTP\/1\.1 400 [^]*not JSON[^]*HTTP\/1\.1 200 OK\r\n[^]*\{"status":"healthy"\}$/;
const POST = `POST /kms/derive HTTP/1.1\r\nHost: node.test\r\nx-tee-wallet: 0x${'0a'.repeat(20)}\r\n`;
const NEXT = `GET /health HTTP/1.1\r\n${END}`;

test.each<[string, string]>([
  ['an empty line before the request line (RFC 9112 §2.2)', `\r\nGET /health HTTP/1.1\r\n${END}`],
  ['absolute form (RFC 9112 §3.2.2)', `GET http://node.test/health HTTP/1.1\r\n${END}`],
  ['absolute form with a different Host, which the node ignores', `GET http://other.test/health HTTP/1.1\r\n${END}`],
  ['an empty Host (RFC 9112 §3.2)', 'GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'],
  ['header names in any case (RFC 9110 §5.1)', 'GET /health HTTP/1.1\r\nhOsT: node.test\r\nCONNECTION: Close\r\n\r\n'],
  ['whitespace around header values (RFC 9112 §5)', 'GET /health HTTP/1.1\r\nHost: \t node.test \t\r\nConnection:close\r\n\r\n'],
  ['an unknown header with bytes above ASCII (RFC 9110 §5.5)', `GET /health HTTP/1.1\r\nX-Other: \xe9\r\n${END}`],
  ['an empty header (RFC 9110 §5.5)', `GET /health HTTP/1.1\r\nX-Other:\r\n${END}`],
  ['connection options in a list (RFC 9110 §7.6.1)', 'GET /health HTTP/1.1\r\nHost: node.test\r\nX-Hop: 1\r\nConnection: X-Hop, close\r\n\r\n'],
  ['an unknown upgrade (RFC 9110 §7.8)', 'GET /health HTTP/1.1\r\nHost: node.test\r\nUpgrade: foo/2\r\nConnection: upgrade, close\r\n\r\n'],
  ['HTTP/1.0 (RFC 9110 §2.5)', 'GET /health HTTP/1.0\r\n\r\n'],
  ['an Accept header without the type of the answer (RFC 9110 §12.5.1)', `GET /health HTTP/1.1\r\nAccept: image/png\r\nAccept-Encoding: br;q=0\r\n${END}`],
  ['an invalid condition and a range (RFC 9110 §13.1)', `GET /health HTTP/1.1\r\nIf-Modified-Since: nonsense\r\nRange: bytes=0-1\r\n${END}`],
])('%s is accepted', async (_, text) => {
  expect(await exchange(text)).toMatch(HEALTHY);
});

test('a request that arrives byte by byte is accepted', async () => {
  expect(await exchange(...Array.from(`GET /health HTTP/1.1\r\n${END}`))).toMatch(HEALTHY);
});

test.each<[string, string]>([
  ['chunks', '3\r\nabc\r\n0\r\n\r\n'],
  ['chunk extensions (RFC 9112 §7.1.1)', '3;a=b;c="d e"\r\nabc\r\n0;last\r\n\r\n'],
  ['a trailer (RFC 9112 §7.1.2)', '3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n'],
  ['chunk sizes in any case and with leading zeros (RFC 9112 §7.1)', '00A\r\n0123456789\r\n0a\r\n0123456789\r\n000\r\n\r\n'],
])('the node finds the end of a body with %s', async (_, body) => {
  expect(await exchange(`${POST}Transfer-Encoding: Chunked\r\n\r\n${body}${NEXT}`)).toMatch(THEN_HEALTHY);
});

test('an empty body leaves the connection usable', async () => {
  expect(await exchange(`${POST}Content-Length: 0\r\n\r\n${NEXT}`)).toMatch(THEN_HEALTHY);
});

test('Expect: 100-continue is answered before the body is read (RFC 9110 §10.1.1)', async () => {
  const text = await exchange(`${POST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`, `abc${NEXT}`);
  expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 [^]*200 OK/);
});

test('an unknown transfer coding is refused (RFC 9112 §6.1)', async () => {
  expect(await exchange(`POST /kms/derive HTTP/1.1\r\nTransfer-Encoding: gzip\r\n${END}`)).toMatch(/^HTTP\/1\.1 (?:400|501) /);
});
