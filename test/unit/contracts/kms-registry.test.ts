/** KMSRegistry on a real chain (protocol.md §6): every error, every event, and who may call which function. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { BaseError, ContractFunctionRevertedError, decodeEventLog, type Hex } from 'viem';
import { foundry } from 'viem/chains';
import { INSTANCE_STATUS, KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS } from '../../../src/dev/dev-chain.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { kmsRegistryAbi } from '../../../src/registry/abi.ts';
import { accountOf, runningChain, type RunningChain } from '../../support/running-chain.ts';

const ZERO = `0x${'0'.repeat(64)}`;
const HASH = `0x${'ab'.repeat(32)}`;
const OTHER_HASH = `0x${'cd'.repeat(32)}`;
const SOMEBODY = `0x${'e1'.repeat(20)}`;

let running: RunningChain;
let snapshot: Hex;
/** Account 0 is the owner. */
let accounts: ReturnType<typeof accountOf>[];

beforeAll(async () => {
  running = await runningChain();
  accounts = [0, 1, 2, 3].map((index) => accountOf(running.url, index));
});

afterAll(async () => {
  await running.close();
});

beforeEach(async () => {
  snapshot = await running.chain.test.snapshot();
});

afterEach(async () => {
  await running.chain.test.revert({ id: snapshot });
});

const addressOf = (account: number): Wallet => accounts[account]!.account.address.toLowerCase() as Wallet;

/** Sends a transaction from one of the accounts and returns its events. @throws the error that the contract reports */
async function send(from: number, functionName: string, args: readonly unknown[] = [], address: Hex = running.chain.kmsRegistry as Hex) {
  const { account, client } = accounts[from]!;
  const { abi } = running.chain.contracts.KMSRegistry;
  const call = { address, abi, functionName, args, account, chain: foundry };
  await running.chain.client.simulateContract(call);
  const hash = await client.writeContract(call);
  const receipt = await running.chain.client.waitForTransactionReceipt({ hash });
  return receipt.logs.map(({ data, topics }) => {
    const { eventName, args: values } = decodeEventLog({ abi: kmsRegistryAbi, data, topics });
    return { eventName, values, indexed: topics.length - 1 };
  });
}

async function errorOf(call: Promise<unknown>): Promise<string | undefined> {
  const thrown = await call.then(() => null, (error: unknown) => error);
  const revert = thrown instanceof BaseError ? thrown.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
  return (revert as ContractFunctionRevertedError | null)?.data?.errorName;
}

function read(functionName: string, args: readonly unknown[] = []): Promise<unknown> {
  return running.chain.client.readContract({ address: running.chain.kmsRegistry as Hex, abi: running.chain.contracts.KMSRegistry.abi, functionName, args });
}

async function deployFresh(): Promise<Hex> {
  const { abi, bytecode } = running.chain.contracts.KMSRegistry;
  const { client, account } = accounts[0]!;
  const hash = await client.deployContract({ abi, bytecode, args: [account.address, running.chain.novaAppRegistry] });
  return (await running.chain.client.waitForTransactionReceipt({ hash })).contractAddress!;
}

async function registerAccount(account: number, more: { versionId?: number; appId?: number; zkVerified?: boolean } = {}): Promise<void> {
  await running.chain.register({ url: 'http://n.test', teePubkey: 'aa' as TeePubkey, wallet: addressOf(account), ...more });
}

describe('the ABI that nodes use', () => {
  test('has each function, error and event of the contract', () => {
    const named = (abi: readonly { readonly type: string; readonly name?: string }[], type: string): string[] =>
      abi.filter((item) => item.type === type).map(({ name }) => name!).sort();
    for (const type of ['function', 'error', 'event']) {
      expect(named(kmsRegistryAbi, type)).toEqual(named(running.chain.contracts.KMSRegistry.abi, type));
    }
  });
});

describe('a fresh contract', () => {
  test('has an owner, a registry and an app id, but neither a hash nor operators', async () => {
    expect(((await read('OWNER')) as string).toLowerCase()).toBe(addressOf(0));
    expect(((await read('novaAppRegistry')) as string).toLowerCase()).toBe(running.chain.novaAppRegistry);
    expect(await read('kmsAppId')).toBe(BigInt(KMS_APP_ID));
    expect(await read('masterSecretHash')).toBe(ZERO);
    expect(await read('getOperators')).toEqual([]);
  });
});

describe('only the owner', () => {
  test.each<[string, readonly unknown[]]>([
    ['setKmsAppId', [5n]],
    ['setNovaAppRegistry', [SOMEBODY]],
    ['resetMasterSecretHash', []],
  ])('may call %s', async (functionName, args) => {
    expect(await errorOf(send(1, functionName, args))).toBe('NotOwner');
  });

  test('sets the app id, but only once', async () => {
    const fresh = await deployFresh();
    expect(await send(0, 'setKmsAppId', [7n], fresh)).toEqual([{ eventName: 'KmsAppIdSet', values: { appId: 7n }, indexed: 0 }]);
    expect(await errorOf(send(0, 'setKmsAppId', [7n], fresh))).toBe('AppIdAlreadySet');
  });

  test('sets the registry any number of times, but never to the zero address', async () => {
    const [event] = await send(0, 'setNovaAppRegistry', [SOMEBODY]);
    expect(event!.eventName).toBe('NovaAppRegistrySet');
    expect(((await read('novaAppRegistry')) as string).toLowerCase()).toBe(SOMEBODY);
    expect(await errorOf(send(0, 'setNovaAppRegistry', [`0x${'0'.repeat(40)}`]))).toBe('InvalidRegistryAddress');
  });

  test('resets the hash', async () => {
    await registerAccount(1);
    await send(1, 'setMasterSecretHash', [HASH]);
    const [event] = await send(0, 'resetMasterSecretHash');
    expect(event).toEqual({ eventName: 'MasterSecretHashReset', values: { owner: accounts[0]!.account.address }, indexed: 1 });
    expect(await read('masterSecretHash')).toBe(ZERO);
  });
});

