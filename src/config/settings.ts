/**
 * The configuration table (protocol.md §8, proxies §7, and the visualiser's own): one row per variable, read once at start.
 * Every variable here is enforced; a variable that nothing enforces does not exist. A failure names its variable, and all
 * failures come at once.
 */
import { isIP } from 'node:net';
import { parseWallet, type Wallet } from '../domain/ids.ts';

/** Reads a variable's text; throws with the rest of the sentence `VARIABLE ...`. */
type Read<T> = (text: string) => T;

interface Setting<T> {
  readonly variable: string;
  /** Another name that is read when the first is unset. */
  readonly alias?: string;
  /** Text used when it is unset; undefined: the setting stays undefined. */
  readonly fallback: string | undefined;
  /** Shown as set or unset only. */
  readonly secret: boolean;
  readonly read: Read<T>;
}

function setting<T>(variable: string, fallback: string, read: Read<T>, alias?: string): Setting<T> {
  return { variable, fallback, read, secret: false, ...(alias === undefined ? {} : { alias }) };
}

function optional<T>(variable: string, read: Read<T>, secret = false): Setting<T | undefined> {
  return { variable, fallback: undefined, read, secret };
}

const boolean: Read<boolean> = (text) => {
  const lower = text.toLowerCase();
  if (lower === 'true' || lower === '1') return true;
  if (lower === 'false' || lower === '0') return false;
  throw new Error('must be true or false');
};

/** @param scale what one unit of the variable is in the unit of the result */
function integer(min: number, max: number, scale = 1): Read<number> {
  return (text) => {
    if (!/^\d{1,16}$/.test(text)) throw new Error(`must be a whole number from ${min} to ${max}`);
    const value = Number(text);
    if (value < min || value > max) throw new Error(`must be a whole number from ${min} to ${max}`);
    return value * scale;
  };
}

function seconds(min: number, max: number): Read<number> {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}(\.\d{1,3})?$/.test(text) || value < min || value > max) {
      throw new Error(`must be a number of seconds from ${min} to ${max}`);
    }
    return Math.round(value * 1000);
  };
}

const wallet: Read<Wallet> = (text) => {
  const parsed = parseWallet(text);
  if (parsed === null) throw new Error('must be an address: 0x and 40 hex digits');
  return parsed;
};

function httpUrl(text: string): string {
  return httpUrlAsGiven(text).replace(/\/+$/, '');
}

/** With the slash at its end, where it has one: to some servers that is another address. */
function httpUrlAsGiven(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw new Error('must be an http or https URL');
  }
  return text;
}

const proxyUrl: Read<string | undefined> = (text) => (text === '' ? undefined : httpUrl(text.includes('://') ? text : `http://${text}`));

const bytes32: Read<Uint8Array> = (text) => {
  const bare = text.startsWith('0x') ? text.slice(2) : text;
  if (!/^[0-9a-fA-F]{64}$/.test(bare)) throw new Error('must be 32 bytes in hex');
  return Uint8Array.from(Buffer.from(bare, 'hex'));
};

/** The order of secp256k1's group: a private key is below it and not zero. */
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const privateKey: Read<Uint8Array> = (text) => {
  const bytes = bytes32(text);
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  if (value === 0n || value >= SECP256K1_ORDER) throw new Error('must be a secp256k1 private key');
  return bytes;
};

const token: Read<string> = (text) => {
  if (!/^[\x21-\x7e]{16,256}$/.test(text)) throw new Error('must be 16 to 256 visible characters');
  return text;
};

const logLevel: Read<string> = (text) => {
  const upper = text.toUpperCase() === 'WARN' ? 'WARNING' : text.toUpperCase();
  if (!['DEBUG', 'INFO', 'WARNING', 'ERROR'].includes(upper)) throw new Error('must be DEBUG, INFO, WARNING or ERROR');
  return upper;
};

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

const bindAddress: Read<BindAddress> = (text) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error('must be HOST:PORT or [IPv6]:PORT');
  return { host: (match[1] ?? match[2])!, port };
};

/** An address, or a range of them; not all of them, which would believe everybody. */
function isAddressOrRange(entry: string): boolean {
  const [address = '', bits, ...rest] = entry.split('/');
  const kind = isIP(address);
  if (kind === 0 || address.includes('%') || rest.length > 0) return false;
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (kind === 4 ? 32 : 128));
}

const addressList: Read<readonly string[]> = (text) => {
  const entries = text.split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
  for (const entry of entries) {
    if (!isAddressOrRange(entry)) throw new Error('must be IP addresses or ranges, separated by commas');
  }
  return entries;
};

const text: Read<string> = (value) => value;

/** Everybody sees it in `/status`. */
const publicUrl: Read<string> = (value) => {
  if (value === '') return '';
  const url = httpUrl(value);
  const { username, password } = new URL(url);
  if (username !== '' || password !== '') throw new Error('must carry no credentials');
  return url;
};

const DAY_SECONDS = 86_400;
const GIB = 1024 ** 3;

