/** One enclave of the cluster: an emulator in its own process. The enclave keeps its wallet when it reboots. */
import { z } from 'zod';
import { parseTeePubkey, parseWallet, type TeePubkey, type Wallet } from '../domain/ids.ts';
import { systemRandom } from '../system/system.ts';
import type { CapturedOutput } from './captured-output.ts';
import { ManagedProcess } from './managed-process.ts';

const WALLET_KEY_BYTES = 32;
/** How long an emulator may take to print the line that says where it listens. Milliseconds. */
const START_TIMEOUT_MS = 60_000;

export interface EmulatorOptions {
  readonly name: string;
  /** The generation of the platform that the enclave imitates. */
  readonly generation: 'capsule' | 'enclaver';
  /** Whether to serve the route that injects failures. */
  readonly allowFaults: boolean;
}

const announcement = z.object({
  url: z.string(),
  wallet: z.string().transform((text) => parseWallet(text)!),
  tee_pubkey: z.string().transform((text) => parseTeePubkey(text)!),
});

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

  /** Base URL. It stays the same after a reboot. */
  get url(): string {
    return this.#said().url;
  }

  get wallet(): Wallet {
    return this.#said().wallet;
  }

  /** The enclave's public key. Each boot draws a new key pair. */
  get teePubkey(): TeePubkey {
    return this.#said().tee_pubkey;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** No output may contain this value, and tests check that none does. */
  get secretHex(): string {
    return this.#walletKey;
  }

  /** @throws Error with a one-line message that says why the emulator did not start */
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

  /**
   * Reboots with a fresh P-384 key and no remembered nonces.
   * @param freshWallet whether to draw a new wallet too, so that the enclave is a new instance
   */
  async boot(freshWallet: boolean): Promise<void> {
    await this.stop();
    if (freshWallet) this.#walletKey = drawWalletKey();
    await this.start();
  }

  /**
   * Makes a route of the enclave API fail: `fail` answers 500, `close` closes the connection, `garbage` answers nonsense, `hang`
   * never answers, and `none` ends the fault.
   * @param route such as `/v1/eth/sign`; `*`: all routes
   * @param times number of calls that fail; absent: all calls until `none`
   */
  async setFault(route: string, kind: 'fail' | 'close' | 'garbage' | 'hang' | 'none', times?: number): Promise<void> {
    const answer = await fetch(`${this.url}/emulator/fault`, { method: 'POST', body: JSON.stringify({ route, kind, times }) });
    if (!answer.ok) throw new Error('the emulator does not accept faults: start the cluster with allowFaults');
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
