/** Reads the configuration from an environment: returns either all settings or all problems. */
import { ENCLAVE_BODY_BYTES } from '../domain/limits.ts';
import { SETTINGS, type Config } from './settings.ts';

/** Space in an HTTP body for everything except the value: keys, clocks, ids and the envelope. */
const BODY_OVERHEAD_BYTES = 16 * 1024;

/**
 * Settings that are refused in an enclave. The environment of an enclave is public, measured and the same on every node, so it must not
 * contain a secret or anything that differs between nodes (protocol.md §8).
 */
const DEVELOPMENT_ONLY = ['nodePrivateKey', 'nodeWallet', 'masterSecret', 'visualizerCommandToken'] as const satisfies readonly (keyof Config)[];

/**
 * Variables of Node that are refused in an enclave, because they can open a debugger, load code, print the data of connections, or turn off
 * the verification of certificates.
 */
const NODE_VARIABLES = ['NODE_OPTIONS', 'NODE_DEBUG', 'NODE_TLS_REJECT_UNAUTHORIZED'] as const;

export type Environment = Readonly<Record<string, string | undefined>>;

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly effective: EffectiveConfig }
  /** One line per problem. The line begins with the variable. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** The settings that are used, in a form that is safe to show: secrets appear only as `set` or `unset`. */
export type EffectiveConfig = Readonly<Record<string, string>>;

/** Checks the rules that involve several variables. Variables with an invalid value are skipped. */
function rulesAcross(config: Partial<Config>, environment: Environment): string[] {
  const problems: string[] = [];
  if (config.inEnclave === true) {
    const settings = DEVELOPMENT_ONLY.filter((name) => config[name] !== undefined).map((name) => SETTINGS[name].variable);
    const ofNode = NODE_VARIABLES.filter((variable) => (environment[variable] ?? '') !== '');
    for (const variable of [...settings, ...ofNode]) problems.push(`${variable} is for development: it needs IN_ENCLAVE=false`);
  }
  if (config.inEnclave === true && config.visualizerPort !== undefined && config.visualizerInEnclave !== true) {
    problems.push('VISUALIZER_PORT is for development: it needs IN_ENCLAVE=false, or VISUALIZER_IN_ENCLAVE=true');
  }
  if (config.visualizerPort !== undefined && config.visualizerPort === config.bindAddress?.port) {
    problems.push('VISUALIZER_PORT is the port of BIND_ADDR: set a different port');
  }
  if (config.metricsPort !== undefined && config.metricsPort !== 0 && [config.bindAddress?.port, config.visualizerPort].includes(config.metricsPort)) {
    problems.push('METRICS_PORT is the port of BIND_ADDR or VISUALIZER_PORT: set a different port');
  }
  const { maxKvValueBytes, maxRequestBodyBytes, maxSyncPayloadBytes } = config;
  if (maxKvValueBytes !== undefined) {
    // A value that the API accepts must fit into every body on its way to the other nodes (protocol.md §9.6).
    const inSync = 4 * maxKvValueBytes + BODY_OVERHEAD_BYTES;
    if (inSync > ENCLAVE_BODY_BYTES) problems.push(`MAX_KV_VALUE_SIZE_BYTES is too large for the enclave API: four times its value must fit into a body of ${ENCLAVE_BODY_BYTES} bytes`);
    if (maxSyncPayloadBytes !== undefined && inSync > maxSyncPayloadBytes) problems.push('MAX_SYNC_PAYLOAD_BYTES must have room for four times MAX_KV_VALUE_SIZE_BYTES, or the largest values never replicate');
    if (maxRequestBodyBytes !== undefined && (8 * maxKvValueBytes) / 3 + BODY_OVERHEAD_BYTES > maxRequestBodyBytes) problems.push('MAX_REQUEST_BODY_BYTES must have room for eight thirds of MAX_KV_VALUE_SIZE_BYTES, the size of the largest value in its envelope');
  }
  return problems;
}

/** The environment without the variables of Node itself, for a command that does not run on the machine of the node. */
export function withoutNodeVariables(environment: Environment): Environment {
  return { ...environment, ...Object.fromEntries(NODE_VARIABLES.map((variable) => [variable, undefined])) };
}

/** An empty variable is treated as unset, so that a launcher can pass all variables through. */
export function readConfig(environment: Environment): ConfigResult {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const effective: Record<string, string> = {};
  for (const [name, row] of Object.entries(SETTINGS)) {
    const { variable, fallback, secret, read } = row;
    const alias = 'alias' in row ? row.alias : undefined;
    const given = [variable, alias].find((key) => key !== undefined && (environment[key] ?? '') !== '');
    const text = given === undefined ? fallback : environment[given]?.trim();
    effective[variable] = secret ? (given === undefined ? 'unset' : 'set') : (text ?? 'unset');
    if (text === undefined) continue;
    try {
      values[name] = read(text);
    } catch (error) {
      problems.push(`${given ?? variable} ${error instanceof Error ? error.message : 'cannot be read'}`);
    }
  }
  const config = values as unknown as Config;
  problems.push(...rulesAcross(config, environment));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config, effective: withoutCredentials(effective) };
}

/** Hides credentials from logs. A URL may contain them before an @, in the query, or, for hosted RPCs, in the path. */
function withoutCredentials(effective: Record<string, string>): EffectiveConfig {
  return Object.fromEntries(
    Object.entries(effective).map(([variable, text]) => [
      variable,
      variable === SETTINGS.nodeUrl.variable
        ? hostOf(text)
        : // Hides everything before the last @ except `http://` or `https://`, which the address of a proxy may lack.
          text.replace(/^(https?:\/\/)?.*@/is, '$1***@').replace(/\?.*$/s, '?***'),
    ]),
  );
}

/** The URL with only its scheme and host. It is parsed, because a pattern that expects `//` before a password would miss one in `http:user:pw@host`. */
function hostOf(text: string): string {
  if (!URL.canParse(text)) return '***';
  const { protocol, username, password, host, pathname, search, hash } = new URL(text);
  const login = username === '' && password === '' ? '' : '***@';
  return `${protocol}//${login}${host}${pathname + search + hash === '/' ? '' : '/***'}`;
}
