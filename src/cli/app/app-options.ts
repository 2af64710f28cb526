/**
 * Reads an app's identity and the location of its cluster from options, a file and the environment. Every user of the machine can read the
 * arguments of a command, so keys come only from a file or a variable. No error contains a key.
 */
import { readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { Option, type Command } from 'commander';
import type { KmsClientOptions } from '../../client/options.ts';
import { readConfig, type Environment } from '../../config/read-config.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { urlOrWallet, wholeNumber } from '../option-values.ts';
import { PROXY_VARIABLES, proxyOf } from '../proxy.ts';
import { parseAppFile, type AppFile } from './app-file.ts';

export interface AppOptions {
  readonly identity?: string;
  readonly node?: string;
  readonly timeoutSeconds: number;
}

const DEFAULT_TIMEOUT_SECONDS = 30;
const MAX_TIMEOUT_SECONDS = 600;
/** Permission bits of the group and of all other users. */
const OTHERS = 0o077;

export const APP_HELP = `
The caller is the first of these that is set:
  --identity FILE, NOVA_KMS_IDENTITY_FILE
      JSON, readable only by its owner (chmod 600): privateKey and teeScalar in hex;
      also envelope, chain, registry, kmsAppId, inEnclave and confirmations where they
      differ from a node's defaults. npm start writes such a file for its cluster and
      prints its path.
  NOVA_KMS_PRIVATE_KEY, NOVA_KMS_TEE_SCALAR
      the two keys in hex
  ODYN_URL
      the enclave API of an app in an enclave
The file specifies the cluster. Without a file, NODE_URL, NOVA_APP_REGISTRY_ADDRESS,
KMS_APP_ID, IN_ENCLAVE and CHAIN_CONFIRMATIONS specify it, in the same way as for a node.`;

export function defineAppOptions(command: Command): Command {
  return command
    .addOption(new Option('--identity <file>', 'file with the keys of the caller and the location of the cluster').env('NOVA_KMS_IDENTITY_FILE'))
    .option('--node <url or wallet>', 'ask only this node', urlOrWallet)
    .option('--timeout-seconds <s>', 'time limit for all attempts together', wholeNumber(1, MAX_TIMEOUT_SECONDS), DEFAULT_TIMEOUT_SECONDS);
}

/** @throws CommandError with EXIT.usage */
export function clientOptionsOf({ identity: path, timeoutSeconds }: AppOptions, environment: Environment): KmsClientOptions {
  const file = path === undefined || path === '' ? null : readAppFile(path);
  const read = readConfig(clusterVariables(environment));
  if (!read.ok) throw new CommandError(read.problems[0]!, EXIT.usage);
  const { config } = read;
  return {
    registry: file?.registry ?? config.novaAppRegistry,
    appId: file?.kmsAppId ?? config.kmsAppId,
    chain: { rpcUrl: file?.chain ?? config.nodeUrl },
    identity: identityOf(file, environment),
    inEnclave: file?.inEnclave ?? config.inEnclave,
    confirmations: file?.confirmations ?? config.chainConfirmations,
    proxy: proxyOf(config),
    timeoutMs: timeoutSeconds * 1_000,
  };
}

function readAppFile(path: string): AppFile {
  let text: string;
  try {
    if (isForOthers(path)) throw new CommandError(`${path} contains keys, and other users may read it: run chmod 600 ${path}`, EXIT.usage);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, EXIT.usage);
  }
  const parsed = parseAppFile(text);
  if (parsed === null) throw new CommandError(`${path} is not an identity file: nova-kms derive --help describes its contents`, EXIT.usage);
  return parsed;
}

/** Whether other users may access the file. They cannot access a pipe. Windows has no permission bits, so the result is always false there. */
function isForOthers(path: string): boolean {
  const stats = statSync(path);
  return process.platform !== 'win32' && stats.isFile() && (stats.mode & OTHERS) !== 0;
}

function identityOf(file: AppFile | null, environment: Environment): KmsClientOptions['identity'] {
  if (file !== null) {
    const { privateKey, teeScalar, envelope } = file;
    return { privateKey, ...(teeScalar === undefined ? {} : { teeScalar }), ...(envelope === undefined ? {} : { envelope }) };
  }
  const privateKey = environment['NOVA_KMS_PRIVATE_KEY'] ?? '';
  if (privateKey !== '') {
    const teeScalar = environment['NOVA_KMS_TEE_SCALAR'] ?? '';
    return { privateKey, ...(teeScalar === '' ? {} : { teeScalar }) };
  }
  const odynUrl = environment['ODYN_URL'] ?? '';
  if (odynUrl !== '') return { odynUrl };
  throw new CommandError('no identity is given: pass --identity, or set NOVA_KMS_PRIVATE_KEY or ODYN_URL (npm start writes an identity file for its own app)', EXIT.usage);
}

/**
 * Keeps only the variables that select the cluster. Other variables may be set for a node on this machine, and must not make the command
 * fail.
 */
function clusterVariables(environment: Environment): Environment {
  return Object.fromEntries(CLUSTER_VARIABLES.map((name) => [name, environment[name]]));
}

const CLUSTER_VARIABLES = [
  ...['NODE_URL', 'HELIOS_RPC_URL', 'NOVA_APP_REGISTRY_ADDRESS', 'KMS_APP_ID', 'IN_ENCLAVE', 'CHAIN_CONFIRMATIONS'],
  ...PROXY_VARIABLES,
];
