/**
 * The contracts on a development chain, and all calls that their owner or a developer may make. `npm start`, the end-to-end tests and
 * the benchmarks use them.
 */
import {
  createPublicClient,
  createTestClient,
  createWalletClient,
  http,
  parseEther,
  type Hex,
  TransactionReceiptNotFoundError,
  type PublicClient,
  type TestClient,
  type TransactionReceipt,
  type WalletClient,
} from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';
import type { Hash32, TeePubkey, Wallet } from '../domain/ids.ts';
import { compileContracts, type CompiledContracts, type ContractName } from './contracts.ts';
import { waitUntil } from './waiting.ts';

/** Anvil's well-known development mnemonic. */
const DEV_MNEMONIC = 'test test test test test test test test test test test junk';
/** The KMS app of protocol.md §8. */
export const KMS_APP_ID = 49;
export const KMS_VERSION_ID = 1;

/** How long a transaction may take to get into a block. Milliseconds. */
const MINED_TIMEOUT_MS = 60_000;
/** Pause between two checks for a receipt. Milliseconds. */
const LOOK_EVERY_MS = 50;

export const INSTANCE_STATUS = { ACTIVE: 0, STOPPED: 1, FAILED: 2 } as const;
export const VERSION_STATUS = { ENROLLED: 0, DEPRECATED: 1, REVOKED: 2 } as const;
export const APP_STATUS = { ACTIVE: 0, INACTIVE: 1, REVOKED: 2 } as const;

export interface Registration {
  readonly appId?: number;
  readonly versionId?: number;
  readonly url: string;
  readonly teePubkey: TeePubkey;
  readonly wallet: Wallet;
  readonly zkVerified?: boolean;
}

export class DevChain {
  readonly url: string;
  readonly client: PublicClient;
  readonly test: TestClient;
  readonly contracts: CompiledContracts;
  readonly #account = mnemonicToAccount(DEV_MNEMONIC);
  readonly #wallet: WalletClient;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #addresses: Readonly<Record<ContractName, Wallet>> | null = null;

  private constructor(url: string) {
    this.url = url;
    const transport = http(url, { retryCount: 2 });
    this.client = createPublicClient({ chain: foundry, transport, cacheTime: 0 });
    this.test = createTestClient({ chain: foundry, transport, mode: 'anvil' });
    this.#wallet = createWalletClient({ chain: foundry, transport, account: this.#account });
    this.contracts = compileContracts();
  }

  /** Deploys both contracts, and creates the KMS app with one enrolled version. */
  static async deploy(url: string): Promise<DevChain> {
    const chain = new DevChain(url);
    const registry = await chain.#deploy('DevNovaAppRegistry', []);
    const kms = await chain.#deploy('KMSRegistry', [chain.#account.address, registry]);
    chain.#addresses = { DevNovaAppRegistry: registry, KMSRegistry: kms };
    await chain.write('KMSRegistry', 'setKmsAppId', [BigInt(KMS_APP_ID)]);
    await chain.createApp(KMS_APP_ID, kms);
    return chain;
  }

  get novaAppRegistry(): Wallet {
    return this.#address('DevNovaAppRegistry');
  }

  get kmsRegistry(): Wallet {
    return this.#address('KMSRegistry');
  }

  /** Creates an ACTIVE app whose version 1 is ENROLLED. */
  async createApp(appId: number, dappContract: Wallet = `0x${'0'.repeat(40)}` as Wallet): Promise<void> {
    await this.write('DevNovaAppRegistry', 'setApp', [BigInt(appId), dappContract]);
    await this.setVersionStatus(appId, KMS_VERSION_ID, VERSION_STATUS.ENROLLED);
  }

  async register(registration: Registration): Promise<void> {
    const { appId = KMS_APP_ID, versionId = KMS_VERSION_ID, url, teePubkey, wallet, zkVerified = true } = registration;
    await this.write('DevNovaAppRegistry', 'register', [BigInt(appId), BigInt(versionId), url, `0x${teePubkey}`, wallet, zkVerified]);
  }

  async setAppStatus(appId: number, status: number): Promise<void> {
    await this.write('DevNovaAppRegistry', 'setAppStatus', [BigInt(appId), status]);
  }

  async setVersionStatus(appId: number, versionId: number, status: number): Promise<void> {
    await this.write('DevNovaAppRegistry', 'setVersion', [BigInt(appId), BigInt(versionId), status]);
  }

