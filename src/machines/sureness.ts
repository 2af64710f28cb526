/**
 * When a node may say that a key is absent (protocol.md §10, "404 means absent"), as a pure reducer. An app that gets 404 from even one
 * node generates a new value for the key, and each new process starts with an empty store. So as long as a node may lack records that the
 * other nodes hold, it refuses requests for keys that it lacks.
 *
 * Events are observations: what members say about themselves, and what was merged from them. A node becomes sure when one of these
 * conditions is true, and stays sure until it begins a new store:
 *
 *   claimed       it claimed the hash itself and has handed the secret to no one yet, so no one else can have written records
 *   alone         it is the only member
 *   sure_members  it merged everything from two members that said in every answer that they were sure, or from one such member
 *                 if it is known that there is no second one (a single member could report an empty store as complete)
 *   all_members   it merged everything from every other member, sure or not
 *   in_vain       it has spent an hour (not counting pauses) asking every member that it waits for, without success. A new member's hour
 *                 starts with the longest time that the node has already spent on any of those members
 *
 * "Everything" means that nothing was left out. A completed comparison of digests counts as much as a snapshot. The node learns whether a
 * member is sure only from that member's answer. So it waits for a silent member, but after `silenceMs` that member counts as not sure.
 */
import type { StoreId, Wallet } from '../domain/ids.ts';
import type { SureReason } from '../domain/readiness.ts';

/** A node that has asked in vain for this long becomes sure. Pauses between its rounds of asking do not count. Milliseconds. */
export const IN_VAIN_MS = 3_600_000;
/** Maximum number of wallets in `seen`. Any wallet that does not fit into the set counts as a member that came back. */
const MAX_SEEN = 10_000;

export interface SurenessLimits {
  /** How long the node waits for a silent member after it has merged everything from a sure member. Milliseconds. */
  readonly silenceMs: number;
  /** If more time than this passes between two rounds of asking (perhaps the node was not ready), that time counts as a pause. Milliseconds. */
  readonly pauseMs: number;
}

/**
 * What is known about a member. `sure` and `unsure`: what its last answer said. `unheard`: it has not been asked yet. `silent`: it did not
 * answer the last time. `mute`: it has been silent for `silenceMs`.
 */
type Word = 'unheard' | 'sure' | 'unsure' | 'silent' | 'mute';

export interface MemberFacts {
  readonly word: Word;
  /** Id of the member's store; null if the member reports none. */
  readonly storeId: string | null;
  /** Whether all records of the member were merged. `while_sure`: the member said in every answer that it is sure. */
  readonly merged: 'no' | 'yes' | 'while_sure';
  /**
   * When this node first asked the member without getting an answer, in monotonic milliseconds; null after an answer. A pause in the asking
   * moves this time later by the length of the pause.
   */
  readonly silentSinceMs: number | null;
  /** How long this node has asked the member without success. A new store of the member does not reset this time. Milliseconds. */
  readonly askedInVainMs: number;
}

export interface Sureness {
  /** The store of this node that this state is about; null until the first store is known. */
  readonly store: StoreId | null;
  /** Why the node is sure; null while it is not. */
  readonly by: SureReason | null;
  /** Whether another node has received the secret from this node. If so, that node may have accepted writes since then. */
  readonly handedOut: boolean;
  /** When the last round of asking ended or, if it is still running, began; null before the first round. Monotonic milliseconds. */
  readonly askedAtMs: number | null;
  /** Whether a round of asking is running. */
  readonly isAsking: boolean;
  /** The members besides this node, in the order of the view; null before the first view. */
  readonly members: ReadonlyMap<Wallet, MemberFacts> | null;
  /** All wallets that have been members since the store began. None is added after the node has become sure. At most MAX_SEEN. */
  readonly seen: ReadonlySet<Wallet>;
}

