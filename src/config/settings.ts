/**
 * The configuration table (protocol.md §8; §7 for the proxies), including the settings of the visualiser: one row per variable, read once
 * at start. Every variable here must have an effect. Each error names its variable, and all errors are reported together.
 */
import {
  addressList,
  bindAddress,
  boolean,
  bytes32,
  httpUrl,
  httpUrlAsGiven,
  integer,
  logLevel,
  privateKey,
  proxyUrl,
  publicUrl,
  seconds,
  sha256Hex,
  noProxy,
  token,
  wallet,
  type Read,
} from './readers.ts';

interface Setting<T> {
  readonly variable: string;
  /** A second name of the variable, which is read if the first is unset. */
  readonly alias?: string;
  /** The string that is used if the variable is unset. If this is undefined, the setting of an unset variable is undefined too. */
  readonly fallback: string | undefined;
  /** If true, the value is shown only as `set` or `unset`. */
  readonly secret: boolean;
  readonly read: Read<T>;
}

function setting<T>(variable: string, fallback: string, read: Read<T>, alias?: string): Setting<T> {
  return { variable, fallback, read, secret: false, ...(alias === undefined ? {} : { alias }) };
}

function optional<T>(variable: string, read: Read<T>, secret = false): Setting<T | undefined> {
  return { variable, fallback: undefined, read, secret };
}

const DAY_SECONDS = 86_400;
const GIB = 1024 ** 3;

export const SETTINGS = {
  // Identity and address of this node.
  inEnclave: setting('IN_ENCLAVE', 'true', boolean),
  logLevel: setting('LOG_LEVEL', 'INFO', logLevel),
  bindAddress: setting('BIND_ADDR', '0.0.0.0:8000', bindAddress),
  instanceUrl: setting('NODE_INSTANCE_URL', '', publicUrl),
  nodeWallet: optional('NODE_WALLET', wallet),
  nodePrivateKey: optional('NODE_PRIVATE_KEY', privateKey, true),
  // The chain, and the enclave API.
  nodeUrl: setting('NODE_URL', 'http://127.0.0.1:18545', httpUrlAsGiven, 'HELIOS_RPC_URL'),
  odynUrl: setting('ODYN_URL', 'http://127.0.0.1:18000', httpUrl),
  novaAppRegistry: setting('NOVA_APP_REGISTRY_ADDRESS', '0x0f68E6e699f2E972998a1EcC000c7ce103E64cc8', wallet),
  kmsRegistry: setting('KMS_REGISTRY_ADDRESS', '0x6a28D24c9AEcdceC9B021ee6960FdDE592796af7', wallet),
  kmsAppId: setting('KMS_APP_ID', '49', integer(1, Number.MAX_SAFE_INTEGER)),
  chainId: optional('CHAIN_ID', integer(1, Number.MAX_SAFE_INTEGER)),
  chainConfirmations: setting('CHAIN_CONFIRMATIONS', '6', integer(0, 10_000)),
  chainMaxAgeMs: setting('CHAIN_MAX_AGE_SECONDS', '120', seconds(0, 86_400)),
  chainOutageMs: setting('CHAIN_OUTAGE_SECONDS', '900', seconds(0, 604_800)),
  claimMaxTipGwei: setting('CLAIM_MAX_TIP_GWEI', '50', integer(1, 1_000_000)),
  // How often the jobs run, and how long their results are used.
  nodeTickMs: setting('KMS_NODE_TICK_SECONDS', '60', seconds(1, DAY_SECONDS)),
  dataSyncIntervalMs: setting('DATA_SYNC_INTERVAL_SECONDS', '10', seconds(0.1, DAY_SECONDS)),
  peerCacheTtlMs: setting('PEER_CACHE_TTL_SECONDS', '180', seconds(1, DAY_SECONDS)),
  registryCacheTtlMs: setting('REGISTRY_CACHE_TTL_SECONDS', '180', seconds(0, DAY_SECONDS)),
  peerBlacklistMs: setting('PEER_BLACKLIST_DURATION_SECONDS', '600', seconds(0, DAY_SECONDS)),
  // The store and its replication.
  maxAppStorageBytes: setting('MAX_APP_STORAGE_BYTES', '10485760', integer(1, 1024 * GIB)),
  maxKvValueBytes: setting('MAX_KV_VALUE_SIZE_BYTES', '1048576', integer(1, 16 * 1024 * 1024)),
  tombstoneRetentionMs: setting('TOMBSTONE_RETENTION_MS', '86400000', integer(1_000, 366 * DAY_SECONDS * 1000)),
  maxTombstonesPerApp: setting('MAX_TOMBSTONES_PER_APP', '10000', integer(1, 10_000_000)),
  maxStoreBytes: setting('MAX_STORE_BYTES', '536870912', integer(1, 1024 * GIB)),
  maxApps: setting('MAX_APPS', '20000', integer(1, 10_000_000)),
  dataSyncNudgeMs: setting('DATA_SYNC_NUDGE_MS', '50', integer(0, 60_000)),
  // Requests.
  trustedProxies: setting('TRUSTED_PROXIES', '', addressList),
  popTimeoutSeconds: setting('POP_TIMEOUT_SECONDS', '120', integer(1, 3_600)),
  maxRequestBodyBytes: setting('MAX_REQUEST_BODY_BYTES', '4194304', integer(1_024, 64 * 1024 * 1024)),
  maxSyncPayloadBytes: setting('MAX_SYNC_PAYLOAD_BYTES', '52428800', integer(1_024, GIB)),
  maxClockSkewMs: setting('MAX_CLOCK_SKEW_MS', '15000', integer(0, DAY_SECONDS * 1000)),
  rateLimitPerMinute: setting('RATE_LIMIT_PER_MINUTE', '120', integer(0, 1_000_000)),
  maxInflightBytes: setting('MAX_INFLIGHT_BYTES', '67108864', integer(1_048_576, 64 * GIB)),
  nonceRateLimitPerMinute: setting('NONCE_RATE_LIMIT_PER_MINUTE', '30', integer(0, 1_000_000)),
  // Audit and metrics, for operators.
  auditTokenHash: optional('AUDIT_TOKEN_SHA256', sha256Hex),
  metricsTokenHash: optional('METRICS_TOKEN_SHA256', sha256Hex),
  metricsPort: optional('METRICS_PORT', integer(0, 65_535)),
  // The visualiser.
  visualizerPort: optional('VISUALIZER_PORT', integer(1, 65_535)),
  visualizerInEnclave: setting('VISUALIZER_IN_ENCLAVE', 'false', boolean),
  visualizerCommandToken: optional('VISUALIZER_COMMAND_TOKEN', token, true),
  // Development, and the platform's proxies.
  masterSecret: optional('MASTER_SECRET_HEX', bytes32, true),
  httpProxy: { ...optional('HTTP_PROXY', proxyUrl), alias: 'http_proxy' },
  httpsProxy: { ...optional('HTTPS_PROXY', proxyUrl), alias: 'https_proxy' },
  noProxy: { ...setting('NO_PROXY', '', noProxy), alias: 'no_proxy' },
} satisfies Record<string, Setting<unknown>>;

export type Config = { readonly [Name in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Name]['read']> };
