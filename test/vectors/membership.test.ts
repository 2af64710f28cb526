/** protocol.md §6 "Membership", eligibility in §1, and the authorization of members and apps in §3. */
import { expect } from '@jest/globals';
import { authorizeApp } from '../../src/auth/app-authorization.ts';
import { authorizePeer } from '../../src/auth/peer-authorization.ts';
import { parseWallet, type TeePubkey, type Wallet } from '../../src/domain/ids.ts';
import { memberEndpoint, type AppStatus, type Instance, type Membership, type VersionStatus } from '../../src/domain/membership.ts';
import { reasonLine } from '../../src/domain/reasons.ts';
import { judgeEligibility } from '../../src/registry/eligibility.ts';
import { judgeMembership, type Entry as Reading } from '../../src/registry/membership-rules.ts';
import { toInstance, toVersion, toApp, toWallet } from '../../src/registry/records.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface RawInstance {
  readonly id: number;
  readonly appId: number;
  readonly versionId: number;
  readonly operator: string;
  readonly instanceUrl: string;
  readonly teePubkey: string;
  readonly teeWalletAddress: string;
  readonly zkVerified: boolean;
  readonly status: number;
  readonly registeredAt: number;
}

interface Entry {
  readonly wallet: Wallet;
  readonly expect: 'keep' | 'drop' | 'open';
  readonly url?: string;
  readonly sync_endpoint?: string;
}

interface MembershipCase extends VectorCase {
  readonly in_enclave: boolean;
  readonly active: string[];
  readonly instances: Readonly<Record<string, RawInstance>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly failing_reads?: string[];
  readonly own_wallet?: string;
  readonly own_tee_pubkey?: string | null;
  readonly expect: { readonly entries: Entry[]; readonly eligible: boolean; readonly reason?: string };
}

interface PeerCase extends VectorCase {
  readonly instance: RawInstance;
  readonly wallet?: string;
  readonly versions: Readonly<Record<string, number>>;
  readonly expect: { readonly authorized: boolean };
}

interface AppCase extends VectorCase {
  readonly instance: RawInstance;
  readonly version_status: number | null;
  readonly app_status: number;
  readonly expect: { readonly authorized: boolean; readonly app_id?: string };
}

interface MembershipFile {
  readonly kms_app_id: number;
  readonly cases: MembershipCase[];
  readonly peers: PeerCase[];
  readonly app_authorization: AppCase[];
}

/** Decisions for open URLs (docs/decisions/0006): a string is not a valid URL if a URL parser would repair it or drop a part of it. */
const DECIDED_URLS: Readonly<Record<string, 'keep' | 'drop'>> = {
  'https://ключ.example': 'keep',
  'https://kms.example.org:0': 'keep',
  'https://kms.example.org:': 'keep',
  'https://1.2.3': 'keep',
  'https://0x7f000001': 'keep',
  ' https://kms.example.org': 'drop',
  'https://kms.example.org ': 'drop',
  'https://kms.example.org?x=1': 'drop',
  'https://kms.example.org/#f': 'drop',
  'https:///kms.example.org': 'drop',
  'https:kms.example.org': 'drop',
  'https:/kms.example.org': 'drop',
  'https://@kms.example.org': 'drop',
  'https://:@kms.example.org': 'drop',
  'https://kms.example.org:99999': 'drop',
  'https://kms example.org': 'drop',
  'https://kms.example.org\\@evil.example': 'drop',
  'https://a%2fb.example': 'drop',
  'https://kms.exa\tmple.org': 'drop',
};

/** Decisions for the other open entries: the rules of protocol.md §6 drop all of them. */
const DECIDED_CASES: Readonly<Record<string, 'keep' | 'drop'>> = {
  'id 0 but otherwise filled': 'drop',
  "another app's instance in the list": 'drop',
  'instance names another wallet': 'drop',
};

/** The expected result for an entry. Undefined for an open entry without a decision, such as one from another set of vectors. */
function wanted(vector: MembershipCase, entry: Entry): 'keep' | 'drop' | undefined {
  if (entry.expect !== 'open') return entry.expect;
  const url = vector.instances[entry.wallet]?.instanceUrl ?? '';
  return DECIDED_CASES[vector.name ?? ''] ?? DECIDED_URLS[url];
}

