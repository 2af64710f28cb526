/** HTTP to peers (protocol.md §7, proxies; §10, Where a node connects): size limits, timeouts, redirects and proxies. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Server as ProxyServer } from 'proxy-chain';
import type { TransportRequest } from '../../../src/domain/ports.ts';
import { PeerTransport } from '../../../src/net/peer-transport.ts';
import type { ProxySettings } from '../../../src/net/way-out.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { json, scriptedServer, silence, type Answering } from '../../support/scripted-server.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startServer(answer: Answering) {
  const server = await scriptedServer(answer);
  closers.push(() => server.close());
  return server;
}

function startTransport(proxy: Partial<ProxySettings> = {}, inEnclave = false) {
  const clock = new ManualClock();
  const transport = new PeerTransport({ inEnclave, proxy: { noProxy: '', ...proxy } }, { clock });
  closers.push(() => transport.close());
  const get = (url: string, more: Partial<TransportRequest> = {}) =>
    transport.request({ method: 'GET', url, maxAnswerBytes: 1_024, timeoutMs: 5_000, ...more });
  return { clock, transport, get };
}

/** A real HTTP proxy, and the requests that it received. */
async function startProxy() {
  const asked: string[] = [];
  const proxy = new ProxyServer({
    port: 0,
    host: '127.0.0.1',
    prepareRequestFunction: ({ hostname, port, isHttp }) => {
      asked.push(`${isHttp ? 'forward' : 'tunnel'} ${hostname}:${String(port)}`);
      return {};
    },
  });
  await proxy.listen();
  closers.push(() => proxy.close(true));
  return { url: `http://127.0.0.1:${proxy.port}`, asked };
}

describe('a request', () => {
  test('returns the status, the headers in lower case and the body', async () => {
    const server = await startServer(json({ fine: true }, 418, { 'X-Kms-Peer-Signature': '0xab' }));
    const answer = await startTransport().get(`${server.url}/status`);
    expect(answer.status).toBe(418);
    expect(answer.headers['x-kms-peer-signature']).toBe('0xab');
    expect(Buffer.from(answer.body).toString('utf8')).toBe('{"fine":true}');
  });

  test('sends method, headers and body as given', async () => {
    const server = await startServer(json({}));
    await startTransport().get(`${server.url}/sync`, { method: 'POST', body: '{"a":1}', headers: { 'x-kms-nonce': 'bm9uY2U=' } });
    expect(server.requests[0]).toMatchObject({ method: 'POST', url: '/sync', body: '{"a":1}', headers: { 'x-kms-nonce': 'bm9uY2U=' } });
  });

  test.each([301, 302, 303, 307, 308])('never follows a redirect (%i)', async (status) => {
    const target = await startServer(json({ redirected: true }));
    const server = await startServer(json({}, status, { location: `${target.url}/nonce` }));
    expect((await startTransport().get(`${server.url}/nonce`)).status).toBe(status);
    expect(target.requests).toHaveLength(0);
  });
});

