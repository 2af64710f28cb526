/** The links between the nodes of a development cluster: which requests pass, and which ones a cut link stops. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { PeerLinks } from '../../../src/dev/peer-links.ts';
import { TcpRelay } from '../../../src/dev/tcp-relay.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import { PeerTransport } from '../../../src/net/peer-transport.ts';
import { systemClock } from '../../../src/system/system.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** @param answer if null, the server never answers */
async function serverSaying(answer: string | null): Promise<number> {
  const server: Server = createServer((request, response) => {
    if (answer !== null) response.end(`${answer} ${request.url ?? ''}`);
  });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  server.listen(0, '127.0.0.1', () => resolve(undefined));
  await promise;
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function linksBetween(...answers: readonly (string | null)[]) {
  const names = answers.map((_, index) => `node-${index + 1}`);
  const links = await PeerLinks.start(names);
  closers.push(() => links.close());
  const ports = await Promise.all(answers.map(serverSaying));
  for (const [index, port] of ports.entries()) links.setPort(names[index]!, port);
  const transports = names.map((name) => new PeerTransport({ inEnclave: false, proxy: { httpProxy: links.urlOf(name), noProxy: '' } }, { clock: systemClock }));
  closers.push(() => Promise.all(transports.map((transport) => transport.close())));
  const ask = async (from: number, to: number): Promise<string> => {
    const request = { method: 'GET' as const, url: `http://127.0.0.1:${ports[to - 1]!}/hello`, maxAnswerBytes: 1_000, timeoutMs: 10_000 };
    return Buffer.from((await transports[from - 1]!.request(request)).body).toString('utf8');
  };
  return { links, ask };
}

test('a node reaches the other nodes through its proxy', async () => {
  const { ask } = await linksBetween('one', 'two', 'three');
  expect(await ask(1, 2)).toBe('two /hello');
  expect(await ask(3, 1)).toBe('one /hello');
});

test('a cut link stops requests in both directions, all other links still work, and a healed link works again', async () => {
  const { links, ask } = await linksBetween('one', 'two', 'three');
  expect(await ask(1, 2)).toBe('two /hello');
  links.cut('node-2', 'node-1');
  expect(links.isCut('node-1', 'node-2')).toBe(true);
  await expect(ask(1, 2)).rejects.toThrow(DependencyError);
  await expect(ask(2, 1)).rejects.toThrow(DependencyError);
  expect(await ask(1, 3)).toBe('three /hello');
  expect(await ask(3, 2)).toBe('two /hello');
  links.heal('node-1', 'node-2');
  expect(await ask(1, 2)).toBe('two /hello');
});

test('a cut link also aborts a request that has already started', async () => {
  const { links, ask } = await linksBetween('one', null);
  const asking = ask(1, 2);
  const cut = (): void => {
    links.cut('node-1', 'node-2');
    timer = setImmediate(cut);
  };
  let timer = setImmediate(cut);
  await expect(asking).rejects.toThrow(DependencyError);
  clearImmediate(timer);
});

test('a relay forwards to its target port, except while it is shut', async () => {
  const relay = await TcpRelay.start();
  closers.push(() => relay.close());
  relay.targetPort = await serverSaying('the chain');
  const ask = async (): Promise<string> => (await fetch(`${relay.url}/x`)).text();
  expect(await ask()).toBe('the chain /x');
  relay.shut();
  expect(relay.isOpen).toBe(false);
  await expect(ask()).rejects.toThrow('fetch failed');
  relay.open();
  expect(await ask()).toBe('the chain /x');
});
