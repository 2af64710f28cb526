/** An app that uses the cluster: its keys, its client, and its registration as an instance of an app other than the KMS. */
import { createKmsClient, type KmsClient } from '../client/kms-client.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { systemRandom } from '../system/system.ts';
import { KMS_APP_ID, type DevChain } from './dev-chain.ts';

const PRIVATE_KEY_BYTES = 32;
const TEE_SCALAR_BYTES = 48;
/** The registry requires a URL. Nothing connects to an app, so any URL will do. */
const APP_URL = 'http://127.0.0.1:9';

export interface DevAppOptions {
  readonly appId: number;
  readonly envelope?: 'enclaver' | 'capsule';
  /** Default: true. */
  readonly register?: boolean;
}

/** Keys in hex, for processes that act as this app. */
export interface DevAppKeys {
  readonly privateKey: string;
  readonly teeScalar: string;
  readonly envelope: 'enclaver' | 'capsule';
}

export class DevApp {
  readonly appId: number;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly client: KmsClient;
  readonly keys: DevAppKeys;

  private constructor(
    appId: number,
    identity: { readonly wallet: Wallet; readonly teePubkey: TeePubkey },
    client: KmsClient,
    keys: DevAppKeys,
  ) {
    this.appId = appId;
    this.wallet = identity.wallet;
    this.teePubkey = identity.teePubkey;
    this.client = client;
    this.keys = keys;
  }

  /** No output may contain this value, and tests check that none does. */
  get secretHex(): string {
    return this.keys.privateKey;
  }

  static async register(options: DevAppOptions, modules: { readonly chain: DevChain }): Promise<DevApp> {
    const { chain } = modules;
    const keys: DevAppKeys = {
      privateKey: drawHex(PRIVATE_KEY_BYTES),
      teeScalar: drawHex(TEE_SCALAR_BYTES),
      envelope: options.envelope ?? 'capsule',
    };
    const client = createKmsClient({
      registry: chain.novaAppRegistry,
      appId: KMS_APP_ID,
      chain: { rpcUrl: chain.url },
      identity: keys,
      inEnclave: false,
      nodesTtlMs: 5_000,
    });
    const identity = await client.identity();
    if (options.register !== false) {
      await chain.createApp(options.appId);
      await chain.register({ ...identity, appId: options.appId, url: APP_URL });
    }
    return new DevApp(options.appId, identity, client, keys);
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

/** In very rare cases, the bytes are not a valid key for their curve. The client then reports an error. */
function drawHex(bytes: number): string {
  return Buffer.from(systemRandom.bytes(bytes)).toString('hex');
}
