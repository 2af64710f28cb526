/** The client of the enclave API (protocol.md §7), tested with the emulator and with a server that misbehaves. */
import { once } from 'node:events';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { recoverTransactionAddress } from 'viem';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { SealedBytes } from '../../../src/domain/envelope.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { ENCLAVE_BODY_BYTES } from '../../../src/domain/limits.ts';
import type { Enclave, UnsignedTransaction } from '../../../src/domain/ports.ts';
import { quoteObject, quotePiece, QuotedValue } from '../../../src/domain/quoted-json.ts';
import { OdynClient } from '../../../src/enclave/odyn-client.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { runningEmulator } from '../../support/running-emulator.ts';
import { json, scriptedServer, silence, type Answering } from '../../support/scripted-server.ts';

const CALL_TIMEOUT_MS = 10_000;
const TRANSACTION: UnsignedTransaction = {
  chainId: 84_532,
  nonce: 0,
  maxPriorityFeePerGas: 0n,
  maxFeePerGas: 12n,
  gasLimit: 300_000n,
  to: `0x${'6a'.repeat(20)}` as Wallet,
  value: 0n,
  data: '0x1234',
};

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function startClient(baseUrl: string) {
  const clock = new ManualClock();
  const client = new OdynClient({ baseUrl }, { clock });
  closers.push(() => client.close());
  return { client, clock };
}

async function startEnclave(seed: string) {
  const emulator = await runningEmulator(seed);
  closers.push(() => emulator.close());
  return { ...emulator, ...startClient(emulator.url) };
}

async function startMisbehaving(answer: Answering) {
  const server = await scriptedServer(answer);
  closers.push(() => server.close());
  return { server, ...startClient(server.url) };
}

describe('with the emulated enclave API,', () => {
  test('the client can read the wallet, the key and random bytes', async () => {
    const { client, enclave } = await startEnclave('a');
    expect(await client.address()).toBe(enclave.wallet);
    expect(await client.publicKey()).toBe(enclave.teePubkey);
    const [first, second] = [await client.random(), await client.random()];
    expect(first).toHaveLength(32);
    expect(first).not.toEqual(second);
  });

  test('the client can get a signature for a message', async () => {
    const { client, enclave } = await startEnclave('a');
    expect(recoverEip191('a message', await client.sign('a message'))).toBe(enclave.wallet);
  });

  test('the client can get a signed transaction, because it sends the form that the API accepts (§9.20)', async () => {
    const { client, enclave } = await startEnclave('a');
    const { rawTransaction } = await client.signTransaction(TRANSACTION);
    const sender = await recoverTransactionAddress({ serializedTransaction: rawTransaction as `0x02${string}` });
    expect(sender.toLowerCase()).toBe(enclave.wallet);
  });

  test('a message that one enclave has sealed for another can be opened only once', async () => {
    const a = await startEnclave('a');
    const b = await startEnclave('b');
    const sealed = await a.client.encrypt('for b', b.enclave.teePubkey);
    expect(sealed.senderPubkey).toBe(a.enclave.teePubkey);
    expect(await b.client.decrypt(sealed)).toBe('for b');
    await expect(b.client.decrypt(sealed)).rejects.toMatchObject({ dependency: 'enclave', failure: 'refused', status: 400 });
  });

  test('a message that is too large for the API is refused with the status 413', async () => {
    const { client } = await startEnclave('a');
    await expect(client.sign('x'.repeat(ENCLAVE_BODY_BYTES))).rejects.toMatchObject({ failure: 'refused', status: 413 });
  });

  test('texts of every size arrive unchanged, whether the client writes them as strings or as bytes', async () => {
    const { client, enclave } = await startEnclave('a');
    for (let size = 1; size < 300_000; size = Math.ceil(size * 1.3)) {
      const text = 'é'.repeat(size);
      expect(await client.decrypt(await client.encrypt(text, enclave.teePubkey))).toBe(text);
    }
  });

  test.each([1, 20_000])('JSON in pieces is encrypted like its text, with %d keys', async (count) => {
    const { client, enclave } = await startEnclave('a');
    const keys = Array.from({ length: count }, (_, place) => `"é\\${place}`);
    const quoted = quoteObject({ app_id: 1, keys: new QuotedValue([quotePiece('['), ...keys.map((key, place) => quotePiece(`${place === 0 ? '' : ','}${JSON.stringify(key)}`)), quotePiece(']')]) });
    const sealed = await client.encrypt(quoted, enclave.teePubkey);
    expect(sealed instanceof SealedBytes).toBe(count > 1);
    expect(JSON.parse(await client.decrypt(sealed))).toEqual({ app_id: 1, keys });
  });

  test('the base URL may have a path and a trailing slash', async () => {
    const { client, server } = await startMisbehaving(json({ address: `0x${'AB'.repeat(20)}` }));
    const { client: below } = startClient(`${server.url}/enclave/`);
    expect(await below.address()).toBe(`0x${'ab'.repeat(20)}`);
    await client.address();
    expect(server.requests.map(({ url }) => url)).toEqual(['/enclave/v1/eth/address', '/v1/eth/address']);
  });
});