  async setInstanceStatus(wallet: Wallet, status: number): Promise<void> {
    await this.write('DevNovaAppRegistry', 'setInstanceStatus', [wallet, status]);
  }

  async setTeePubkey(wallet: Wallet, teePubkey: TeePubkey): Promise<void> {
    await this.write('DevNovaAppRegistry', 'setTeePubkey', [wallet, `0x${teePubkey}`]);
  }

  async setInstanceUrl(wallet: Wallet, url: string): Promise<void> {
    await this.write('DevNovaAppRegistry', 'setInstanceUrl', [wallet, url]);
  }

  async resetMasterSecretHash(): Promise<void> {
    await this.write('KMSRegistry', 'resetMasterSecretHash', []);
  }

  async masterSecretHash(): Promise<Hash32> {
    const { abi } = this.contracts.KMSRegistry;
    return (await this.client.readContract({ address: this.kmsRegistry as Hex, abi, functionName: 'masterSecretHash' })) as Hash32;
  }

  /** How many times the chain hash has been set since KMSRegistry was deployed. */
  async claimsMined(): Promise<number> {
    return (await this.claimBlocks()).length;
  }

  /** The blocks in which the chain hash was set, oldest first. */
  async claimBlocks(): Promise<readonly bigint[]> {
    const { abi } = this.contracts.KMSRegistry;
    const events = await this.client.getContractEvents({ address: this.kmsRegistry as Hex, abi, eventName: 'MasterSecretHashSet', fromBlock: 0n });
    return events.map(({ blockNumber }) => blockNumber);
  }

  /** Waits until a block contains the transaction, which must already have been sent. @throws WaitError after `MINED_TIMEOUT_MS` */
  async untilMined(hash: Hash32): Promise<void> {
    await this.#receipt(hash);
  }

  async fund(wallet: Wallet, ether = '10'): Promise<void> {
    await this.test.setBalance({ address: wallet as Hex, value: parseEther(ether) });
  }

  async mine(blocks: number): Promise<void> {
    await this.test.mine({ blocks });
  }

  /** Sets the time between blocks, in whole seconds. */
  async setBlockTime(seconds: number): Promise<void> {
    await this.test.setIntervalMining({ interval: seconds });
  }

  /** Sends a transaction from the owner's account and mines it immediately. @throws Error when it reverts */
  async write(contract: ContractName, functionName: string, args: readonly unknown[]): Promise<void> {
    const { abi } = this.contracts[contract];
    const address = this.#address(contract) as Hex;
    const receipt = await this.#inTurn(async () =>
      this.#mined(await this.#wallet.writeContract({ address, abi, functionName, args, account: this.#account, chain: foundry })),
    );
    if (receipt.status !== 'success') throw new Error(`${functionName} reverted`);
  }

  /** Many callers send from one account, so each waits until the previous transaction is in a block. Thus no nonce is used twice. */
  #inTurn<Result>(send: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastTurn.then(send);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  /** Returns the receipt of a transaction. Mines a block first, so that the owner does not have to wait for the next block. */
  async #mined(hash: Hex): Promise<TransactionReceipt> {
    await this.mine(1);
    return this.#receipt(hash);
  }

  /** Asks repeatedly until the receipt exists. viem's own wait function asks again only after a new block, and a new block may never come. */
  async #receipt(hash: Hex): Promise<TransactionReceipt> {
    let receipt: TransactionReceipt | null = null;
    await waitUntil({ what: `the receipt of ${hash}`, timeoutMs: MINED_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
      receipt = await this.client.getTransactionReceipt({ hash }).catch(nullWhenUnknown);
      return receipt === null ? 'no block contains the transaction' : null;
    });
    return receipt!;
  }

  #address(contract: ContractName): Wallet {
    if (this.#addresses === null) throw new Error('the contracts are not deployed');
    return this.#addresses[contract];
  }

  async #deploy(contract: ContractName, args: readonly unknown[]): Promise<Wallet> {
    const { abi, bytecode } = this.contracts[contract];
    const hash = await this.#wallet.deployContract({ abi: abi, bytecode, args, account: this.#account, chain: foundry });
    const { contractAddress } = await this.#mined(hash);
    if (contractAddress === null || contractAddress === undefined) throw new Error(`${contract} was not deployed`);
    return contractAddress.toLowerCase() as Wallet;
  }
}

function nullWhenUnknown(error: unknown): null {
  if (error instanceof TransactionReceiptNotFoundError) return null;
  throw error;
}
