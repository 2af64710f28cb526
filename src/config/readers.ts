/**
 * Readers that turn the string of a variable into its value. For an invalid string, a reader throws an error. The message of the error
 * completes the sentence `VARIABLE ...`, such as `must be true or false`. It never contains the string itself, which may be a secret.
 */
import { isIP } from 'node:net';
import { hasReadableLogin } from '../domain/endpoint.ts';
import { parseWallet, type Wallet } from '../domain/ids.ts';
import { parseNoProxy } from '../domain/no-proxy.ts';
import { secretFromHex } from '../domain/secret-bytes.ts';

export type Read<T> = (text: string) => T;

export const boolean: Read<boolean> = (text) => {
  const lower = text.toLowerCase();
  if (lower === 'true' || lower === '1') return true;
  if (lower === 'false' || lower === '0') return false;
  throw new Error('must be true or false');
};

/** @param scale the number is multiplied by this factor, such as 1,000 to turn seconds into milliseconds */
export function integer(min: number, max: number, scale = 1): Read<number> {
  return (text) => {
    if (!/^\d{1,16}$/.test(text)) throw new Error(`must be a whole number from ${min} to ${max}`);
    const value = Number(text);
    if (value < min || value > max) throw new Error(`must be a whole number from ${min} to ${max}`);
    return value * scale;
  };
}

export function seconds(min: number, max: number): Read<number> {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}(\.\d{1,3})?$/.test(text) || value < min || value > max) {
      throw new Error(`must be a number of seconds from ${min} to ${max}`);
    }
    return Math.round(value * 1000);
  };
}

export const wallet: Read<Wallet> = (text) => {
  const parsed = parseWallet(text);
  if (parsed === null) throw new Error('must be an address: 0x and 40 hex digits');
  return parsed;
};

export function httpUrl(text: string): string {
  return httpUrlAsGiven(text).replace(/\/+$/, '');
}

/** Keeps a trailing slash, because for some servers the URL with the slash is a different address. */
export function httpUrlAsGiven(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw new Error('must be an http or https URL');
  }
  if (!hasReadableLogin(text)) throw new Error('must not contain a user name or password that is not percent-encoded');
  return text;
}

/** undici, which connects through the proxy, accepts only a URL without a path, query or fragment. With any other URL, the start would fail. */
export const proxyUrl: Read<string | undefined> = (text) => {
  if (text === '') return undefined;
  const url = httpUrl(text.includes('://') ? text : `http://${text}`);
  const { pathname, search, hash } = new URL(url);
  if (pathname + search + hash !== '/') throw new Error('must be a URL without a path, a query or a fragment');
  return url;
};

export const bytes32: Read<Uint8Array> = (text) => {
  const bare = text.startsWith('0x') ? text.slice(2) : text;
  if (!/^[0-9a-fA-F]{64}$/.test(bare)) throw new Error('must be 32 bytes in hex');
  return secretFromHex(bare);
};

/** The hash of a token is not secret; the token is. */
export const sha256Hex: Read<Uint8Array> = (text) => {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new Error('must be a SHA-256 hash in hex (64 digits)');
  return new Uint8Array(Buffer.from(text, 'hex'));
};

/** The order of secp256k1's group. A private key is less than the order, and not zero. */
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export const privateKey: Read<Uint8Array> = (text) => {
  const bytes = bytes32(text);
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  if (value === 0n || value >= SECP256K1_ORDER) throw new Error('must be a secp256k1 private key');
  return bytes;
};

export const token: Read<string> = (text) => {
  if (!/^[\x21-\x7e]{16,256}$/.test(text)) throw new Error('must be 16 to 256 visible characters');
  return text;
};

export const logLevel: Read<string> = (text) => {
  const upper = text.toUpperCase() === 'WARN' ? 'WARNING' : text.toUpperCase();
  if (!['DEBUG', 'INFO', 'WARNING', 'ERROR'].includes(upper)) throw new Error('must be DEBUG, INFO, WARNING or ERROR');
  return upper;
};

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export const bindAddress: Read<BindAddress> = (text) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error('must be HOST:PORT or [IPv6]:PORT');
  return { host: (match[1] ?? match[2])!, port };
};

/** Whether the entry is an IP address or a range. A range of all addresses is refused, because every client would then be a trusted proxy. */
function isAddressOrRange(entry: string): boolean {
  const [address = '', bits, ...rest] = entry.split('/');
  const kind = isIP(address);
  if (kind === 0 || address.includes('%') || rest.length > 0) return false;
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (kind === 4 ? 32 : 128));
}

export const addressList: Read<readonly string[]> = (text) => {
  const entries = text.split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
  for (const entry of entries) {
    if (!isAddressOrRange(entry)) throw new Error('must be IP addresses or ranges, separated by commas');
  }
  return entries;
};

/** Checks the string and returns it unchanged. The code that uses it parses it again. */
export const noProxy: Read<string> = (text) => {
  parseNoProxy(text);
  return text;
};

/** Reads a URL that must not contain credentials, because `/status` shows it to anyone. */
export const publicUrl: Read<string> = (value) => {
  if (value === '') return '';
  const url = httpUrl(value);
  const { username, password } = new URL(url);
  if (username !== '' || password !== '') throw new Error('must not contain credentials');
  return url;
};