const KEY = 'ab'.repeat(120) as TeePubkey;
const CALLS: readonly [string, (enclave: Enclave) => Promise<unknown>, 'again' | 'once'][] = [
  ['address', (enclave) => enclave.address(), 'again'],
  ['publicKey', (enclave) => enclave.publicKey(), 'again'],
  ['random', (enclave) => enclave.random(), 'again'],
  ['sign', (enclave) => enclave.sign('secret text'), 'again'],
  ['signTransaction', (enclave) => enclave.signTransaction(TRANSACTION), 'again'],
  ['encrypt', (enclave) => enclave.encrypt('secret text', KEY), 'again'],
  ['decrypt', (enclave) => enclave.decrypt({ senderPubkey: KEY, nonce: '00'.repeat(12), encryptedData: '00'.repeat(16) }), 'once'],
];

const GARBAGE: Answering = (_, response) => void response.end('{"plaintext":17,"address":"secret nonsense"');

async function failureOf(call: Promise<unknown>): Promise<DependencyError> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DependencyError);
  return error as DependencyError;
}

describe.each(CALLS)('the call %s', (_, call, kind) => {
  const tries = kind === 'again' ? 2 : 1;

  test.each<[string, Answering, string, number]>([
    ['fails as malformed if the answer is garbage', GARBAGE, 'malformed', 1],
    ['fails as malformed if the body is empty', json(undefined), 'malformed', 1],
    ['fails as malformed if the answer is an object without the expected fields', json({}), 'malformed', 1],
    ['fails as malformed if the answer is null', json(null), 'malformed', 1],
    ['fails as refused if the status is 400', json({ error: 'secret reason' }, 400), 'refused', 1],
    ['fails as refused if the status is 413', json({}, 413), 'refused', 1],
    ['fails if the status is 500 (after one retry, if the call may be repeated)', json({ error: 'secret reason' }, 500), 'unreachable', tries],
    ['fails if the connection is cut (after one retry, if the call may be repeated)', (__, response) => void response.destroy(), 'unreachable', tries],
  ])('%s', async (__, answer, failure, requests) => {
    const { client, server } = await startMisbehaving(answer);
    const error = await failureOf(call(client));
    expect({ dependency: error.dependency, failure: error.failure }).toEqual({ dependency: 'enclave', failure });
    expect(error.message).not.toContain('secret');
    expect(error.message).not.toContain('/');
    expect(server.requests).toHaveLength(requests);
  });

  test('fails at the timeout if there is no answer', async () => {
    const { client, clock, server } = await startMisbehaving(silence);
    const failed = failureOf(call(client));
    await server.received(1);
    await clock.advance(CALL_TIMEOUT_MS);
    expect((await failed).failure).toBe('timeout');
    expect((await failed).message).not.toContain('/');
    await server.deserted();
  });
});

describe('an enclave API that closes a used connection', () => {
  const ANSWERS: Readonly<Record<string, unknown>> = {
    '/v1/eth/address': { address: `0x${'ab'.repeat(20)}` },
    '/v1/encryption/public_key': { public_key_der: `0x${KEY}` },
    '/v1/random': { random_bytes: `0x${'ab'.repeat(32)}` },
    '/v1/eth/sign': { signature: `0x${'ab'.repeat(65)}` },
    '/v1/eth/sign-tx': { raw_transaction: '0x02', transaction_hash: `0x${'ab'.repeat(32)}` },
    '/v1/encryption/encrypt': { encrypted_data: 'ab', enclave_public_key: KEY, nonce: 'ab' },
    '/v1/encryption/decrypt': { plaintext: 'x' },
  };

  /** A server that answers one request per connection. When a second request arrives, it closes that connection without an answer. */
  function startClosing() {
    const used = new WeakSet();
    return startMisbehaving((request, response) => {
      const { socket } = response;
      if (socket === null || used.has(socket)) return void socket?.destroy();
      used.add(socket);
      return json(ANSWERS[request.url])(request, response);
    });
  }

  test.each(CALLS.filter(([, , kind]) => kind === 'again'))('receives the call %s again on a new connection', async (_, call) => {
    const { client } = await startClosing();
    for (let time = 0; time < 4; time += 1) await expect(call(client)).resolves.toBeDefined();
  });
});

