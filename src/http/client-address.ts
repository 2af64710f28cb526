/**
 * What counts as one client (protocol.md §8): the socket's address, or the address that a trusted proxy reports. Behind the platform's TCP
 * proxy, every client has a loopback address, so all of them count as one client with ten times the limit. An IPv6 host may use any
 * address of a /64, so a /64 counts as one client.
 */
import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

export const SHARED_FACTOR = 10;
/** Maximum number of remembered addresses. Parsing an address costs more than the rest of a small request. */
const MAX_REMEMBERED = 1_000;
/** Maximum length of a remembered address. Characters. */
const MAX_ADDRESS_CHARS = 64;

export interface CountedClient {
  readonly key: string;
  readonly factor: number;
}

/** An address followed by a port, as some proxies write it. */
const WITH_PORT = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/;

export function countedClient(text: string, trustsProxies: boolean): CountedClient {
  const simple = simpleClient(text);
  if (simple !== null) return simple;
  const [, six, four] = WITH_PORT.exec(text) ?? [];
  const address = six ?? four ?? text;
  // All strings that are not addresses count as one client. Otherwise each request could count as a different client.
  if (!ipaddr.isValid(address)) return { key: 'unknown', factor: 1 };
  const plain = ipaddr.process(address);
  if (!trustsProxies && plain.range() === 'loopback') return { key: 'loopback', factor: SHARED_FACTOR };
  return { key: plain.kind() === 'ipv6' ? networkOf(plain as ipaddr.IPv6) : plain.toString(), factor: 1 };
}

/** Most addresses are plain IPv4 and need no parsing. */
function simpleClient(text: string): CountedClient | null {
  return isIPv4(text) && !text.startsWith('127.') ? { key: text, factor: 1 } : null;
}

/** The /64 of an address: its first half. */
function networkOf({ parts }: ipaddr.IPv6): string {
  return `${parts.slice(0, 4).map((part) => part.toString(16)).join(':')}::/64`;
}

/** Whether many clients share this address, so that they cannot be told apart. */
export function isShared({ factor }: CountedClient): boolean {
  return factor > 1;
}

/**
 * Decides like `trusts`, but remembers the addresses that it has accepted. Requests come through a few proxies, so the same addresses are
 * checked often.
 * @param trusts Express's function for its setting `trust proxy`
 */
export function rememberingTrust(trusts: (address: string, hop: number) => boolean): (address: string, hop: number) => boolean {
  const known = new LRUCache<string, boolean>({ max: MAX_REMEMBERED });
  return (address, hop) => {
    // The key leaves out `hop`, because the place of an address in the header does not matter, only whether it is in the list of proxies.
    const remembered = known.get(address);
    if (remembered !== undefined) return remembered;
    const trusted = trusts(address, hop);
    // Untrusted addresses belong to clients. If they were remembered too, many clients would push the proxies out of the cache.
    if (trusted && address.length <= MAX_ADDRESS_CHARS) known.set(address, trusted);
    return trusted;
  };
}

/** Remembers the results of `countedClient`. */
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
