/**
 * A member in the test process that speaks the real protocol with real keys, answer signatures and envelopes, and lies only about the
 * master secret (protocol.md §5, §9.1, §9.21). The production code makes the answers. The lie is inserted where the enclave would seal or
 * sign.
 */
import { randomBytes } from 'node:crypto';
import { generateP384 } from '../../../src/crypto/p384.ts';
import { sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { signEip191 } from '../../../src/crypto/signature.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { Member } from '../../../src/domain/membership.ts';
import type { Enclave, SealedText } from '../../../src/domain/ports.ts';
import { systemClock, systemRandom } from '../../../src/system/system.ts';
import { startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { freshKeys } from './fresh-keys.ts';

export type Lie =
  | 'the wrong secret'
  /** The right 32 bytes, followed by one more byte. */
  | 'a secret that is one byte too long'
  | 'a message that is not valid JSON'
  | 'an envelope that does not open'
  /** A new envelope with the content of the liar's first answer. */
  | 'the content of its first answer'
  /** The exact bytes of the liar's first answer. */
  | 'the envelope of its first answer'
  | 'a signature by the wrong wallet';

interface SecretRequest {
  readonly type: string;
  readonly ecdh_pubkey?: string;
  readonly request_id?: string;
}

export interface LyingPeerOptions {
  readonly lie: Lie;
  /** The cluster's secret in hex. It is used only for the lie `a secret that is one byte too long`. */
  readonly rightSecret: string;
}

export class LyingPeer {
  readonly url: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly #node: NodeOverHttp;
  readonly #told: () => number;

  private constructor(node: NodeOverHttp, told: () => number) {
    this.#node = node;
    this.#told = told;
    this.url = node.url;
    this.wallet = node.identity.wallet;
    this.teePubkey = node.identity.teePubkey;
  }

  static async start({ lie, rightSecret }: LyingPeerOptions): Promise<LyingPeer> {
    const { walletKey, teeScalar } = freshKeys();
    let told = 0;
    const enclave = (real: Enclave): Enclave =>
      lyingEnclave(real, { lie, rightSecret }, () => {
        told += 1;
      });
    const secret = randomBytes(32).toString('hex');
    const node = await startNodeOverHttp({ nowMs: systemClock.nowMs(), walletKey, teeScalar, secret, enclave });
    return new LyingPeer(node, () => told);
  }

  /** The number of requests for the secret that the liar has answered. */
  get told(): number {
    return this.#told();
  }

  /** Tells the liar who the members are. */
  know(members: readonly Member[]): void {
    this.#node.peerCache.update({ block: 1n, members, dropped: [] });
  }

  async close(): Promise<void> {
    await this.#node.close();
  }
}

function lyingEnclave(real: Enclave, { lie, rightSecret }: LyingPeerOptions, onTold: () => void): Enclave {
  const requests = new Map<string, SecretRequest>();
  let firstText: string | null = null;
  let firstEnvelope: SealedText | null = null;

  const sealLie = async (text: string, request: SecretRequest, receiver: TeePubkey): Promise<SealedText> => {
    switch (lie) {
      case 'the wrong secret':
      case 'a signature by the wrong wallet':
        return real.encrypt(text, receiver);
      case 'a secret that is one byte too long': {
        const long = Buffer.concat([Buffer.from(rightSecret, 'hex'), Buffer.of(7)]);
        const sealed = sealSecret(generateP384(systemRandom), request.ecdh_pubkey!, randomBytes(12), long);
        return real.encrypt(JSON.stringify({ ...(JSON.parse(text) as object), sealed }), receiver);
      }
      case 'a message that is not valid JSON':
        return real.encrypt('{"status":"ok","sealed":', receiver);
      case 'an envelope that does not open':
        return { ...(await real.encrypt(text, receiver)), encryptedData: randomBytes(300).toString('hex') };
      case 'the content of its first answer':
        firstText ??= text;
        return real.encrypt(firstText, receiver);
      case 'the envelope of its first answer':
        firstEnvelope ??= await real.encrypt(text, receiver);
        return firstEnvelope;
    }
  };

  return {
    address: (signal) => real.address(signal),
    publicKey: (signal) => real.publicKey(signal),
    random: (signal) => real.random(signal),
    signTransaction: (transaction, signal) => real.signTransaction(transaction, signal),
    sign: async (message, signal) =>
      lie === 'a signature by the wrong wallet'
        ? signEip191(Buffer.from(freshKeys().walletKey, 'hex'), message)
        : real.sign(message, signal),
    decrypt: async (sealed, signal) => {
      const text = await real.decrypt(sealed, signal);
      const request = JSON.parse(text) as SecretRequest;
      if (request.request_id !== undefined) requests.set(request.request_id, request);
      return text;
    },
    encrypt: async (plaintext, receiver) => {
      const text = String(plaintext);
      const { request_id: id } = JSON.parse(text) as { request_id?: string };
      const request = id === undefined ? undefined : requests.get(id);
      if (request?.type !== 'master_secret_request') return real.encrypt(text, receiver);
      const sealed = await sealLie(text, request, receiver);
      onTold();
      return sealed;
    },
  };
}