describe('the hash', () => {
  test('can be set by an ACTIVE instance of an ENROLLED version, and both values of the event are indexed', async () => {
    await registerAccount(1);
    const [event] = await send(1, 'setMasterSecretHash', [HASH]);
    expect(event).toEqual({ eventName: 'MasterSecretHashSet', values: { hash: HASH, setter: accounts[1]!.account.address }, indexed: 2 });
    expect(await read('masterSecretHash')).toBe(HASH);
  });

  test.each([1, 2])('can be set only once: account %i cannot set it again', async (account) => {
    await registerAccount(1);
    await registerAccount(2);
    await send(1, 'setMasterSecretHash', [HASH]);
    expect(await errorOf(send(account, 'setMasterSecretHash', [OTHER_HASH]))).toBe('MasterSecretHashAlreadySet');
    expect(await read('masterSecretHash')).toBe(HASH);
  });

  test('may be set again after a reset', async () => {
    await registerAccount(1);
    await send(1, 'setMasterSecretHash', [HASH]);
    await send(0, 'resetMasterSecretHash');
    await send(1, 'setMasterSecretHash', [OTHER_HASH]);
    expect(await read('masterSecretHash')).toBe(OTHER_HASH);
  });

  const { chain } = { chain: () => running.chain };
  test.each<[string, () => Promise<void>]>([
    ['a stranger', async () => undefined],
    ['a STOPPED instance', async () => { await registerAccount(1); await chain().setInstanceStatus(addressOf(1), INSTANCE_STATUS.STOPPED); }],
    ['a FAILED instance', async () => { await registerAccount(1); await chain().setInstanceStatus(addressOf(1), INSTANCE_STATUS.FAILED); }],
    ['an instance on a DEPRECATED version', async () => { await registerAccount(1); await chain().setVersionStatus(KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS.DEPRECATED); }],
    ['an instance on a REVOKED version', async () => { await registerAccount(1); await chain().setVersionStatus(KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS.REVOKED); }],
    ['an instance of another app', async () => { await chain().createApp(50); await registerAccount(1, { appId: 50 }); }],
  ])('cannot be set by %s', async (_, prepare) => {
    await prepare();
    expect(await errorOf(send(1, 'setMasterSecretHash', [HASH]))).toBe('NotAuthorizedToSetHash');
    expect(await read('masterSecretHash')).toBe(ZERO);
  });

  test('cannot be set to zero', async () => {
    await registerAccount(1);
    expect(await errorOf(send(1, 'setMasterSecretHash', [ZERO]))).toBe('NotAuthorizedToSetHash');
  });

  test('cannot be set by the owner, which is not an instance', async () => {
    expect(await errorOf(send(0, 'setMasterSecretHash', [HASH]))).toBe('NotAuthorizedToSetHash');
  });
});

describe('operators', () => {
  const operator = (number: number): Hex => `0x${String(number).repeat(40)}`;
  const change = (functionName: string, number: number, appId = BigInt(KMS_APP_ID)) => send(3, functionName, [operator(number), appId, 1n, 9n]);

  beforeEach(async () => {
    await send(0, 'setNovaAppRegistry', [addressOf(3)]);
  });

  test.each(['addOperator', 'removeOperator'])('%s can be called only by the registry: even the owner is refused', async (functionName) => {
    expect(await errorOf(send(0, functionName, [operator(1), BigInt(KMS_APP_ID), 1n, 1n]))).toBe('OnlyNovaAppRegistry');
  });

  test.each(['addOperator', 'removeOperator'])('%s accepts only the KMS app', async (functionName) => {
    expect(await errorOf(change(functionName, 1, 50n))).toBe('AppIdMismatch');
  });

  test('are added and removed, with one event each', async () => {
    const values = { operator: operator(1), appId: BigInt(KMS_APP_ID), versionId: 1n, instanceId: 9n };
    expect(await change('addOperator', 1)).toEqual([{ eventName: 'OperatorAdded', values, indexed: 2 }]);
    expect(await read('isOperator', [operator(1)])).toBe(true);
    expect(await change('removeOperator', 1)).toEqual([{ eventName: 'OperatorRemoved', values, indexed: 2 }]);
    expect(await read('isOperator', [operator(1)])).toBe(false);
  });

  test('are listed once each, and the list stays complete when an operator that is not the last is removed', async () => {
    for (const number of [1, 2, 3, 2]) await change('addOperator', number);
    expect(await read('operatorCount')).toBe(3n);
    await change('removeOperator', 1);
    await change('removeOperator', 4);
    expect(await read('getOperators')).toEqual([operator(3), operator(2)]);
    expect(await Promise.all([read('operatorAt', [0n]), read('operatorAt', [1n])])).toEqual([operator(3), operator(2)]);
    await expect(read('operatorAt', [2n])).rejects.toThrow();
    await change('removeOperator', 3);
    await change('removeOperator', 2);
    expect(await read('operatorCount')).toBe(0n);
  });
});