/** `store`: the store of this node that the event is about. If a new store has begun since then, the event is ignored. */
export type SurenessEvent =
  | { readonly type: 'store.began'; readonly store: StoreId }
  /** This process claimed the hash that the store belongs to. */
  | { readonly type: 'hash.claimed'; readonly store: StoreId }
  | { readonly type: 'secret.handedOut'; readonly store: StoreId }
  | { readonly type: 'members.read'; readonly others: readonly Wallet[] }
  /** A member has answered, with or without `sure`. A refusal is an answer too. */
  | { readonly type: 'member.answered'; readonly wallet: Wallet; readonly storeId: string | null; readonly sure: boolean }
  | { readonly type: 'member.silent'; readonly wallet: Wallet; readonly nowMs: number }
  /** A snapshot from the member, or a comparison with it, is complete. @property sure the member said in every answer that it is sure */
  | { readonly type: 'member.merged'; readonly store: StoreId; readonly wallet: Wallet; readonly storeId: string | null; readonly sure: boolean; readonly leftOut: boolean }
  | { readonly type: 'asking.began'; readonly nowMs: number }
  | { readonly type: 'asking.ended'; readonly nowMs: number };

export const UNSURE: Sureness = { store: null, by: null, handedOut: false, askedAtMs: null, isAsking: false, members: null, seen: new Set() };

const UNHEARD: MemberFacts = { word: 'unheard', storeId: null, merged: 'no', silentSinceMs: null, askedInVainMs: 0 };

/** The state after `event`. Pure. */
export function nextSureness(state: Sureness, event: SurenessEvent, limits: SurenessLimits): Sureness {
  const next = observed(state, event, limits);
  // A sure node stays sure until it begins a new store.
  return next === state || next.by !== null ? next : { ...next, by: reasonOf(next, event) };
}

export function isSure({ by }: Sureness): boolean {
  return by !== null;
}

/** The members whose answer or records are still needed; none when the node is sure or has not read a view yet. */
export function waitsFor({ by, members }: Sureness): readonly Wallet[] {
  return by !== null || members === null ? [] : [...waitedFor(members).keys()];
}

function waitedFor(members: ReadonlyMap<Wallet, MemberFacts>): ReadonlyMap<Wallet, MemberFacts> {
  const those = (needed: (facts: MemberFacts) => boolean): ReadonlyMap<Wallet, MemberFacts> => new Map([...members].filter(([, facts]) => needed(facts)));
  if (those(isMergedWhileSure).size > 0) return those(mayBeSure);
  const sure = those(({ word }) => word === 'sure');
  return sure.size > 0 ? sure : those(({ merged }) => merged === 'no');
}

function observed(state: Sureness, event: SurenessEvent, { silenceMs, pauseMs }: SurenessLimits): Sureness {
  switch (event.type) {
    case 'store.began':
      return event.store === state.store ? state : withStore(state, event.store);
    case 'secret.handedOut':
      return event.store === state.store ? { ...state, handedOut: true } : state;
    case 'members.read':
      return withMembers(state, event.others);
    case 'member.answered':
      return withMember(state, event.wallet, event.storeId, (facts) => ({ ...facts, word: event.sure ? 'sure' : 'unsure', silentSinceMs: null }));
    case 'member.silent':
      return withMember(state, event.wallet, undefined, (facts) => {
        const silentSinceMs = facts.silentSinceMs ?? event.nowMs;
        // A member may also be asked during a pause, for a snapshot.
        const untilMs = pausedSince(state, event.nowMs, pauseMs) ?? event.nowMs;
        return { ...facts, word: untilMs - silentSinceMs >= silenceMs ? 'mute' : 'silent', silentSinceMs };
      });
    case 'member.merged':
      if (event.store !== state.store || event.leftOut) return state;
      return withMember(state, event.wallet, event.storeId, (facts) => ({ ...facts, merged: event.sure ? 'while_sure' : facts.merged === 'no' ? 'yes' : facts.merged }));
    case 'asking.began':
      return { ...withAsked(state, event.nowMs, pauseMs), isAsking: true };
    case 'asking.ended':
      return { ...withAsked(state, event.nowMs, pauseMs), isAsking: false };
    case 'hash.claimed':
      // A copy, because `nextSureness` checks the conditions only if the state is a new object.
      return { ...state };
  }
}

function withStore({ members }: Sureness, store: StoreId): Sureness {
  const wallets = [...(members?.keys() ?? [])];
  return { ...UNSURE, store, members: members === null ? null : new Map(wallets.map((wallet) => [wallet, UNHEARD])), seen: new Set(wallets) };
}

/**
 * A new wallet is a new node, which began with an empty store. If its `askedInVainMs` started at zero, new wallets could forever keep this
 * node from becoming sure. A member that comes back may hold records, so its `askedInVainMs` starts at zero.
 */
