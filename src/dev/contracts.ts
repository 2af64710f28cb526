/** Compiles this project's Solidity with solc, and caches the result under node_modules. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import type { Abi, Hex } from 'viem';

const ROOT = join(import.meta.dirname, '..', '..');
/** The optimizer is off: it would make the first start slower, and gas costs nothing on a development chain. */
const SETTINGS = { evmVersion: 'cancun', outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } };
const SOURCES = ['KMSRegistry.sol', 'DevNovaAppRegistry.sol'];

export interface CompiledContract {
  readonly abi: Abi;
  readonly bytecode: Hex;
}

export type ContractName = 'KMSRegistry' | 'DevNovaAppRegistry';
export type CompiledContracts = Readonly<Record<ContractName, CompiledContract>>;

interface SolcOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts: Record<string, Record<string, { abi: Abi; evm: { bytecode: { object: string } } }>>;
}

interface Solc {
  version(): string;
  compile(input: string): string;
}

/** @throws Error with the compiler's messages */
export function compileContracts(): CompiledContracts {
  const texts = SOURCES.map((name) => readFileSync(join(ROOT, 'contracts', name), 'utf8'));
  const require = createRequire(import.meta.url);
  const { version } = require('solc/package.json') as { version: string };
  const key = createHash('sha256').update(JSON.stringify([version, SETTINGS, texts])).digest('hex').slice(0, 32);
  const folder = join(ROOT, 'node_modules', '.cache', 'nova-kms');
  const file = join(folder, `contracts-${key}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as CompiledContracts;
  const compiled = compile(require('solc') as Solc, texts);
  mkdirSync(folder, { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(compiled));
  renameSync(draft, file);
  return compiled;
}

function compile(solc: Solc, texts: readonly string[]): CompiledContracts {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(SOURCES.map((name, index) => [name, { content: texts[index] }])),
    settings: SETTINGS,
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as SolcOutput;
  const failures = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (failures.length > 0) throw new Error(failures.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const contract = (source: string, name: ContractName): CompiledContract => {
    const found = output.contracts[source]![name]!;
    return { abi: found.abi, bytecode: `0x${found.evm.bytecode.object}` };
  };
  return {
    KMSRegistry: contract('KMSRegistry.sol', 'KMSRegistry'),
    DevNovaAppRegistry: contract('DevNovaAppRegistry.sol', 'DevNovaAppRegistry'),
  };
}
