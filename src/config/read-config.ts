/** Reads the configuration from an environment: all of it or all that is wrong with it. */
import { SETTINGS, type Config } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly effective: EffectiveConfig }
  /** One line per variable. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** What is in force, safe to show: secrets are `set` or `unset`. */
export type EffectiveConfig = Readonly<Record<string, string>>;

function rulesAcross(config: Config): string[] {
  const problems: string[] = [];
  if (config.inEnclave && config.nodePrivateKey !== undefined) {
    problems.push('NODE_PRIVATE_KEY is for development: it needs IN_ENCLAVE=false');
  }
  if (config.inEnclave && config.nodeWallet !== undefined) {
    problems.push('NODE_WALLET is for development: it needs IN_ENCLAVE=false');
  }
  return problems;
}

/** An empty variable counts as unset, so that a launcher can pass all of them through. */
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
  if (problems.length > 0) return { ok: false, problems };
  const config = values as unknown as Config;
  const across = rulesAcross(config);
  return across.length > 0 ? { ok: false, problems: across } : { ok: true, config, effective: withoutCredentials(effective) };
}

/** URLs may carry credentials; they are not for logs. */
function withoutCredentials(effective: Record<string, string>): EffectiveConfig {
  return Object.fromEntries(
    Object.entries(effective).map(([variable, text]) => [variable, text.replace(/\/\/[^/@\s]+@/, '//***@')]),
  );
}
