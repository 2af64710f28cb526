/**
 * When a node may say that a key is absent (protocol.md §10, "404 means absent"), as a pure reducer. Callers make new secrets by one
 * node's 404, and a store starts empty: until it certainly holds what the others hold, the node gives no answer about what it lacks.
 *
 * Events are observations: what members say of themselves, and what was merged of them. A node is sure, until its store begins again,
 * once one of these holds:
 *
 *   claimed       it claimed the hash itself and has handed the secret to no one yet: no one can have written before
 *   alone         it is the only member
 *   sure_members  everything of a sure member was merged while that member said so, and of a second one where another says so as
 *                 well: one member alone could call an empty store complete
 *   all_members   everything of every other member was merged, regardless of what those say
 *   in_vain       it has asked for an hour
 *
 * "Everything" leaves nothing out for want of time or room. A comparison of digests that came to its end counts like a snapshot.
 * What a member may say is known only after it was heard: one that is silent is waited for, but not longer than `silenceMs`.
 */
import type { StoreId, Wallet } from '../domain/ids.ts';
import type { SureReason } from '../domain/readiness.ts';

/** How long a node asks in vain before it is sure all the same. Milliseconds. */
export const IN_VAIN_MS = 3_600_000;

export interface SurenessLimits {
  /** How long a member that gives no answer is waited for where one that is sure has given all. Milliseconds. */
  readonly silenceMs: number;
}

/** `unheard`: it was not asked yet. `silent`: no answer yet. `mute`: none for too long. */
type Word = 'unheard' | 'sure' | 'unsure' | 'silent' | 'mute';

export interface MemberFacts {
  readonly word: Word;
  /** Of its store; null where it names none. */
  readonly storeId: string | null;
  /** Everything of it was merged: `while_sure` where it said all along that it is sure. */
  readonly merged: 'no' | 'yes' | 'while_sure';
  /** Monotonic milliseconds of the first question without an answer; null after an answer. */
  readonly silentSinceMs: number | null;
}

export interface Sureness {
  /** The own store that this is about; null before the first is known. */
  readonly store: StoreId | null;
  /** Why the node is sure; null while it is not. */
  readonly by: SureReason | null;
  /** Another node has the secret from this one, and may have taken writes since. */
  readonly handedOut: boolean;
  /** Monotonic milliseconds of the first question to anybody. */
  readonly askingSinceMs: number | null;
  /** The members besides this node, in the order of the view; null before the first view. */
  readonly members: ReadonlyMap<Wallet, MemberFacts> | null;
}

/** `store`: the node's own store that the event is about. Once another has begun, the event is ignored. */
export type SurenessEvent =
  | { readonly type: 'store.began'; readonly store: StoreId }
  /** The hash that the store is under was claimed by this process. */
  | { readonly type: 'hash.claimed'; readonly store: StoreId }
  | { readonly type: 'secret.handedOut'; readonly store: StoreId }
  | { readonly type: 'members.read'; readonly others: readonly Wallet[] }
  /** A member has answered: with `sure`, or without that word. A refusal is an answer. */
  | { readonly type: 'member.answered'; readonly wallet: Wallet; readonly storeId: string | null; readonly sure: boolean }
  | { readonly type: 'member.silent'; readonly wallet: Wallet; readonly nowMs: number }
  /** All of its snapshot, or a comparison to the end. @property sure it said so with the first answer and with every other */
  | { readonly type: 'member.merged'; readonly store: StoreId; readonly wallet: Wallet; readonly storeId: string | null; readonly sure: boolean; readonly leftOut: boolean }
  | { readonly type: 'asking.began'; readonly nowMs: number }
  | { readonly type: 'asking.ended'; readonly nowMs: number };

export const UNSURE: Sureness = { store: null, by: null, handedOut: false, askingSinceMs: null, members: null };

const UNHEARD: MemberFacts = { word: 'unheard', storeId: null, merged: 'no', silentSinceMs: null };

/** What comes after `event`. Calling it changes nothing. */
export function nextSureness(state: Sureness, event: SurenessEvent, limits: SurenessLimits): Sureness {
  const next = observed(state, event, limits);
  // Once sure, until the store begins again.
  return next === state || next.by !== null ? next : { ...next, by: reasonOf(next, event) };
}