export const SETTINGS = {
  inEnclave: setting('IN_ENCLAVE', 'true', boolean),
  logLevel: setting('LOG_LEVEL', 'INFO', logLevel),
  bindAddress: setting('BIND_ADDR', '0.0.0.0:8000', bindAddress),
  nodeUrl: setting('NODE_URL', 'http://127.0.0.1:18545', httpUrlAsGiven, 'HELIOS_RPC_URL'),
  instanceUrl: setting('NODE_INSTANCE_URL', '', publicUrl),
  nodeWallet: optional('NODE_WALLET', wallet),
  nodePrivateKey: optional('NODE_PRIVATE_KEY', privateKey, true),
  odynUrl: setting('ODYN_URL', 'http://127.0.0.1:18000', httpUrl),
  novaAppRegistry: setting('NOVA_APP_REGISTRY_ADDRESS', '0x0f68E6e699f2E972998a1EcC000c7ce103E64cc8', wallet),
  kmsRegistry: setting('KMS_REGISTRY_ADDRESS', '0x6a28D24c9AEcdceC9B021ee6960FdDE592796af7', wallet),
  kmsAppId: setting('KMS_APP_ID', '49', integer(1, Number.MAX_SAFE_INTEGER)),
  nodeTickMs: setting('KMS_NODE_TICK_SECONDS', '60', seconds(1, DAY_SECONDS)),
  dataSyncIntervalMs: setting('DATA_SYNC_INTERVAL_SECONDS', '10', seconds(0.1, DAY_SECONDS)),
  peerCacheTtlMs: setting('PEER_CACHE_TTL_SECONDS', '180', seconds(1, DAY_SECONDS)),
  registryCacheTtlMs: setting('REGISTRY_CACHE_TTL_SECONDS', '180', seconds(0, DAY_SECONDS)),
  peerBlacklistMs: setting('PEER_BLACKLIST_DURATION_SECONDS', '600', seconds(0, DAY_SECONDS)),
  maxAppStorageBytes: setting('MAX_APP_STORAGE_BYTES', '10485760', integer(1, 1024 * GIB)),
  maxKvValueBytes: setting('MAX_KV_VALUE_SIZE_BYTES', '1048576', integer(1, 16 * 1024 * 1024)),
  tombstoneRetentionMs: setting('TOMBSTONE_RETENTION_MS', '86400000', integer(1_000, 366 * DAY_SECONDS * 1000)),
  maxTombstonesPerApp: setting('MAX_TOMBSTONES_PER_APP', '10000', integer(1, 10_000_000)),
  maxStoreBytes: setting('MAX_STORE_BYTES', '536870912', integer(1, 1024 * GIB)),
  maxApps: setting('MAX_APPS', '20000', integer(1, 10_000_000)),
  dataSyncNudgeMs: setting('DATA_SYNC_NUDGE_MS', '50', integer(0, 60_000)),
  chainId: optional('CHAIN_ID', integer(1, Number.MAX_SAFE_INTEGER)),
  claimMaxTipGwei: setting('CLAIM_MAX_TIP_GWEI', '50', integer(1, 1_000_000)),
  chainConfirmations: setting('CHAIN_CONFIRMATIONS', '6', integer(0, 10_000)),
  trustedProxies: setting('TRUSTED_PROXIES', '', addressList),
  popTimeoutSeconds: setting('POP_TIMEOUT_SECONDS', '120', integer(1, 3_600)),
  maxRequestBodyBytes: setting('MAX_REQUEST_BODY_BYTES', '4194304', integer(1_024, 64 * 1024 * 1024)),
  maxSyncPayloadBytes: setting('MAX_SYNC_PAYLOAD_BYTES', '52428800', integer(1_024, GIB)),
  maxClockSkewMs: setting('MAX_CLOCK_SKEW_MS', '15000', integer(0, DAY_SECONDS * 1000)),
  rateLimitPerMinute: setting('RATE_LIMIT_PER_MINUTE', '120', integer(0, 1_000_000)),
  nonceRateLimitPerMinute: setting('NONCE_RATE_LIMIT_PER_MINUTE', '30', integer(0, 1_000_000)),
  visualizerPort: optional('VISUALIZER_PORT', integer(1, 65_535)),
  visualizerInEnclave: setting('VISUALIZER_IN_ENCLAVE', 'false', boolean),
  visualizerCommandToken: optional('VISUALIZER_COMMAND_TOKEN', token, true),
  masterSecret: optional('MASTER_SECRET_HEX', bytes32, true),
  httpProxy: { ...optional('HTTP_PROXY', proxyUrl), alias: 'http_proxy' },
  httpsProxy: { ...optional('HTTPS_PROXY', proxyUrl), alias: 'https_proxy' },
  noProxy: { ...setting('NO_PROXY', '', text), alias: 'no_proxy' },
} satisfies Record<string, Setting<unknown>>;

export type Config = { readonly [Name in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Name]['read']> };