describe('an answer', () => {
  test('of exactly the allowed size is accepted', async () => {
    const server = await startServer((_, response) => void response.end('x'.repeat(1_024)));
    expect((await startTransport().get(server.url)).body).toHaveLength(1_024);
  });

  test('that is one byte too large is refused, and its connection is closed', async () => {
    const server = await startServer((_, response) => void response.end('x'.repeat(1_025)));
    await expect(startTransport().get(server.url)).rejects.toMatchObject({ dependency: 'peer', failure: 'too_large' });
    await server.deserted();
  });

  test('that never ends is refused as soon as it is too large', async () => {
    const server = await startServer((_, response) => void response.write('x'.repeat(4_096)));
    await expect(startTransport().get(server.url)).rejects.toMatchObject({ failure: 'too_large' });
    await server.deserted();
  });

  test.each<[string, Answering]>([
    ['that never comes', silence],
    ['that stops half-way', (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('half')],
  ])('%s fails at the timeout, and its connection is closed', async (_, answering) => {
    const server = await startServer(answering);
    const { clock, get } = startTransport();
    const failed = expect(get(server.url)).rejects.toMatchObject({ dependency: 'peer', failure: 'timeout' });
    await server.received(1);
    await clock.advance(5_000);
    await failed;
    await server.deserted();
  });

  test('that is cut off is reported as "unreachable"', async () => {
    const server = await startServer((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      response.socket?.end();
    });
    await expect(startTransport().get(server.url)).rejects.toMatchObject({ failure: 'unreachable' });
  });

  test('that is not HTTP is reported as "unreachable", and the error does not quote the answer', async () => {
    const server = createServer((socket) => void socket.resume().end('SSH-2.0-secret_server\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    await expect(startTransport().get(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
      failure: 'unreachable',
      message: `the peer at 127.0.0.1:${port} cannot be reached: it does not speak HTTP`,
    });
  });
});

describe('the caller may abort', () => {
  test('a running request, and its connection is then closed', async () => {
    const server = await startServer(silence);
    const controller = new AbortController();
    const failed = expect(startTransport().get(server.url, { signal: controller.signal })).rejects.toMatchObject({ failure: 'aborted' });
    await server.received(1);
    controller.abort();
    await failed;
    await server.deserted();
  });

  test('a request before it starts, so that nothing is sent', async () => {
    const server = await startServer(json({}));
    await expect(startTransport().get(server.url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ failure: 'aborted' });
    expect(server.requests).toHaveLength(0);
  });

  test('all requests by closing the transport', async () => {
    const server = await startServer(silence);
    const { transport, get } = startTransport();
    const failed = expect(get(server.url)).rejects.toMatchObject({ failure: 'unreachable' });
    await server.received(1);
    await transport.close();
    await failed;
    await server.deserted();
  });
});

describe('a peer that closes a reused connection', () => {
  /** A server that answers one request per connection. It closes a connection without an answer when a second request arrives. */
  async function startClosing() {
    const used = new WeakSet();
    return startServer((request, response) => {
      const { socket } = response;
      if (socket === null || used.has(socket)) return void socket?.destroy();
      used.add(socket);
      return json({})(request, response);
    });
  }

  test('gets the request again on a fresh connection if the request changes nothing', async () => {
    const server = await startClosing();
    const { get } = startTransport();
    for (let time = 0; time < 6; time += 1) expect((await get(`${server.url}/nonce`)).status).toBe(200);
    expect(server.requests.length).toBeGreaterThan(6);
  });

  test('does not get a push again, because it may have accepted the push already', async () => {
    let times = 0;
    const server = await startServer((_, response) => {
      times += 1;
      response.socket?.destroy();
    });
    await expect(startTransport().get(`${server.url}/sync`, { method: 'POST', body: '{}' })).rejects.toMatchObject({ failure: 'unreachable' });
    expect(times).toBe(1);
  });
});

describe('an unusable target', () => {
  test.each(['http://127.0.0.1:1', 'no url at all', 'ftp://127.0.0.1/'])('%s is reported as "unreachable"', async (url) => {
    await expect(startTransport().get(url)).rejects.toMatchObject({ dependency: 'peer', failure: 'unreachable' });
  });
});

describe('in an enclave,', () => {
  test.each(['127.0.0.1', 'localhost'])('a peer at %s is refused without an attempt to connect', async (host) => {
    const server = await startServer(json({}));
    const refused = startTransport({}, true).get(`http://${host}:${server.port}`);
    await expect(refused).rejects.toMatchObject({ dependency: 'peer', failure: 'refused' });
    expect(server.requests).toHaveLength(0);
  });

  test('a peer at 127.0.0.1 is refused even if NO_PROXY contains it', async () => {
    const server = await startServer(json({}));
    const proxy = await startProxy();
    const refused = startTransport({ httpProxy: proxy.url, noProxy: '127.0.0.1' }, true).get(server.url);
    await expect(refused).rejects.toMatchObject({ failure: 'refused' });
    expect(server.requests).toHaveLength(0);
  });

  test('a proxy on loopback is used, because the platform provides it for outbound connections', async () => {
    const server = await startServer(json({}));
    const proxy = await startProxy();
    expect((await startTransport({ httpProxy: proxy.url }, true).get(server.url)).status).toBe(200);
    expect(proxy.asked).toEqual([`forward 127.0.0.1:${server.port}`]);
  });
});

describe('an outbound connection', () => {
  test('goes through the proxy if there is one', async () => {
    const server = await startServer(json({}));
    const proxy = await startProxy();
    expect((await startTransport({ httpProxy: proxy.url }).get(`${server.url}/nonce`)).status).toBe(200);
    expect(proxy.asked).toEqual([`forward 127.0.0.1:${server.port}`]);
  });

  test('to an https target uses a tunnel through the https proxy', async () => {
    const server = await startServer(json({}));
    const proxy = await startProxy();
    const { get } = startTransport({ httpsProxy: proxy.url });
    await expect(get(server.url.replace('http:', 'https:'))).rejects.toMatchObject({ failure: 'unreachable' });
    expect(proxy.asked).toEqual([`tunnel 127.0.0.1:${server.port}`]);
  });

  test.each([
    ['the host', '127.0.0.1', 0],
    ['the host in a list', 'example.test, 127.0.0.1', 0],
    ['all hosts', '*', 0],
    ['the network of the host', '127.0.0.0/8', 0],
    ['a different network', '10.0.0.0/8', 1],
    ['the host with a different port', '127.0.0.1:1', 1],
    ['a different host', 'example.test', 1],
    ['nothing', '', 1],
  ])('obeys NO_PROXY when it contains %s', async (_, noProxy, throughProxy) => {
    const server = await startServer(json({}));
    const proxy = await startProxy();
    expect((await startTransport({ httpProxy: proxy.url, noProxy }).get(server.url)).status).toBe(200);
    expect(proxy.asked).toHaveLength(throughProxy);
  });

  test('does not bypass a proxy that is down', async () => {
    const server = await startServer(json({}));
    await expect(startTransport({ httpProxy: 'http://127.0.0.1:1' }).get(server.url)).rejects.toMatchObject({ failure: 'unreachable' });
    expect(server.requests).toHaveLength(0);
  });
});
