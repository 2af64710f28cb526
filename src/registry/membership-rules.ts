/**
 * Decides who is a member (protocol.md §6, Membership). Each listed wallet is judged separately: an entry that fails a rule, or has been
 * unreadable for too long, is dropped with a reason and does not affect the others. Pure.
 */
import type { Wallet } from '../domain/ids.ts';
import { MAX_MEMBERS } from '../domain/limits.ts';
import type { Instance, Member, Membership, VersionStatus } from '../domain/membership.ts';

export interface MembershipRules {
  readonly kmsAppId: number;
  /** Whether this node runs in an enclave. A node in an enclave accepts only https URLs. */
  readonly inEnclave: boolean;
}

/** An entry of a contract, from the current read or from the last good one. */
export interface Entry<T> {
  /** Null if the contract has no such entry. */
  readonly value: T | null;
  readonly asLastRead: boolean;
}

export interface MembershipReadings {
  readonly block: bigint;
  /** The wallets that `getActiveInstances` lists. */
  readonly listed: readonly Wallet[];
  /** If a listed wallet is missing here, its instance could not be read now and was not read recently. */
  readonly instances: ReadonlyMap<Wallet, Entry<Instance>>;
  /** Versions of the KMS app, by version id. If a version is missing here, it could not be read now and was not read recently. */
  readonly versions: ReadonlyMap<bigint, Entry<VersionStatus>>;
}

/** Maximum length of an instance URL. Characters. */
const MAX_URL_CHARS = 2_048;

/** Why a URL is refused; null when it is valid. */
function urlFault(text: string, inEnclave: boolean): string | null {
  if (text.length > MAX_URL_CHARS) return 'URL is too long';
  // A string that a URL parser would silently repair is not a valid URL.
  if (/[\s\\]/.test(text) || !/^https?:\/\/[^/]/i.test(text)) return 'URL is not valid';
  if (!URL.canParse(text)) return 'URL is not valid';
  const url = new URL(text);
  if (url.hostname === '') return 'URL has no host';
  if (url.username !== '' || url.password !== '' || /^https?:\/\/[^/?#]*@/i.test(text)) return 'URL has credentials';
  if (text.includes('?') || text.includes('#')) return 'URL has a query or fragment';
  if (url.protocol === 'http:' && inEnclave) return 'URL is not https';
  return null;
}

function fault(rules: MembershipRules, wallet: Wallet, readings: MembershipReadings): string | Member {
  const entry = readings.instances.get(wallet);
  if (entry === undefined) return 'instance cannot be read';
  const instance = entry.value;
  if (instance === null || instance.id === 0n) return 'unknown instance';
  if (instance.appId !== BigInt(rules.kmsAppId)) return 'instance belongs to a different app';
  if (instance.wallet !== wallet) return 'instance has a different wallet';
  if (instance.status !== 'ACTIVE') return `instance is ${instance.status}`;
  if (!instance.zkVerified) return 'instance is not zkVerified';
  const version = readings.versions.get(instance.versionId);
  if (version === undefined) return 'version cannot be read';
  const { value: status } = version;
  if (status === null) return 'unknown version';
  if (status !== 'ENROLLED' && status !== 'DEPRECATED') return `version is ${status}`;
  const wrongUrl = urlFault(instance.url, rules.inEnclave);
  if (wrongUrl !== null) return wrongUrl;
  const asLastRead = entry.asLastRead || version.asLastRead ? { asLastRead: true as const } : {};
  return { instance, wallet, teePubkey: instance.teePubkey, url: instance.url, versionStatus: status, ...asLastRead };
}

export function judgeMembership(rules: MembershipRules, readings: MembershipReadings): Membership {
  const members: Member[] = [];
  const dropped: { wallet: Wallet; why: string }[] = [];
  for (const wallet of new Set(readings.listed)) {
    const judged = members.length >= MAX_MEMBERS ? 'too many members' : fault(rules, wallet, readings);
    if (typeof judged === 'string') dropped.push({ wallet, why: judged });
    else members.push(judged);
  }
  return { block: readings.block, members, dropped: dropped.slice(0, MAX_MEMBERS) };
}