export function isSure({ by }: Sureness): boolean {
  return by !== null;
}

/** The members whose word or records are still needed; none when the node is sure, or no view was read yet. */
export function waitsFor({ by, members }: Sureness): readonly Wallet[] {
  if (by !== null || members === null) return [];
  const all = [...members];
  const walletsOf = (needed: (facts: MemberFacts) => boolean): readonly Wallet[] => all.filter(([, facts]) => needed(facts)).map(([wallet]) => wallet);
  if (all.some(([, facts]) => isMergedWhileSure(facts))) return walletsOf(mayBeSure);
  const sure = walletsOf(({ word }) => word === 'sure');
  return sure.length > 0 ? sure : walletsOf(({ merged }) => merged === 'no');
}

function observed(state: Sureness, event: SurenessEvent, { silenceMs }: SurenessLimits): Sureness {
  switch (event.type) {
    case 'store.began':
      return event.store === state.store ? state : { ...UNSURE, store: event.store, members: state.members === null ? null : new Map([...state.members.keys()].map((wallet) => [wallet, UNHEARD])) };
    case 'secret.handedOut':
      return event.store === state.store ? { ...state, handedOut: true } : state;
    case 'members.read':
      return { ...state, members: new Map(event.others.map((wallet) => [wallet, state.members?.get(wallet) ?? UNHEARD])) };
    case 'member.answered':
      return withMember(state, event.wallet, event.storeId, (facts) => ({ ...facts, word: event.sure ? 'sure' : 'unsure', silentSinceMs: null }));
    case 'member.silent':
      return withMember(state, event.wallet, undefined, (facts) => {
        const silentSinceMs = facts.silentSinceMs ?? event.nowMs;
        return { ...facts, word: event.nowMs - silentSinceMs >= silenceMs ? 'mute' : 'silent', silentSinceMs };
      });
    case 'member.merged':
      if (event.store !== state.store || event.leftOut) return state;
      return withMember(state, event.wallet, event.storeId, (facts) => ({ ...facts, merged: event.sure ? 'while_sure' : facts.merged === 'no' ? 'yes' : facts.merged }));
    case 'asking.began':
      return state.askingSinceMs === null ? { ...state, askingSinceMs: event.nowMs } : state;
    case 'hash.claimed':
    case 'asking.ended':
      // A copy, so that it is judged.
      return { ...state };
  }
}

/** Another store than the member had before is another giver. @param storeId undefined: not said */
function withMember(state: Sureness, wallet: Wallet, storeId: string | null | undefined, change: (facts: MemberFacts) => MemberFacts): Sureness {
  const known = state.members?.get(wallet);
  if (state.members === null || known === undefined) return state;
  const isOther = storeId !== undefined && known.storeId !== null && storeId !== known.storeId;
  const facts = isOther ? UNHEARD : known;
  return { ...state, members: new Map(state.members).set(wallet, change(storeId === undefined ? facts : { ...facts, storeId })) };
}

function reasonOf({ store, members, handedOut, askingSinceMs }: Sureness, event: SurenessEvent): SureReason | null {
  if (event.type === 'hash.claimed' && event.store === store && !handedOut) return 'claimed';
  if (store === null || members === null) return null;
  if (members.size === 0) return 'alone';
  const facts = [...members.values()];
  if (facts.every(({ merged }) => merged !== 'no')) return 'all_members';
  const mergedWhileSure = facts.filter(isMergedWhileSure).length;
  if (mergedWhileSure >= 2 || (mergedWhileSure === 1 && !facts.some(mayBeSure))) return 'sure_members';
  const isHourOver = event.type === 'asking.ended' && askingSinceMs !== null && event.nowMs - askingSinceMs >= IN_VAIN_MS;
  return isHourOver ? 'in_vain' : null;
}

function isMergedWhileSure({ merged }: MemberFacts): boolean {
  return merged === 'while_sure';
}

/** It says that it is sure, or that is not known yet. */
function mayBeSure({ word, merged }: MemberFacts): boolean {
  return merged !== 'while_sure' && word !== 'unsure' && word !== 'mute';
}