describe('a single malformed part makes the whole answer malformed:', () => {
  test.each<[string, (enclave: Enclave) => Promise<unknown>, object]>([
    ['an invalid address', (enclave) => enclave.address(), { address: '0x1234' }],
    ['random bytes of the wrong length', (enclave) => enclave.random(), { random_bytes: `0x${'ab'.repeat(31)}` }],
    ['random bytes that are not valid hex', (enclave) => enclave.random(), { random_bytes: `0x${'zz'.repeat(32)}` }],
    ['a signature of the wrong length', (enclave) => enclave.sign('x'), { signature: `0x${'ab'.repeat(64)}` }],
    ['an invalid transaction hash', (enclave) => enclave.signTransaction(TRANSACTION), { raw_transaction: '0x02', transaction_hash: '0x12' }],
    ['a public key that is not valid hex', (enclave) => enclave.publicKey(), { public_key_der: 'key' }],
    ['a plaintext that is not a string', (enclave) => enclave.decrypt({ senderPubkey: KEY, nonce: '', encryptedData: '' }), { plaintext: 17 }],
  ])('%s', async (_, call, answer) => {
    const { client } = await startMisbehaving(json(answer));
    expect((await failureOf(call(client))).failure).toBe('malformed');
  });
});

describe('connections', () => {
  /** Counts the connections on which requests have arrived. */
  async function startCounting(answer: Answering) {
    const sockets = new Set<unknown>();
    const started = await startMisbehaving((request, response) => {
      sockets.add(response.socket);
      return answer(request, response);
    });
    return { ...started, sockets };
  }

  const signs = json({ signature: `0x${'ab'.repeat(65)}` });

  test('are used again, but not after they have been idle for more than two seconds', async () => {
    const { client, clock, sockets } = await startCounting(signs);
    for (let time = 0; time < 3; time += 1) await client.sign('x');
    await clock.advance(2_000);
    await client.sign('x');
    expect(sockets.size).toBe(1);
    await clock.advance(2_001);
    await client.sign('x');
    expect(sockets.size).toBe(2);
  });

  test('are limited to 32, and further calls wait for a free connection', async () => {
    const { client, sockets, server } = await startCounting(signs);
    await Promise.all(Array.from({ length: 100 }, () => client.sign('x')));
    expect({ requests: server.requests.length, connections: sockets.size }).toEqual({ requests: 100, connections: 32 });
  });

  test('are closed when their call is aborted, so that a waiting call can start', async () => {
    const controller = new AbortController();
    let requests = 0;
    const { client, server } = await startMisbehaving((request, response) => {
      requests += 1;
      return requests > 32 ? signs(request, response) : undefined;
    });
    const givenUp = Array.from({ length: 32 }, () => failureOf(client.sign('x', controller.signal)));
    await server.received(32);
    const waiting = client.sign('x');
    controller.abort();
    await Promise.all(givenUp);
    await expect(waiting).resolves.toBeDefined();
  });

  test('are closed when the server sends bytes that answer no request', async () => {
    const { client, sockets } = await startCounting(signs);
    await client.sign('x');
    const [socket] = [...sockets] as Socket[];
    socket!.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    await once(socket!, 'close');
    await client.sign('x');
    expect(sockets.size).toBe(2);
  });

  test('to a server that speaks another protocol fail with a message that does not quote the bytes of the server', async () => {
    const server = createServer((socket) => void socket.on('error', () => undefined).write('SSH-2.0-secret\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    closers.push(async () => void server.close());
    const { client } = startClient(`http://127.0.0.1:${port}`);
    expect((await failureOf(client.sign('x'))).message).toBe(`the enclave API at 127.0.0.1:${port} cannot be reached: it does not speak HTTP`);
  });

  /** A certificate for one name. For a host name, the type is 2; for an IP address, 7. */
  async function certificateFor(name: { readonly type: 2; readonly value: string } | { readonly type: 7; readonly ip: string }) {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'server' }], {
      keyType: 'ec',
      extensions: [{ name: 'basicConstraints', cA: true, critical: true }, { name: 'subjectAltName', altNames: [name] }],
    });
    return { key, cert };
  }

  function trust(cert: string): void {
    const trusted = getCACertificates();
    closers.push(async () => setDefaultCACertificates(trusted));
    setDefaultCACertificates([...trusted, cert]);
  }

  async function startTls(host: string, options: ServerOptions) {
    const sockets = new Set<TLSSocket>();
    const server = createTlsServer(options, ({ socket }, response) => {
      sockets.add(socket as TLSSocket);
      response.end(JSON.stringify({ signature: `0x${'ab'.repeat(65)}` }));
    });
    server.listen(0, host);
    await once(server, 'listening');
    closers.push(async () => server.closeAllConnections(), async () => void server.close());
    const { client } = startClient(`https://${host}:${(server.address() as AddressInfo).port}`);
    /** The server name that the client sent on each connection, or false if it sent none. */
    const names = () => [...sockets].map(({ servername }) => servername);
    return { client, names };
  }

  test('over TLS require a trusted certificate, are used again, and do not send an IP address as a server name', async () => {
    const { key, cert } = await certificateFor({ type: 7, ip: '127.0.0.1' });
    const { client, names } = await startTls('127.0.0.1', { key, cert });
    expect((await failureOf(client.sign('x'))).failure).toBe('unreachable');
    trust(cert);
    for (let time = 0; time < 3; time += 1) await expect(client.sign('x')).resolves.toBeDefined();
    expect(names()).toEqual([false]);
  });

  test('over TLS tell the server the requested host name, so that a server with several names can choose its certificate', async () => {
    const { key, cert } = await certificateFor({ type: 2, value: 'localhost' });
    const context = createSecureContext({ key, cert });
    const { client, names } = await startTls('localhost', { SNICallback: (_, choose) => choose(null, context) });
    trust(cert);
    await expect(client.sign('x')).resolves.toBeDefined();
    expect(names()).toEqual(['localhost']);
  });
});

