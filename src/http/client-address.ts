/**
 * Who counts as one client (protocol.md §8): the socket's address, or what a trusted proxy says. Behind the platform's way
 * in every client has a loopback address: they are one client together, at ten times the figure.
 */
import ipaddr from 'ipaddr.js';

const SHARED_FACTOR = 10;

export interface CountedClient {
  readonly key: string;
  readonly factor: number;
}

export function countedClient(address: string, trustsProxies: boolean): CountedClient {
  const plain = ipaddr.isValid(address) ? ipaddr.process(address) : null;
  if (!trustsProxies && plain?.range() === 'loopback') return { key: 'loopback', factor: SHARED_FACTOR };
  return { key: plain?.toString() ?? address, factor: 1 };
}
