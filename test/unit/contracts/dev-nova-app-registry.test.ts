/** The development NovaAppRegistry on a real chain (protocol.md §6): what nodes read from it after changes by the deployer. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Hex } from 'viem';
import { APP_STATUS, INSTANCE_STATUS, KMS_APP_ID, VERSION_STATUS } from '../../../src/dev/dev-chain.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { novaAppRegistryAbi } from '../../../src/registry/abi.ts';
import { toApp, toInstance, toVersion } from '../../../src/registry/records.ts';
import { accountOf, runningChain, type RunningChain } from '../../support/running-chain.ts';

let running: RunningChain;

beforeAll(async () => {
  running = await runningChain();
});

afterAll(async () => {
  await running.close();
});

const wallet = (digit: string): Wallet => `0x${digit.repeat(40)}` as Wallet;
const at = () => ({ address: running.chain.novaAppRegistry as Hex, abi: novaAppRegistryAbi }) as const;
const byWallet = async (of: Wallet) =>
  toInstance(await running.chain.client.readContract({ ...at(), functionName: 'getInstanceByWallet', args: [of as Hex] }));
const active = async (appId: bigint) =>
  (await running.chain.client.readContract({ ...at(), functionName: 'getActiveInstances', args: [appId] })).map((text) => text.toLowerCase());

describe('an app', () => {
  test('is returned with its latest version and its status', async () => {
    const { chain } = running;
    await chain.createApp(100);
    await chain.setVersionStatus(100, 4, VERSION_STATUS.DEPRECATED);
    await chain.setAppStatus(100, APP_STATUS.INACTIVE);
    const app = await chain.client.readContract({ ...at(), functionName: 'getApp', args: [100n] });
    expect(app).toMatchObject({ id: 100n, latestVersionId: 4n });
    expect(app.createdAt).toBeGreaterThan(0n);
    expect(toApp(app)).toEqual({ id: 100n, status: 'INACTIVE' });
    const version = await chain.client.readContract({ ...at(), functionName: 'getVersion', args: [100n, 4n] });
    expect(toVersion(version)).toEqual({ id: 4n, status: 'DEPRECATED' });
  });

  test('that was never created has id 0, and so do its versions', async () => {
    expect((await running.chain.client.readContract({ ...at(), functionName: 'getApp', args: [9_999n] })).id).toBe(0n);
    expect((await running.chain.client.readContract({ ...at(), functionName: 'getVersion', args: [9_999n, 1n] })).id).toBe(0n);
  });
});

describe('an instance', () => {
  test('can be found by wallet, by id and by version', async () => {
    const { chain } = running;
    await chain.createApp(101);
    await chain.register({ appId: 101, url: 'https://one.test', teePubkey: 'aabbcc' as TeePubkey, wallet: wallet('1') });
    const instance = await byWallet(wallet('1'));
    expect(instance).toMatchObject({
      appId: 101n,
      versionId: 1n,
      url: 'https://one.test',
      teePubkey: 'aabbcc',
      wallet: wallet('1'),
      zkVerified: true,
      status: 'ACTIVE',
    });
    expect(instance.registeredAt).toBeGreaterThan(0n);
    const sameById = await chain.client.readContract({ ...at(), functionName: 'getInstance', args: [instance.id] });
    expect(toInstance(sameById)).toEqual(instance);
    const ids = await chain.client.readContract({ ...at(), functionName: 'getInstancesForVersion', args: [101n, 1n] });
    expect(ids).toEqual([instance.id]);
  });

  test('of an unknown wallet has id 0', async () => {
    expect((await byWallet(wallet('f'))).id).toBe(0n);
  });

  test('has the status, teePubkey, URL and verification that were set last', async () => {
    const { chain } = running;
    await chain.register({ url: 'http://two.test', teePubkey: 'aa' as TeePubkey, wallet: wallet('2') });
    await chain.setInstanceStatus(wallet('2'), INSTANCE_STATUS.FAILED);
    await chain.setTeePubkey(wallet('2'), 'bb' as TeePubkey);
    await chain.setInstanceUrl(wallet('2'), 'http://moved.test');
    await chain.write('DevNovaAppRegistry', 'setZkVerified', [wallet('2'), false]);
    expect(await byWallet(wallet('2'))).toMatchObject({ status: 'FAILED', teePubkey: 'bb', url: 'http://moved.test', zkVerified: false });
  });
});

describe('the active instances of an app', () => {
  test('are the instances with status ACTIVE, each wallet once, in the order of their latest registrations', async () => {
    const { chain } = running;
    await chain.createApp(102);
    const register = (of: Wallet) => chain.register({ appId: 102, url: 'http://n.test', teePubkey: 'aa' as TeePubkey, wallet: of });
    for (const digit of ['3', '4', '5', '4']) await register(wallet(digit));
    expect(await active(102n)).toEqual([wallet('3'), wallet('5'), wallet('4')]);
    await chain.setInstanceStatus(wallet('5'), INSTANCE_STATUS.STOPPED);
    expect(await active(102n)).toEqual([wallet('3'), wallet('4')]);
    await chain.setInstanceStatus(wallet('5'), INSTANCE_STATUS.ACTIVE);
    expect(await active(102n)).toEqual([wallet('3'), wallet('5'), wallet('4')]);
  });

  test('are an empty list for an unknown app', async () => {
    expect(await active(12_345n)).toEqual([]);
  });

  test('are also operators in KMSRegistry if the app is the KMS app', async () => {
    const { chain } = running;
    await chain.register({ url: 'http://n.test', teePubkey: 'aa' as TeePubkey, wallet: wallet('6') });
    const isOperator = () =>
      chain.client.readContract({ address: chain.kmsRegistry as Hex, abi: chain.contracts.KMSRegistry.abi, functionName: 'isOperator', args: [wallet('6')] });
    expect(await active(BigInt(KMS_APP_ID))).toContain(wallet('6'));
    expect(await isOperator()).toBe(true);
    await chain.setInstanceStatus(wallet('6'), INSTANCE_STATUS.STOPPED);
    expect(await isOperator()).toBe(false);
  });
});

test('only the deployer may change the registry', async () => {
  const { account, client } = accountOf(running.url, 1);
  const { abi } = running.chain.contracts.DevNovaAppRegistry;
  const address = running.chain.novaAppRegistry as Hex;
  const changes: [string, readonly unknown[]][] = [
    ['setApp', [1n, wallet('1')]],
    ['setAppStatus', [1n, 0]],
    ['setVersion', [1n, 1n, 0]],
    ['register', [1n, 1n, '', '0x', wallet('1'), true]],
    ['setInstanceStatus', [wallet('1'), 0]],
    ['setTeePubkey', [wallet('1'), '0x']],
    ['setInstanceUrl', [wallet('1'), '']],
    ['setZkVerified', [wallet('1'), true]],
  ];
  for (const [functionName, args] of changes) {
    await expect(client.writeContract({ address, abi, functionName, args, account })).rejects.toThrow(/NotDeployer/);
  }
});
