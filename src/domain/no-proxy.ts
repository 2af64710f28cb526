/**
 * `NO_PROXY` (protocol.md §7, §8): which hosts are reached directly. Entries have the same meaning as for curl and Go: names with their
 * subdomains, addresses and ranges, each with or without a port, and `*`. If an entry is not valid, the node reports it and does not
 * start.
 */
import { BlockList, isIP } from 'node:net';

export type NoProxy = (url: URL) => boolean;

interface Entry {
  matches(host: string): boolean;
  /** Null means any port. */
  readonly port: number | null;
}

const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** @throws Error whose message completes the sentence `NO_PROXY ...` and quotes the invalid entry */
export function parseNoProxy(text: string): NoProxy {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '').map(parseEntry);
  return (url) => {
    const host = bare(url.hostname.toLowerCase().replace(/\.$/, ''));
    const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
    return entries.some((entry) => (entry.port === null || entry.port === port) && entry.matches(host));
  };
}

function parseEntry(text: string): Entry {
  const { target, port } = splitPort(text);
  const matches = target === '*' ? (): boolean => true : (rangeOf(target) ?? nameOf(target));
  if (matches === null || (port !== null && !(port >= 1 && port <= 65_535))) {
    throw new Error(`must list names, addresses or ranges, but ${JSON.stringify(text.slice(0, 100))} is none of these`);
  }
  return { matches, port };
}

/** An IPv6 address without brackets contains colons, so it cannot have a port. */
function splitPort(text: string): { readonly target: string; readonly port: number | null } {
  const match = /^(\[[^\]]*\](?:\/\d+)?|[^:]*)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return { target: text.toLowerCase(), port: null };
  return { target: match[1]!.toLowerCase(), port: match[2] === undefined ? null : Number(match[2]) };
}

function bare(host: string): string {
  return host.replace(/^\[([^\]]*)\]/, '$1');
}

/** Returns a test that matches one address or a range of addresses; null if the target is neither. */
function rangeOf(target: string): ((host: string) => boolean) | null {
  const [address = '', bits, ...more] = bare(target).split('/');
  const kind = isIP(address);
  const isWhole = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (kind === 4 ? 32 : 128));
  if (kind === 0 || !isWhole || more.length > 0) return null;
  const list = new BlockList();
  const family = kind === 4 ? 'ipv4' : 'ipv6';
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
  return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}

/** A name matches itself and its subdomains. With a leading `.` or `*.` it matches only the subdomains. */
function nameOf(target: string): ((host: string) => boolean) | null {
  const name = target.replace(/^\*?\./, '').replace(/\.$/, '');
  // A string that looks like an address but is not valid is not a name either.
  if (name.length > 253 || !NAME.test(name) || /^[\d.]+$/.test(name)) return null;
  const isBelowOnly = name !== target.replace(/\.$/, '');
  return (host) => host.endsWith(`.${name}`) || (!isBelowOnly && host === name);
}
