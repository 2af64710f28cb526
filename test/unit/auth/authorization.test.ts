/** Who is authorized (protocol.md §3): an app according to three registry records, and a peer according to the peer cache. */
import { describe, expect, test } from '@jest/globals';
import { authorizeApp } from '../../../src/auth/app-authorization.ts';
import { authorizePeer } from '../../../src/auth/peer-authorization.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { AppRecord, AppStatus, InstanceStatus, Member, VersionStatus } from '../../../src/domain/membership.ts';
import { authorizedRecord, memberOf } from '../../support/node-over-http.ts';

const WALLET = `0x${'0a'.repeat(20)}` as Wallet;
const PUBKEY = 'aa' as TeePubkey;
const good = authorizedRecord(100n, WALLET, PUBKEY);

function instance(change: Partial<AppRecord['instance']>): AppRecord {
  return { ...good, instance: { ...good.instance, ...change } };
}

function ofApp(appId: bigint): AppRecord {
  return authorizedRecord(appId, WALLET, PUBKEY);
}

describe('an app', () => {
  test.each<[string, AppRecord, number]>([
    ['with an enrolled version', good, 100],
    ['with a deprecated version', { ...good, version: { id: 1n, status: 'DEPRECATED' } }, 100],
    ['whose id is 2^53 - 1, the largest safe integer of a JSON number', ofApp(2n ** 53n - 1n), 2 ** 53 - 1],
  ])('%s is authorized', (_, record, appId) => {
    expect(authorizeApp(record)).toEqual({ authorized: true, appId });
  });

  test.each<[string, AppRecord, string]>([
    ['with an unknown wallet', instance({ id: 0n }), 'registered'],
    ...(['STOPPED', 'FAILED', 'UNKNOWN'] as InstanceStatus[]).map(
      (status): [string, AppRecord, string] => [`whose instance is ${status}`, instance({ status }), 'instance'],
    ),
    ['that is not zkVerified', instance({ zkVerified: false }), 'zkVerified'],
    ['without an app record', { ...good, app: null }, 'app'],
    ['with the record of another app', { ...good, app: { id: 101n, status: 'ACTIVE' } }, 'app'],
    ...(['INACTIVE', 'REVOKED', 'UNKNOWN'] as AppStatus[]).map(
      (status): [string, AppRecord, string] => [`that is ${status}`, { ...good, app: { id: 100n, status } }, 'app'],
    ),
    ['without a version record', { ...good, version: null }, 'version'],
    ['with the record of another version', { ...good, version: { id: 2n, status: 'ENROLLED' } }, 'version'],
    ...(['REVOKED', 'UNKNOWN'] as VersionStatus[]).map(
      (status): [string, AppRecord, string] => [`whose version is ${status}`, { ...good, version: { id: 1n, status } }, 'version'],
    ),
    ['with the id 0, which is reserved for the keys of the cluster', ofApp(0n), 'range'],
    ['whose id is too large for a JSON number', ofApp(2n ** 53n), 'range'],
    ['whose id has 65 bits and would be truncated to 0', ofApp(2n ** 64n), 'range'],
    ['with the largest possible id', ofApp(2n ** 256n - 1n), 'range'],
  ])('%s is not authorized', (_, record, why) => {
    expect(authorizeApp(record)).toEqual({ authorized: false, why: expect.stringContaining(why) });
  });
});

describe('a peer', () => {
  const member = memberOf(WALLET, PUBKEY);

  function ask(members: readonly Member[]): Member | null {
    return authorizePeer(WALLET, { block: 1n, members, dropped: [] });
  }

  test('in the peer cache is authorized, even when the cache contains other members too', () => {
    expect(ask([memberOf(`0x${'0b'.repeat(20)}` as Wallet, PUBKEY), member])).toBe(member);
  });

  test.each<[string, readonly Member[]]>([
    ['when the peer cache is empty', []],
    ['when only another peer is in the peer cache', [memberOf(`0x${'0b'.repeat(20)}` as Wallet, PUBKEY)]],
    ['when it has no teePubkey', [memberOf(WALLET, '')]],
    ['when it is stopped', [{ ...member, instance: { ...member.instance, status: 'STOPPED' } }]],
    ['when it is not zkVerified', [{ ...member, instance: { ...member.instance, zkVerified: false } }]],
  ])('is not authorized %s', (_, members) => {
    expect(ask(members)).toBeNull();
  });
});
