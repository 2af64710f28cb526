/** An app beside the cluster: keys in this process, registered as an instance of an app of its own, and a client. */
import { createKmsClient, type KmsClient } from '../client/kms-client.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { systemRandom } from '../system/system.ts';
import { KMS_APP_ID, type DevChain } from './dev-chain.ts';

const PRIVATE_KEY_BYTES = 32;
/** Where an app instance listens is nobody's business here, but the registry wants a URL. */
const APP_URL = 'http://127.0.0.1:9';

export interface DevAppOptions {
  readonly appId: number;
  readonly envelope?: 'enclaver' | 'capsule';
  /** Default: true. */
  readonly register?: boolean;
}

export class DevApp {
  readonly appId: number;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly client: KmsClient;
  /** What no output may hold: for the search for secrets in tests. */
  readonly secretHex: string;

  private constructor(
    appId: number,
    identity: { readonly wallet: Wallet; readonly teePubkey: TeePubkey },
    client: KmsClient,
    secretHex: string,
  ) {
    this.appId = appId;
    this.wallet = identity.wallet;
    this.teePubkey = identity.teePubkey;
    this.client = client;
    this.secretHex = secretHex;
  }

  static async register(options: DevAppOptions, modules: { readonly chain: DevChain }): Promise<DevApp> {
    const { chain } = modules;
    const privateKey = Buffer.from(systemRandom.bytes(PRIVATE_KEY_BYTES)).toString('hex');
    const client = createKmsClient({
      registry: chain.novaAppRegistry,
      appId: KMS_APP_ID,
      chain: { rpcUrl: chain.url },
      identity: { privateKey, envelope: options.envelope ?? 'enclaver' },
      inEnclave: false,
      nodesTtlMs: 5_000,
    });
    const identity = await client.identity();
    if (options.register !== false) {
      await chain.createApp(options.appId);
      await chain.register({ ...identity, appId: options.appId, url: APP_URL });
    }
    return new DevApp(options.appId, identity, client, privateKey);
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}
