/** The configuration (protocol.md §8): default, bounds and alias of each variable. All problems are reported together, without secrets. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readConfig, type Environment } from '../../../src/config/read-config.ts';
import { SETTINGS, type Config } from '../../../src/config/settings.ts';

const DEVELOPMENT = { IN_ENCLAVE: 'false' };
const ORDER = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141';

function configOf(environment: Environment): Config {
  const read = readConfig(environment);
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.config;
}

function problemsOf(environment: Environment): readonly string[] {
  const read = readConfig(environment);
  return read.ok ? [] : read.problems;
}

function effectiveOf(environment: Environment): Readonly<Record<string, string>> {
  const read = readConfig(environment);
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.effective;
}

describe('without any variable,', () => {
  test.each<[keyof Config, unknown]>([
    ['inEnclave', true],
    ['logLevel', 'INFO'],
    ['bindAddress', { host: '0.0.0.0', port: 8000 }],
    ['nodeUrl', 'http://127.0.0.1:18545'],
    ['instanceUrl', ''],
    ['nodeWallet', undefined],
    ['nodePrivateKey', undefined],
    ['odynUrl', 'http://127.0.0.1:18000'],
    ['novaAppRegistry', '0x0f68e6e699f2e972998a1ecc000c7ce103e64cc8'],
    ['kmsRegistry', '0x6a28d24c9aecdcec9b021ee6960fdde592796af7'],
    ['kmsAppId', 49],
    ['nodeTickMs', 60_000],
    ['dataSyncIntervalMs', 10_000],
    ['peerCacheTtlMs', 180_000],
    ['registryCacheTtlMs', 180_000],
    ['peerBlacklistMs', 600_000],
    ['chainConfirmations', 6],
    ['trustedProxies', []],
    ['popTimeoutSeconds', 120],
    ['maxKvValueBytes', 1_048_576],
    ['maxRequestBodyBytes', 4_194_304],
    ['maxSyncPayloadBytes', 52_428_800],
    ['maxClockSkewMs', 15_000],
    ['maxStoreBytes', 536_870_912],
    ['rateLimitPerMinute', 120],
    ['nonceRateLimitPerMinute', 30],
    ['metricsTokenHash', undefined],
    ['metricsPort', undefined],
    ['visualizerPort', undefined],
    ['visualizerInEnclave', false],
    ['visualizerCommandToken', undefined],
    ['masterSecret', undefined],
    ['httpProxy', undefined],
    ['httpsProxy', undefined],
    ['noProxy', ''],
  ])('%s is %j', (name, value) => {
    expect(configOf({})[name]).toEqual(value);
  });

  test('the configuration is the same as when every variable is empty', () => {
    const empty = Object.fromEntries(Object.values(SETTINGS).map(({ variable }) => [variable, '']));
    expect(configOf(empty)).toEqual(configOf({}));
  });
});

describe('a variable', () => {
  test.each<[string, string, keyof Config, unknown]>([
    ['METRICS_TOKEN_SHA256', 'AB'.repeat(32), 'metricsTokenHash', new Uint8Array(32).fill(0xab)],
    ['METRICS_PORT', '0', 'metricsPort', 0],
    ['IN_ENCLAVE', 'FALSE', 'inEnclave', false],
    ['IN_ENCLAVE', '1', 'inEnclave', true],
    ['LOG_LEVEL', 'warn', 'logLevel', 'WARNING'],
    ['LOG_LEVEL', 'debug', 'logLevel', 'DEBUG'],
    ['BIND_ADDR', '127.0.0.1:0', 'bindAddress', { host: '127.0.0.1', port: 0 }],
    ['BIND_ADDR', '[::1]:65535', 'bindAddress', { host: '::1', port: 65_535 }],
    // The trailing slash stays, because for some servers it is part of the address.
    ['NODE_URL', 'https://rpc.test/v1/', 'nodeUrl', 'https://rpc.test/v1/'],
    ['ODYN_URL', 'http://127.0.0.1:18000/', 'odynUrl', 'http://127.0.0.1:18000'],
    ['CHAIN_ID', '84532', 'chainId', 84_532],
    ['CLAIM_MAX_TIP_GWEI', '1', 'claimMaxTipGwei', 1],
    ['NODE_INSTANCE_URL', 'https://node.test', 'instanceUrl', 'https://node.test'],
    ['KMS_APP_ID', '9007199254740991', 'kmsAppId', 2 ** 53 - 1],
    ['KMS_REGISTRY_ADDRESS', `0x${'AB'.repeat(20)}`, 'kmsRegistry', `0x${'ab'.repeat(20)}`],
    ['KMS_NODE_TICK_SECONDS', '1', 'nodeTickMs', 1_000],
    ['DATA_SYNC_INTERVAL_SECONDS', '0.25', 'dataSyncIntervalMs', 250],
    ['REGISTRY_CACHE_TTL_SECONDS', '0', 'registryCacheTtlMs', 0],
    ['CHAIN_CONFIRMATIONS', '0', 'chainConfirmations', 0],
    ['RATE_LIMIT_PER_MINUTE', '0', 'rateLimitPerMinute', 0],
    ['NONCE_RATE_LIMIT_PER_MINUTE', '0', 'nonceRateLimitPerMinute', 0],
    ['MAX_INFLIGHT_BYTES', '1048576', 'maxInflightBytes', 1_048_576],
    ['AUDIT_TOKEN_SHA256', 'AB'.repeat(32), 'auditTokenHash', new Uint8Array(32).fill(0xab)],
    ['TRUSTED_PROXIES', ' 10.0.0.0/8, ::1 ,fd00::/8,', 'trustedProxies', ['10.0.0.0/8', '::1', 'fd00::/8']],
    ['HTTP_PROXY', 'proxy.test:3128', 'httpProxy', 'http://proxy.test:3128'],
  ])('is converted to the type of its setting: %s=%s', (variable, text, name, value) => {
    expect(configOf({ ...DEVELOPMENT, [variable]: text })[name]).toEqual(value);
  });

  test.each<[string, string, string, string, keyof Config]>([
    ['NODE_URL', 'http://first.test', 'HELIOS_RPC_URL', 'http://second.test', 'nodeUrl'],
    ['HTTP_PROXY', 'http://first.test', 'http_proxy', 'http://second.test', 'httpProxy'],
    ['HTTPS_PROXY', 'http://first.test', 'https_proxy', 'http://second.test', 'httpsProxy'],
    ['NO_PROXY', 'first.test', 'no_proxy', 'second.test', 'noProxy'],
  ])('(%s) takes precedence over its alias, which is used only when the variable itself is unset or empty', (variable, first, alias, second, name) => {
    expect(configOf({ [variable]: first, [alias]: second })[name]).toBe(first);
    expect(configOf({ [alias]: second })[name]).toBe(second);
    expect(configOf({ [variable]: '', [alias]: second })[name]).toBe(second);
    expect(problemsOf(variable === 'NO_PROXY' ? {} : { [alias]: '//' }).every((line) => line.startsWith(`${alias} `))).toBe(true);
  });

  test.each<[string, readonly string[]]>([
    ['IN_ENCLAVE', ['yes', 'f', '2']],
    ['LOG_LEVEL', ['TRACE', 'LOUD']],
    ['BIND_ADDR', ['8000', ':8000', 'host', 'host:65536', 'host:-1', '::1:8000', 'a b:1']],
    ['NODE_URL', ['rpc.test', 'ftp://rpc.test', 'http://', 'ws://rpc.test', 'https://user:100%@rpc.test', 'https://%ff@rpc.test', 'https://%c3:%a9@rpc.test']],
    ['ODYN_URL', ['127.0.0.1:18000', 'unix:/socket']],
    ['NODE_INSTANCE_URL', ['node.test', 'https://user:word@node.test', 'https://user@node.test']],
    ['NODE_WALLET', ['0x12', 'me']],
    ['NODE_PRIVATE_KEY', ['12', 'zz'.repeat(32), '00'.repeat(32), 'ff'.repeat(32), ORDER, `0x${ORDER}`]],
    ['NOVA_APP_REGISTRY_ADDRESS', ['0x12', '0x']],
    ['KMS_REGISTRY_ADDRESS', [`0x${'zz'.repeat(20)}`]],
    ['KMS_APP_ID', ['0', '-1', '1.5', '9007199254740992', '0x10', 'x', ' ', '1e3']],
    ['KMS_NODE_TICK_SECONDS', ['0', '0.5', '86401', '-1', '1e2', 'NaN', 'Infinity']],
    ['DATA_SYNC_INTERVAL_SECONDS', ['0', '0.01', '86401']],
    ['PEER_CACHE_TTL_SECONDS', ['0', 'x']],
    ['REGISTRY_CACHE_TTL_SECONDS', ['-1', '86401']],
    ['PEER_BLACKLIST_DURATION_SECONDS', ['-1', '86401']],
    ['MAX_KV_VALUE_SIZE_BYTES', ['0', '16777217']],
    ['MAX_STORE_BYTES', ['0', '1.5']],
    ['CHAIN_CONFIRMATIONS', ['-1', '10001']],
    ['CHAIN_ID', ['0', '-1', '0x1', 'base']],
    ['AUDIT_TOKEN_SHA256', ['ab', 'zz'.repeat(32), `0x${'ab'.repeat(32)}`]],
    ['CLAIM_MAX_TIP_GWEI', ['0', '0.5', '1000001']],
    ['TRUSTED_PROXIES', ['everybody', '10.0.0.1;10.0.0.2', '999.1.1.1', '10.0.0.0/33', '10.0.0.0/0', '::/0', '::/129', '10.0.0.0/8/8', '010.0.0.1', '1']],
    ['POP_TIMEOUT_SECONDS', ['0', '3601', '1.5']],
    ['MAX_REQUEST_BODY_BYTES', ['1023', '67108865']],
    ['MAX_SYNC_PAYLOAD_BYTES', ['1023', '1073741825']],
    ['MAX_CLOCK_SKEW_MS', ['-1', '86400001']],
    ['RATE_LIMIT_PER_MINUTE', ['-1', '1000001']],
    ['NONCE_RATE_LIMIT_PER_MINUTE', ['-1', '1000001']],
    ['MASTER_SECRET_HEX', ['12', 'zz'.repeat(32), '00'.repeat(31), '00'.repeat(33)]],
    ['HTTP_PROXY', ['ftp://proxy.test', 'http://', 'user:100%@proxy.test:3128', 'http://proxy.test/path', 'http://proxy.test?query', 'proxy.test:3128#part']],
    ['HTTPS_PROXY', ['socks5://proxy.test']],
    ['NO_PROXY', ['10.0.0.0/33', 'http://inside.test', 'a b c/d']],
  ])('(%s) with an invalid value is reported as one problem, in one line that begins with the name of the variable', (variable, texts) => {
    for (const text of texts) {
      const problems = problemsOf({ ...DEVELOPMENT, [variable]: text });
      expect({ text, problems }).toEqual({ text, problems: [expect.stringMatching(new RegExp(`^${variable} must [^\\n]+$`))] });
    }
  });

  test('with an arbitrary value is accepted or reported as a problem, but never causes an exception', () => {
    const variables = Object.values(SETTINGS).map(({ variable }) => variable);
    const environment = fc.dictionary(fc.constantFrom(...variables), fc.oneof(fc.string(), fc.webUrl(), fc.integer().map(String)));
    fc.assert(
      fc.property(environment, (given) => {
        for (const problem of problemsOf(given)) expect(problem).toMatch(/^[A-Z0-9_]+ [^\n]+$/);
      }),
    );
  });
});

describe('problems', () => {
  test('are all reported together, one line each', () => {
    const problems = problemsOf({ KMS_APP_ID: 'x', LOG_LEVEL: 'x', HELIOS_RPC_URL: 'x', NODE_PRIVATE_KEY: '11'.repeat(32), NODE_WALLET: `0x${'ab'.repeat(20)}` });
    expect(problems.map((line) => line.split(' ', 1)[0]).sort()).toEqual(['HELIOS_RPC_URL', 'KMS_APP_ID', 'LOG_LEVEL', 'NODE_PRIVATE_KEY', 'NODE_WALLET']);
  });

  test.each([
    ['NODE_PRIVATE_KEY', '11'.repeat(32)],
    ['NODE_WALLET', `0x${'ab'.repeat(20)}`],
    ['MASTER_SECRET_HEX', '11'.repeat(32)],
  ])('include %s unless IN_ENCLAVE is false, because the environment of an enclave is public', (variable, value) => {
    for (const strict of [{}, { IN_ENCLAVE: 'true' }]) {
      expect(problemsOf({ ...strict, [variable]: value })).toEqual([`${variable} is for development: it needs IN_ENCLAVE=false`]);
    }
    expect(problemsOf({ ...DEVELOPMENT, [variable]: value })).toEqual([]);
  });

  test.each([
    ['NODE_OPTIONS', '--inspect=0.0.0.0:9229'],
    ['NODE_DEBUG', 'stream'],
    ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ])('include %s unless IN_ENCLAVE is false, because this variable can weaken the protection of the node', (variable, value) => {
    expect(problemsOf({ [variable]: value })).toEqual([`${variable} is for development: it needs IN_ENCLAVE=false`]);
    expect(problemsOf({ [variable]: '' })).toEqual([]);
    expect(problemsOf({ ...DEVELOPMENT, [variable]: value })).toEqual([]);
  });

  test('never contain the value of a variable', () => {
    const value = 'deadbeefdeadbeef';
    const environment = Object.fromEntries(Object.values(SETTINGS).map(({ variable }) => [variable, `${value}\n@`]));
    expect(problemsOf(environment).length).toBeGreaterThan(20);
    for (const problem of problemsOf(environment)) expect(problem).not.toContain(value);
  });
});

describe('the effective configuration', () => {
  test('lists every variable', () => {
    expect(Object.keys(effectiveOf({})).sort()).toEqual(Object.values(SETTINGS).map(({ variable }) => variable).sort());
  });

  test('shows secrets only as set or unset', () => {
    expect(effectiveOf(DEVELOPMENT)).toMatchObject({ MASTER_SECRET_HEX: 'unset', NODE_PRIVATE_KEY: 'unset' });
    const shown = effectiveOf({ ...DEVELOPMENT, MASTER_SECRET_HEX: 'ab'.repeat(32), NODE_PRIVATE_KEY: '11'.repeat(32) });
    expect(shown).toMatchObject({ MASTER_SECRET_HEX: 'set', NODE_PRIVATE_KEY: 'set' });
    expect(JSON.stringify(shown)).not.toMatch(/abab|1111/);
  });

  test.each<[string, string, string]>([
    ['NODE_URL', 'https://user:word@rpc.test/v1', 'https://***@rpc.test/***'],
    ['NODE_URL', 'https://user:w@rd@rpc.test/v1', 'https://***@rpc.test/***'],
    ['NODE_URL', 'https:user:word@rpc.test', 'https://***@rpc.test'],
    ['NODE_URL', 'https:\\\\user:word@rpc.test', 'https://***@rpc.test'],
    ['NODE_URL', 'https:/rpc.test/v2/word', 'https://rpc.test/***'],
    ['NODE_URL', 'https:rpc.test/v2/word', 'https://rpc.test/***'],
    ['NODE_URL', 'https:\\\\rpc.test\\v2\\word', 'https://rpc.test/***'],
    ['NODE_URL', 'https:user:word@rpc.test/v2/word', 'https://***@rpc.test/***'],
    ['NODE_URL', 'http://127.0.0.1:18545', 'http://127.0.0.1:18545'],
    ['NODE_URL', 'https://rpc.test/v1?apikey=word', 'https://rpc.test/***'],
    ['ODYN_URL', 'http://user:word@127.0.0.1:18000', 'http://***@127.0.0.1:18000'],
    ['HTTP_PROXY', 'user:word@proxy.test:3128', '***@proxy.test:3128'],
    ['HTTPS_PROXY', 'http://user:word@proxy.test:3128', 'http://***@proxy.test:3128'],
    ['NODE_URL', 'https://rpc.test/v1', 'https://rpc.test/***'],
  ])('shows %s=%s without credentials', (variable, text, shown) => {
    expect(effectiveOf({ [variable]: text })[variable]).toBe(shown);
  });

  test('hides credentials only in its output: the connection still uses them', () => {
    expect(configOf({ NODE_URL: 'https://user:word@rpc.test/v1' }).nodeUrl).toBe('https://user:word@rpc.test/v1');
  });
});

describe('the metrics', () => {
  const token = { METRICS_TOKEN_SHA256: 'ab'.repeat(32) };
  const taken = 'METRICS_PORT is the port of BIND_ADDR or VISUALIZER_PORT: set a different port';

  test.each<[string, Environment, readonly string[]]>([
    ['are allowed in an enclave', { ...token, METRICS_PORT: '9090' }, []],
    ['need the hash of the token, not the token itself', { METRICS_TOKEN_SHA256: 'a-token-of-enough-letters' }, ['METRICS_TOKEN_SHA256 must be a SHA-256 hash in hex (64 digits)']],
    ['need a hash of the full length', { METRICS_TOKEN_SHA256: 'ab'.repeat(31) }, ['METRICS_TOKEN_SHA256 must be a SHA-256 hash in hex (64 digits)']],
    ['need a port that differs from the port of the node', { METRICS_PORT: '8000' }, [taken]],
    ['need a port that differs from the port of the visualiser', { ...DEVELOPMENT, METRICS_PORT: '9000', VISUALIZER_PORT: '9000' }, [taken]],
    ['have no port conflict when both ports are 0', { METRICS_PORT: '0', BIND_ADDR: '127.0.0.1:0' }, []],
  ])('%s', (_, environment, problems) => {
    expect(problemsOf(environment)).toEqual(problems);
  });
});

describe('the visualiser', () => {
  const refusal = 'VISUALIZER_PORT is for development: it needs IN_ENCLAVE=false, or VISUALIZER_IN_ENCLAVE=true';
  const token = 'a-token-of-enough-letters';

  test.each<[string, Environment, readonly string[]]>([
    ['is refused when IN_ENCLAVE is not set, because its default is true', { VISUALIZER_PORT: '9000' }, [refusal]],
    ['is refused when IN_ENCLAVE is true', { VISUALIZER_PORT: '9000', IN_ENCLAVE: 'true' }, [refusal]],
    ['is allowed in an enclave when VISUALIZER_IN_ENCLAVE is true', { VISUALIZER_PORT: '9000', VISUALIZER_IN_ENCLAVE: 'true' }, []],
    ['is allowed outside an enclave', { ...DEVELOPMENT, VISUALIZER_PORT: '9000' }, []],
    ['needs a port that differs from the port of the node', { ...DEVELOPMENT, VISUALIZER_PORT: '8000' }, ['VISUALIZER_PORT is the port of BIND_ADDR: set a different port']],
    ['does not accept port 0', { ...DEVELOPMENT, VISUALIZER_PORT: '0' }, ['VISUALIZER_PORT must be a whole number from 1 to 65535']],
    ['accepts commands outside an enclave', { ...DEVELOPMENT, VISUALIZER_PORT: '9000', VISUALIZER_COMMAND_TOKEN: token }, []],
    [
      'does not accept commands in an enclave, regardless of the settings',
      { VISUALIZER_PORT: '9000', VISUALIZER_IN_ENCLAVE: 'true', VISUALIZER_COMMAND_TOKEN: token },
      ['VISUALIZER_COMMAND_TOKEN is for development: it needs IN_ENCLAVE=false'],
    ],
    ['does not accept a short token', { ...DEVELOPMENT, VISUALIZER_COMMAND_TOKEN: 'short' }, ['VISUALIZER_COMMAND_TOKEN must be 16 to 256 visible characters']],
  ])('%s', (_, environment, problems) => {
    expect(problemsOf(environment)).toEqual(problems);
  });

  test('does not show its token in the effective configuration', () => {
    expect(effectiveOf({ ...DEVELOPMENT, VISUALIZER_COMMAND_TOKEN: token })['VISUALIZER_COMMAND_TOKEN']).toBe('set');
  });
});
