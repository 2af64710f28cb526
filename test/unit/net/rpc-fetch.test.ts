/** `fetch` for the chain's RPC (protocol.md §7): through the proxy, except to a light client on loopback. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createRpcFetch } from '../../../src/net/rpc-fetch.ts';
import { json, scriptedServer, type Answering } from '../../support/scripted-server.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startServer(answer: Answering) {
  const server = await scriptedServer(answer);
  closers.push(() => server.close());
  return server;
}

function startFetch(httpProxy: string, noProxy = '') {
  const rpcFetch = createRpcFetch({ httpProxy, noProxy });
  closers.push(() => rpcFetch.close());
  return rpcFetch.fetch;
}

describe('the RPC', () => {
  test.each(['127.0.0.1', 'localhost'])('at %s gets requests directly, regardless of the proxy', async (host) => {
    const rpc = await startServer(json({ result: '0x1' }));
    const proxy = await startServer(json({}, 502));
    const answer = await startFetch(proxy.url, 'example.test')(`http://${host}:${rpc.port}`, { method: 'POST', body: '{}' });
    expect(JSON.parse(await answer.text())).toEqual({ result: '0x1' });
    expect(proxy.requests).toHaveLength(0);
  });

  test('on any other host gets requests through the proxy', async () => {
    const proxy = await startServer(json({ result: '0x2' }));
    const answer = await startFetch(proxy.url)('http://rpc.example.test/v1', { method: 'POST', body: '{}' });
    expect(JSON.parse(await answer.text())).toEqual({ result: '0x2' });
    expect(proxy.requests.map(({ url }) => url)).toEqual(['http://rpc.example.test/v1']);
  });

  test('gets a User-Agent, and is asked not to compress its answers', async () => {
    const rpc = await startServer(json({ result: '0x3' }));
    await startFetch('')(rpc.url, { method: 'POST', body: '{}', headers: { authorization: 'Basic eA==' } });
    expect(rpc.requests[0]!.headers).toMatchObject({ 'user-agent': 'nova-kms-node', 'accept-encoding': 'identity', authorization: 'Basic eA==' });
  });

  test('cannot redirect its caller to another server', async () => {
    const target = await startServer(json({}));
    const rpc = await startServer(json({}, 307, { location: target.url }));
    const answer = await startFetch('')(rpc.url, { method: 'POST', body: '{}' });
    expect([answer.status, answer.headers.get('location')]).toEqual([307, target.url]);
    expect(target.requests).toHaveLength(0);
  });
});
