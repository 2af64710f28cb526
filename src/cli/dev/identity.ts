/**
 * Writes the keys of the development cluster's app to a file, for commands in another terminal. Only the owner may read the file, and the
 * cluster removes it when the cluster ends. The keys are generated for this cluster and are worthless elsewhere.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import process from 'node:process';
import { CONFIRMATIONS } from '../../dev/cluster.ts';
import type { DevApp } from '../../dev/dev-app.ts';
import { KMS_APP_ID, type DevChain } from '../../dev/dev-chain.ts';
import { parseAppFile, type AppFile } from '../app/app-file.ts';

/** Timeout for a chain on this machine, which answers immediately if it is running. Milliseconds. */
const ANSWER_TIMEOUT_MS = 1_000;

async function chainAnswers(url: string): Promise<boolean> {
  const asked = { jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] };
  try {
    return (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(asked), signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

export class DevIdentity {
  readonly #path: string;
  readonly #answers: (chainUrl: string) => Promise<boolean>;
  #written: string | null = null;

  /** @param answers tells whether a chain is running at a URL */
  constructor(path: string, answers = chainAnswers) {
    this.#path = path;
    this.#answers = answers;
  }

  /** @returns null when the file was written; otherwise one line that says why it could not be written */
  async write(app: Pick<DevApp, 'keys'>, { chain }: { readonly chain: Pick<DevChain, 'url' | 'novaAppRegistry'> }): Promise<string | null> {
    const content: AppFile = {
      ...app.keys,
      chain: chain.url,
      registry: chain.novaAppRegistry,
      kmsAppId: KMS_APP_ID,
      inEnclave: false,
      confirmations: CONFIRMATIONS,
    };
    this.#written = `${JSON.stringify(content, null, 2)}\n`;
    const aside = `${this.#path}.${process.pid}`;
    if (await this.#isInUse()) return `${this.#path} belongs to a different cluster that is running: give a different --identity to act as the app of this cluster`;
    try {
      await writeFile(aside, this.#written, { mode: 0o600, flag: 'wx' });
      await rename(aside, this.#path);
      return null;
    } catch (error) {
      await rm(aside, { force: true });
      return `${this.#path} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown'}): give a different --identity to act as the app`;
    }
  }

  /** Whether the file belongs to a running cluster. A killed cluster leaves its file behind. */
  async #isInUse(): Promise<boolean> {
    const there = parseAppFile(await readFile(this.#path, 'utf8').catch(() => ''));
    return there?.chain !== undefined && this.#answers(there.chain);
  }

  /** Removes the file, unless another cluster has replaced it with its own file. */
  async remove(): Promise<void> {
    if (this.#written === null) return;
    const there = await readFile(this.#path, 'utf8').catch(() => null);
    if (there === this.#written) await rm(this.#path, { force: true });
  }
}