function instanceOf(raw: RawInstance): Instance {
  return toInstance({
    ...raw,
    id: BigInt(raw.id),
    appId: BigInt(raw.appId),
    versionId: BigInt(raw.versionId),
    operator: raw.operator as `0x${string}`,
    teePubkey: `0x${raw.teePubkey}`,
    teeWalletAddress: raw.teeWalletAddress as `0x${string}`,
    registeredAt: BigInt(raw.registeredAt),
  });
}

function read<T>(value: T): Reading<T> {
  return { value, asLastRead: false };
}

function versionsOf(appId: number, statuses: Readonly<Record<string, number>>): Map<bigint, Reading<VersionStatus>> {
  return new Map(
    Object.entries(statuses)
      .map(([pair, status]) => ({ pair: pair.split(':'), status }))
      .filter(({ pair }) => pair[0] === String(appId))
      .map(({ pair, status }) => [BigInt(pair[1]!), read(toVersion({ id: BigInt(pair[1]!), status } as Parameters<typeof toVersion>[0]).status)]),
  );
}

function judge(file: MembershipFile, vector: MembershipCase): Membership {
  const unreadable = new Set(vector.failing_reads ?? []);
  const instances = new Map(
    Object.entries(vector.instances)
      .filter(([wallet]) => !unreadable.has(wallet))
      .map(([wallet, raw]) => [toWallet(wallet), read(instanceOf(raw))]),
  );
  return judgeMembership(
    { kmsAppId: file.kms_app_id, inEnclave: vector.in_enclave },
    { block: 1n, listed: vector.active.map(toWallet), instances, versions: versionsOf(file.kms_app_id, vector.versions) },
  );
}

describeVectors<MembershipFile>('membership.json', ({ file, cases }) => {
  cases(file.cases, 'membership', (vector) => {
    const membership = judge(file, vector);
    for (const entry of vector.expect.entries) {
      const member = membership.members.find(({ wallet }) => wallet === toWallet(entry.wallet));
      const decided = wanted(vector, entry);
      if (decided === undefined) continue;
      expect({ wallet: entry.wallet, verdict: member === undefined ? 'drop' : 'keep' }).toEqual({ wallet: entry.wallet, verdict: decided });
      if (member === undefined || entry.url === undefined) continue;
      expect(member.url).toBe(entry.url);
      expect(memberEndpoint(member.url, '/sync')).toBe(entry.sync_endpoint);
    }
    expect(membership.members.length + membership.dropped.length).toBe(new Set(vector.active.map(toWallet)).size);
    // Some cases test only the list. In others, the key of the enclave cannot be read, so an earlier step fails.
    if (vector.own_wallet === undefined || vector.own_tee_pubkey === undefined || vector.own_tee_pubkey === null) return;
    const identity = { wallet: toWallet(vector.own_wallet), teePubkey: vector.own_tee_pubkey as TeePubkey };
    const why = judgeEligibility(identity, membership);
    expect(why === null).toBe(vector.expect.eligible);
    if (why !== null && vector.expect.reason !== undefined) expect(reasonLine(why)).toContain(vector.expect.reason);
  });

  cases(file.peers, 'peer', (vector) => {
    const instance = instanceOf(vector.instance);
    const membership = judgeMembership(
      { kmsAppId: file.kms_app_id, inEnclave: true },
      {
        block: 1n,
        listed: [instance.wallet],
        instances: new Map([[instance.wallet, read(instance)]]),
        versions: versionsOf(file.kms_app_id, vector.versions),
      },
    );
    const wallet = vector.wallet === undefined ? instance.wallet : parseWallet(vector.wallet)!;
    expect(authorizePeer(wallet, membership) !== null).toBe(vector.expect.authorized);
  });

  cases(file.app_authorization, 'app', (vector) => {
    const instance = instanceOf(vector.instance);
    const version =
      vector.version_status === null
        ? null
        : toVersion({ id: instance.versionId, status: vector.version_status } as Parameters<typeof toVersion>[0]);
    const app: { id: bigint; status: AppStatus } = toApp({ id: instance.appId, status: vector.app_status } as Parameters<typeof toApp>[0]);
    const judged = authorizeApp({ instance, app, version });
    expect(judged.authorized).toBe(vector.expect.authorized);
    if (judged.authorized && vector.expect.app_id !== undefined) expect(String(judged.appId)).toBe(vector.expect.app_id);
  });
});
