/** Converts decoded ABI values to the domain's records. An unknown status becomes UNKNOWN, not an error. */
import type { ContractFunctionReturnType } from 'viem';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { AppStatus, Instance, InstanceStatus, VersionStatus } from '../domain/membership.ts';
import type { novaAppRegistryAbi } from './abi.ts';

type View<Name extends 'getApp' | 'getVersion' | 'getInstanceByWallet'> = ContractFunctionReturnType<
  typeof novaAppRegistryAbi,
  'view',
  Name
>;

const INSTANCE_STATUSES: readonly InstanceStatus[] = ['ACTIVE', 'STOPPED', 'FAILED'];
const VERSION_STATUSES: readonly VersionStatus[] = ['ENROLLED', 'DEPRECATED', 'REVOKED'];
const APP_STATUSES: readonly AppStatus[] = ['ACTIVE', 'INACTIVE', 'REVOKED'];

export function toWallet(address: string): Wallet {
  return address.toLowerCase() as Wallet;
}

export function toInstance(raw: View<'getInstanceByWallet'>): Instance {
  return {
    id: raw.id,
    appId: raw.appId,
    versionId: raw.versionId,
    operator: toWallet(raw.operator),
    url: raw.instanceUrl,
    teePubkey: raw.teePubkey.slice(2).toLowerCase() as TeePubkey | '',
    wallet: toWallet(raw.teeWalletAddress),
    zkVerified: raw.zkVerified,
    status: INSTANCE_STATUSES[raw.status] ?? 'UNKNOWN',
    registeredAt: raw.registeredAt,
  };
}

export function toVersion(raw: View<'getVersion'>): { id: bigint; status: VersionStatus } {
  return { id: raw.id, status: VERSION_STATUSES[raw.status] ?? 'UNKNOWN' };
}

export function toApp(raw: View<'getApp'>): { id: bigint; status: AppStatus } {
  return { id: raw.id, status: APP_STATUSES[raw.status] ?? 'UNKNOWN' };
}
