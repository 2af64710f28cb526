/**
 * Who counts as one client (protocol.md §8): the socket's address, or what a trusted proxy says. Behind the platform's way
 * in every client has a loopback address: they are one client together, at ten times the figure. A host of IPv6 has a whole /64 to
 * choose its address from, which counts as one.
 */
import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

export const SHARED_FACTOR = 10;
/** Addresses whose client is remembered: to take one apart costs more than the rest of a small request. */
const MAX_REMEMBERED = 1_000;
/** Characters of an address that is remembered. */
const MAX_ADDRESS_CHARS = 64;

export interface CountedClient {
  readonly key: string;
  readonly factor: number;
}

/** With the port behind it that some proxies write. */
const WITH_PORT = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/;

export function countedClient(text: string, trustsProxies: boolean): CountedClient {
  const simple = simpleClient(text);
  if (simple !== null) return simple;
  const [, six, four] = WITH_PORT.exec(text) ?? [];
  const address = six ?? four ?? text;
  // Everything a proxy writes that is not an address counts as one client: it must not make each request another client.
  if (!ipaddr.isValid(address)) return { key: 'unknown', factor: 1 };
  const plain = ipaddr.process(address);
  if (!trustsProxies && plain.range() === 'loopback') return { key: 'loopback', factor: SHARED_FACTOR };
  return { key: plain.kind() === 'ipv6' ? networkOf(plain as ipaddr.IPv6) : plain.toString(), factor: 1 };
}

/** Most addresses are written in this form, and need not be taken apart. */
function simpleClient(text: string): CountedClient | null {
  return isIPv4(text) && !text.startsWith('127.') ? { key: text, factor: 1 } : null;
}

/** The first half of an address, a /64. */
function networkOf({ parts }: ipaddr.IPv6): string {
  return `${parts.slice(0, 4).map((part) => part.toString(16)).join(':')}::/64`;
}

/** Whether no client can be told from another there. */
export function isShared({ factor }: CountedClient): boolean {
  return factor > 1;
}

/** Whether a proxy's address is trusted, with a memory: few proxies send all requests. @param trusts what Express made of the setting */
export function rememberingTrust(trusts: (address: string, hop: number) => boolean): (address: string, hop: number) => boolean {
  const known = new LRUCache<string, boolean>({ max: MAX_REMEMBERED });
  return (address, hop) => {
    // No list of addresses depends on the place of one in the header.
    const remembered = known.get(address);
    if (remembered !== undefined) return remembered;
    const trusted = trusts(address, hop);
    // Others are never the same twice where many clients come.
    if (trusted && address.length <= MAX_ADDRESS_CHARS) known.set(address, trusted);
    return trusted;
  };
}

/** `countedClient` with a memory. */
export class ClientAddresses {
  readonly #trustsProxies: boolean;
  readonly #known = new LRUCache<string, CountedClient>({ max: MAX_REMEMBERED });

  constructor(trustsProxies: boolean) {
    this.#trustsProxies = trustsProxies;
  }

  clientOf(address: string): CountedClient {
    const known = simpleClient(address) ?? this.#known.get(address);
    if (known !== undefined) return known;
    const client = countedClient(address, this.#trustsProxies);
    if (address.length <= MAX_ADDRESS_CHARS) this.#known.set(address, client);
    return client;
  }
}
