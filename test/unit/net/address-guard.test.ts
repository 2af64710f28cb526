/** Where an enclave may connect (protocol.md §10): never to itself, link-local addresses or metadata services, in any notation. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createConnector, ForbiddenTargetError, isForbiddenTarget } from '../../../src/net/address-guard.ts';

describe('an enclave may not connect to', () => {
  test.each([
    ['IPv4 loopback', '127.0.0.1'],
    ['the last address of the loopback network', '127.255.255.254'],
    ['a short form of loopback', '127.1'],
    ['the metadata service', '169.254.169.254'],
    ['the first link-local address', '169.254.0.0'],
    ['the last link-local address', '169.254.255.255'],
    ['the unspecified IPv4 address', '0.0.0.0'],
    ['the address just above the unspecified IPv4 address', '0.0.0.1'],
    ['IPv6 loopback', '::1'],
    ['IPv6 loopback in full notation', '0:0:0:0:0:0:0:1'],
    ['the unspecified IPv6 address', '::'],
    ['IPv6 link-local', 'fe80::1'],
    ['IPv6 link-local with a zone', 'fe80::1%eth0'],
    ['the last IPv6 link-local address', 'febf:ffff::1'],
    ['loopback mapped into IPv6', '::ffff:127.0.0.1'],
    ['loopback mapped into IPv6 in hex', '::ffff:7f00:1'],
    ['link-local mapped into IPv6', '::ffff:a9fe:a9fe'],
    ['the unspecified address mapped into IPv6', '::ffff:0.0.0.0'],
    ['loopback as an IPv4-compatible address', '::7f00:1'],
    ['loopback as an IPv4-translated address (RFC 6145)', '::ffff:0:7f00:1'],
    ['loopback behind NAT64', '64:ff9b::7f00:1'],
    ['link-local behind NAT64', '64:ff9b::a9fe:a9fe'],
    ['loopback behind 6to4', '2002:7f00:1::1'],
    ['the metadata service of AWS over IPv6', 'fd00:ec2::254'],
    ['the metadata service of AWS over IPv6 in full notation', 'fd00:0ec2:0:0:0:0:0:0254'],
    ['the metadata service of GCP over IPv6', 'fd20:ce::254'],
    ['the metadata service of Alibaba', '100.100.100.200'],
    ['the metadata service of Alibaba mapped into IPv6', '::ffff:100.100.100.200'],
    ['the metadata service of Oracle', '192.0.0.192'],
    ['the metadata service of Azure', '168.63.129.16'],
    ['a string that is not an address', 'localhost'],
    ['an empty string', ''],
  ])('%s', (_, address) => {
    expect(isForbiddenTarget(address)).toBe(true);
  });
});

describe('an enclave may connect to', () => {
  test.each([
    ['a public IPv4 address', '93.184.215.14'],
    ['a private network', '10.0.0.1'],
    ['the address just above the metadata service of Alibaba', '100.100.100.201'],
    ['the address just above the metadata service of AWS over IPv6', 'fd00:ec2::255'],
    ['the address just below the loopback network', '126.255.255.255'],
    ['the address just above the loopback network', '128.0.0.1'],
    ['the address just below the link-local network', '169.253.255.255'],
    ['a public IPv6 address', '2606:2800:21f:cb07::1'],
    ['a unique local IPv6 address', 'fd00::1'],
    ['a public address mapped into IPv6', '::ffff:93.184.215.14'],
    ['a public address behind NAT64', '64:ff9b::5db8:d70e'],
    ['a public address behind 6to4', '2002:5db8:d70e::1'],
  ])('%s', (_, address) => {
    expect(isForbiddenTarget(address)).toBe(false);
  });
});

describe('a connection', () => {
  let server: Server;
  let port: number;
  let connections = 0;

  beforeAll(async () => {
    server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });

  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  function connect(hostname: string, guarded: boolean): Promise<Error | null> {
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    const options = { hostname, host: hostname, protocol: 'http:', port: String(port) };
    createConnector(guarded)(options, (error, socket) => {
      socket?.destroy();
      resolve(error);
    });
    return promise;
  }

  test.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'localhost', 'LOCALHOST', '0.0.0.0', '127.1'])(
    'to %s is refused before a packet is sent',
    async (hostname) => {
      const before = connections;
      expect(await connect(hostname, true)).toBeInstanceOf(ForbiddenTargetError);
      expect(connections).toBe(before);
    },
  );

  test('to loopback is allowed outside an enclave', async () => {
    expect(await connect('127.0.0.1', false)).toBeNull();
  });
});
