/** How the development cluster chooses its ports, tested with real sockets on 127.0.0.1. */
import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { choosePorts, freePort } from '../../../src/dev/listening-ports.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
}

test('the chosen ports are different and free', async () => {
  const ports = await choosePorts(20, 0);
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) await listen(port);
});

test('a chosen port is not chosen again immediately, even if it is still free', async () => {
  const [first, second] = [await freePort(), await freePort()];
  expect(second).not.toBe(first);
});

test('ports that browsers refuse or that the system uses for outgoing connections are never chosen', async () => {
  for (const port of await choosePorts(20, 0)) {
    expect(port).toBeGreaterThan(10_080);
    expect(port).toBeLessThan(32_768);
  }
});

test('if a base port is given, the chosen ports start at that port, and a port that is already in use is an error', async () => {
  const base = await freePort();
  expect(await choosePorts(1, base)).toEqual([base]);
  await listen(base);
  await expect(choosePorts(1, base)).rejects.toThrow(`port ${base} is in use: give a different --base-port`);
  await expect(choosePorts(3, 65_534)).rejects.toThrow('3 ports from 65534 go beyond 65535: give a lower --base-port');
});
