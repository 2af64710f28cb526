/** One enclave of the cluster: an emulator in its own process, whose wallet stays the same over its boots. */
import { z } from 'zod';
import { parseTeePubkey, parseWallet, type TeePubkey, type Wallet } from '../domain/ids.ts';
import { systemRandom } from '../system/system.ts';
import type { CapturedOutput } from './captured-output.ts';
import { ManagedProcess } from './managed-process.ts';

const WALLET_KEY_BYTES = 32;
/** Time to the line that says where it listens. Milliseconds. */
const START_TIMEOUT_MS = 60_000;

export interface EmulatorOptions {
  readonly name: string;
  /** Of the platform. */
  readonly generation: 'capsule' | 'enclaver';
  /** Serve the route that injects failures. */
  readonly allowFaults: boolean;
}

const announcement = z.object({
  url: z.string(),
  wallet: z.string().transform((text) => parseWallet(text)!),
  tee_pubkey: z.string().transform((text) => parseTeePubkey(text)!),
});

/** In hex. */
function drawWalletKey(): string {
  return Buffer.from(systemRandom.bytes(WALLET_KEY_BYTES)).toString('hex');
}

export class EmulatorProcess {
  readonly #options: EmulatorOptions;
  readonly #output: CapturedOutput;
  #walletKey = drawWalletKey();
  #process: ManagedProcess | null = null;
  #announced: z.infer<typeof announcement> | null = null;

  constructor(options: EmulatorOptions, modules: { readonly output: CapturedOutput }) {
    this.#options = options;
    this.#output = modules.output;
  }

  /** Base URL; the same after another boot. */
  get url(): string {
    return this.#said().url;
  }

  get wallet(): Wallet {
    return this.#said().wallet;
  }

  /** Another one after every boot. */
  get teePubkey(): TeePubkey {
    return this.#said().tee_pubkey;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** What no output may hold: for the search for secrets in tests. */
  get secretHex(): string {
    return this.#walletKey;
  }

  /** @throws Error with one line */
  async start(): Promise<void> {
    const { name, generation, allowFaults } = this.#options;
    const port = this.#announced === null ? '0' : new URL(this.#announced.url).port;
    this.#process = new ManagedProcess({
      name,
      arguments: [
        ...['src/cli/nova-kms.ts', 'emulator'],
        ...['--port', port],
        ...['--generation', generation],
        ...(allowFaults ? ['--allow-faults'] : []),
        '--exit-with-parent',
      ],
      environment: { EMULATOR_PRIVATE_KEY: this.#walletKey },
      output: this.#output,
    });
    this.#announced = announcement.parse(JSON.parse(await this.#process.firstLine(START_TIMEOUT_MS)));
  }

  /** Boots again: a fresh P-384 key, and an empty memory of nonces. @param freshWallet a fresh wallet too: another instance */
  async boot(freshWallet: boolean): Promise<void> {
    await this.stop();
    if (freshWallet) this.#walletKey = drawWalletKey();
    await this.start();
  }

  /**
   * Lets a route of the enclave API fail: `fail` answers 500, `close` closes the connection, `garbage` answers nonsense, `hang` nothing at all, `none` ends it.
   * @param route such as `/v1/eth/sign`; `*` for all
   * @param times calls it lasts; until `none` when absent
   */
  async setFault(route: string, kind: 'fail' | 'close' | 'garbage' | 'hang' | 'none', times?: number): Promise<void> {
    const answer = await fetch(`${this.url}/emulator/fault`, { method: 'POST', body: JSON.stringify({ route, kind, times }) });
    if (!answer.ok) throw new Error('the emulator takes no faults: start the cluster with allowFaults');
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  #said(): z.infer<typeof announcement> {
    if (this.#announced === null) throw new Error(`${this.#options.name} has not been started`);
    return this.#announced;
  }
}
