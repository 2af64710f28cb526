/**
 * Restricts where an enclave may connect (protocol.md §10, Where a node connects): never to loopback, link-local or unspecified addresses,
 * nor to the metadata services of clouds. A name may resolve to a different address the second time, so the guard checks the address of the
 * connection itself, after name resolution.
 */
import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';

/** Timeout of a connection attempt. Milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

const FORBIDDEN_RANGES: readonly string[] = ['loopback', 'linkLocal', 'unspecified'];

/** Addresses of cloud metadata services outside the link-local range. These services hand out a machine's credentials. */
const METADATA_SERVICES: ReadonlySet<string> = new Set([
  // In this order: AWS and GCP (both over IPv6), Alibaba, Oracle, Azure.
  'fd00:ec2::254',
  'fd20:ce::254',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
]);

export class ForbiddenTargetError extends Error {
  constructor() {
    super('the target is a loopback or link-local address, or a metadata service');
    this.name = 'ForbiddenTargetError';
  }
}

const TRANSLATED_RANGES: readonly string[] = ['ipv4Mapped', 'rfc6145', 'rfc6052'];

/** The IPv4 address inside an IPv4-mapped, IPv4-translated, IPv4-compatible or 6to4 address; null for any other IPv6 address. */
function embeddedIPv4(address: ipaddr.IPv6): ipaddr.IPv4 | null {
  const bytes = address.toByteArray();
  if (address.range() === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6));
  const isCompatible = bytes.slice(0, 12).every((byte) => byte === 0);
  return isCompatible || TRANSLATED_RANGES.includes(address.range()) ? new ipaddr.IPv4(bytes.slice(12)) : null;
}

/** If an IPv6 address embeds an IPv4 address, both addresses are checked. */
export function isForbiddenTarget(address: string): boolean {
  if (!ipaddr.isValid(address)) return true;
  const parsed = ipaddr.parse(address);
  const inner = parsed instanceof ipaddr.IPv6 ? embeddedIPv4(parsed) : null;
  return [parsed, inner].some(
    (each) => each !== null && (FORBIDDEN_RANGES.includes(each.range()) || METADATA_SERVICES.has(each.toString())),
  );
}

const guardedLookup: LookupFunction = (hostname, options: LookupOptions, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    const allowed = error === null ? addresses.filter(({ address }) => !isForbiddenTarget(address)) : [];
    const [first] = allowed;
    if (first === undefined) callback(error ?? new ForbiddenTargetError(), '', 0);
    else if (options.all === true) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};

/** Opens connections for undici. @param guarded whether to refuse addresses that an enclave must not reach */
export function createConnector(guarded: boolean): buildConnector.connector {
  if (!guarded) return buildConnector({ timeout: CONNECT_TIMEOUT_MS });
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardedLookup });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && isForbiddenTarget(host)) callback(new ForbiddenTargetError(), null);
    else connect(options, callback);
  };
}