function withMembers(state: Sureness, others: readonly Wallet[]): Sureness {
  const { members, seen } = state;
  const longestMs = Math.max(0, ...[...waitedFor(members ?? new Map<Wallet, MemberFacts>()).values()].map(({ askedInVainMs }) => askedInVainMs));
  const isNew = (wallet: Wallet): boolean => !seen.has(wallet) && seen.size < MAX_SEEN;
  const facts = (wallet: Wallet): MemberFacts => members?.get(wallet) ?? { ...UNHEARD, askedInVainMs: isNew(wallet) ? longestMs : 0 };
  return {
    ...state,
    members: new Map(others.map((wallet) => [wallet, facts(wallet)])),
    seen: state.by === null ? new Set([...seen, ...others].slice(0, MAX_SEEN)) : seen,
  };
}

/** The start of the pause that lasts until now, in monotonic milliseconds; null if there is no pause. */
function pausedSince({ askedAtMs, isAsking }: Sureness, nowMs: number, pauseMs: number): number | null {
  return askedAtMs !== null && !isAsking && nowMs - askedAtMs > pauseMs ? askedAtMs : null;
}

/**
 * Adds the time since the last round began or ended to the `askedInVainMs` of the members that the node waits for. If that time is a pause,
 * it counts neither as asking nor as silence.
 */
function withAsked(state: Sureness, nowMs: number, pauseMs: number): Sureness {
  const { members, askedAtMs } = state;
  if (members === null || askedAtMs === null) return { ...state, askedAtMs: nowMs };
  const pausedAtMs = pausedSince(state, nowMs, pauseMs);
  const changed =
    pausedAtMs === null
      ? [...waitedFor(members)].map(([wallet, facts]) => [wallet, { ...facts, askedInVainMs: facts.askedInVainMs + nowMs - askedAtMs }] as const)
      : [...members].map(([wallet, facts]) => [wallet, { ...facts, silentSinceMs: silentAfterPause(facts, pausedAtMs, nowMs) }] as const);
  return { ...state, askedAtMs: nowMs, members: new Map([...members, ...changed]) };
}

function silentAfterPause({ silentSinceMs }: MemberFacts, pausedAtMs: number, nowMs: number): number | null {
  return silentSinceMs === null ? null : nowMs - Math.max(0, pausedAtMs - silentSinceMs);
}

/** A member with a new store starts again as unheard. @param storeId undefined: not known */
function withMember(state: Sureness, wallet: Wallet, storeId: string | null | undefined, change: (facts: MemberFacts) => MemberFacts): Sureness {
  const known = state.members?.get(wallet);
  if (state.members === null || known === undefined) return state;
  const isOther = storeId !== undefined && known.storeId !== null && storeId !== known.storeId;
  const facts = isOther ? { ...UNHEARD, askedInVainMs: known.askedInVainMs } : known;
  return { ...state, members: new Map(state.members).set(wallet, change(storeId === undefined ? facts : { ...facts, storeId })) };
}

function reasonOf({ store, members, handedOut }: Sureness, event: SurenessEvent): SureReason | null {
  if (event.type === 'hash.claimed' && event.store === store && !handedOut) return 'claimed';
  if (store === null || members === null) return null;
  if (members.size === 0) return 'alone';
  const facts = [...members.values()];
  if (facts.every(({ merged }) => merged !== 'no')) return 'all_members';
  const mergedWhileSure = facts.filter(isMergedWhileSure).length;
  if (mergedWhileSure >= 2 || (mergedWhileSure === 1 && !facts.some(mayBeSure))) return 'sure_members';
  const isHourOver = [...waitedFor(members).values()].every(({ askedInVainMs }) => askedInVainMs >= IN_VAIN_MS);
  return event.type === 'asking.ended' && isHourOver ? 'in_vain' : null;
}

function isMergedWhileSure({ merged }: MemberFacts): boolean {
  return merged === 'while_sure';
}

/** Whether the member may be sure, but its records were not all merged while it was sure. A mute member counts as not sure. */
function mayBeSure({ word, merged }: MemberFacts): boolean {
  return merged !== 'while_sure' && word !== 'unsure' && word !== 'mute';
}
