/**
 * One caller that repeatedly asks a node for a large answer. It reads the answers but does not decrypt them, so that calls which are
 * measured at the same time wait for the node and not for this process.
 */
import process from 'node:process';
import type { LocalKeys } from '../src/client/options.ts';
import { appAuthMessage } from '../src/crypto/messages.ts';
import { signEip191 } from '../src/crypto/signature.ts';
import type { Wallet } from '../src/domain/ids.ts';

export interface BigAnswersOptions {
  /** The URL of the node. */
  readonly url: string;
  /** The wallet of the node. */
  readonly wallet: Wallet;
  readonly path: `/kms/${string}`;
  readonly keys: LocalKeys;
}

export class BigAnswers {
  /** Number of answers received. */
  count = 0;
  /** The size of the last answer. */
  bytes = 0;
  readonly #options: BigAnswersOptions;
  readonly #privateKey: Uint8Array;

  constructor(options: BigAnswersOptions) {
    this.#options = options;
    this.#privateKey = Uint8Array.from(Buffer.from(options.keys.privateKey as string, 'hex'));
  }

  /** Starts sending requests. @returns a function that stops the requests and waits for the last answer */
  readonly begin = (): (() => Promise<void>) => {
    let goesOn = true;
    const asking = (async () => {
      while (goesOn) await this.ask();
    })();
    asking.catch((error: unknown) => process.stderr.write(`a request for a large answer failed: ${String(error)}\n`));
    return async () => {
      goesOn = false;
      await asking;
    };
  };

  async ask(): Promise<void> {
    const { url, wallet, path } = this.#options;
    const { nonce } = (await (await fetch(`${url}/nonce`)).json()) as { nonce: string };
    const timestamp = String(Math.floor((performance.timeOrigin + performance.now()) / 1_000));
    const signature = signEip191(this.#privateKey, appAuthMessage(nonce, wallet, timestamp));
    const proof = { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp };
    const answer = await fetch(url + path, { headers: proof });
    const body = await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}`);
    this.count += 1;
    this.bytes = body.byteLength;
  }
}
