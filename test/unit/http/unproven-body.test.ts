/** A caller without a proof uses no memory of a node (protocol.md §3). A web page from another origin cannot claim a wallet. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from 'node:net';
import { startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';

let node: NodeOverHttp;
beforeAll(async () => {
  node = await startNodeOverHttp({ inEnclave: false });
});
afterAll(() => node.close());

test.each(['/kms/derive', '/sync'])('a request to %s without a proof is answered before its body arrives', async (path) => {
  const socket = connect(node.port, '127.0.0.1');
  const answered = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  socket.on('error', (error) => answered.reject(error));
  socket.on('close', () => answered.resolve(text));
  // The body never arrives.
  socket.write(`POST ${path} HTTP/1.1\r\nHost: node.test\r\nContent-Length: 100000\r\n\r\n`);
  expect(await answered.promise).toMatch(/^HTTP\/1\.1 403 [^]*"code":"unauthorized"/);
});

test('a preflight request does not allow a web page to claim a wallet without a proof, even in development', async () => {
  const answer = await fetch(`${node.url}/kms/derive`, { method: 'OPTIONS' });
  const allowed = answer.headers.get('access-control-allow-headers')!.split(', ');
  expect(allowed).toContain('x-app-wallet');
  expect(allowed).not.toContain('x-tee-wallet');
});
