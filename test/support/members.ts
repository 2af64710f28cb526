/** App records and members, as the registry could list them. */
import type { Wallet } from '../../src/domain/ids.ts';
import type { AppRecord, Member } from '../../src/domain/membership.ts';

/** A record that authorizes the app. */
export function authorizedRecord(appId: bigint, wallet: Wallet, teePubkey: AppRecord['instance']['teePubkey']): AppRecord {
  return {
    instance: {
      id: 7n,
      appId,
      versionId: 1n,
      operator: wallet,
      url: 'https://app.test',
      teePubkey,
      wallet,
      zkVerified: true,
      status: 'ACTIVE',
      registeredAt: 1n,
    },
    app: { id: appId, status: 'ACTIVE' },
    version: { id: 1n, status: 'ENROLLED' },
  };
}

/** A member of the KMS app with this wallet and key. */
export function memberOf(wallet: Wallet, teePubkey: Member['teePubkey'], url = 'https://peer.test'): Member {
  const { instance } = authorizedRecord(49n, wallet, teePubkey);
  return { instance: { ...instance, url }, wallet, teePubkey, url, versionStatus: 'ENROLLED' };
}