describe('the client', () => {
  test('refuses an answer that is larger than any valid answer from the API', async () => {
    const { client, server } = await startMisbehaving((_, response) => {
      const chunk = 'x'.repeat(1024 * 1024);
      const pump = (): void => {
        while (response.writable && response.write(chunk));
      };
      response.on('drain', pump).on('error', () => undefined);
      pump();
    });
    expect((await failureOf(client.sign('x'))).failure).toBe('too_large');
    await server.deserted();
  });

  test('ends a call when the caller aborts its signal', async () => {
    const { client, server } = await startMisbehaving(silence);
    const controller = new AbortController();
    const failed = failureOf(client.sign('x', controller.signal));
    await server.received(1);
    controller.abort();
    expect(await failed).toMatchObject({ failure: 'aborted', call: 'sign' });
  });

  test('sends nothing if the signal of the caller is already aborted', async () => {
    const { client, server } = await startMisbehaving(silence);
    expect((await failureOf(client.sign('x', AbortSignal.abort()))).failure).toBe('aborted');
    expect(server.requests).toHaveLength(0);
  });

  test('ends calls at the timeout even if they are still waiting for a connection', async () => {
    const { client, clock, server } = await startMisbehaving(silence);
    const failed = Promise.all(Array.from({ length: 80 }, () => failureOf(client.sign('x'))));
    await server.received(1);
    await clock.advance(CALL_TIMEOUT_MS);
    expect((await failed).map(({ failure }) => failure)).toEqual(Array(80).fill('timeout'));
    await server.deserted();
  });

  test('ends a retry at the timeout of the call', async () => {
    let requests = 0;
    const { client, clock, server } = await startMisbehaving((_, response) => {
      requests += 1;
      if (requests === 1) response.destroy();
    });
    const failed = failureOf(client.sign('x'));
    await server.received(2);
    await clock.advance(CALL_TIMEOUT_MS);
    expect((await failed).failure).toBe('timeout');
    await server.deserted();
  });

  test('reports the API as unreachable when nothing is listening', async () => {
    expect((await failureOf(startClient('http://127.0.0.1:1').client.address())).failure).toBe('unreachable');
  });

  test('ends all calls when it is closed', async () => {
    const { client, server } = await startMisbehaving(silence);
    const failed = failureOf(client.sign('x'));
    await server.received(1);
    await client.close();
    expect((await failed).failure).toBe('unreachable');
  });
});
