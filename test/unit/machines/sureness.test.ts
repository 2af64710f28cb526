/** When a node is sure (protocol.md §10, "404 means absent"): one row for each way to become sure, and one for each case in which a node is not sure. */
import { describe, expect, test } from '@jest/globals';
import type { StoreId, Wallet } from '../../../src/domain/ids.ts';
import { IN_VAIN_MS, isSure, nextSureness, UNSURE, waitsFor, type Sureness, type SurenessEvent } from '../../../src/machines/sureness.ts';

const SILENCE_MS = 60_000;
const PAUSE_MS = 20_000;
const STORE = 'store 1' as StoreId;
const NEXT_STORE = 'store 2' as StoreId;

const began: SurenessEvent = { type: 'store.began', store: STORE };
const claimed: SurenessEvent = { type: 'hash.claimed', store: STORE };
const handedOut = (store = STORE): SurenessEvent => ({ type: 'secret.handedOut', store });
const members = (...others: readonly string[]): SurenessEvent => ({ type: 'members.read', others: others as Wallet[] });
const says = (wallet: string, sure: boolean, storeId: string | null = `of ${wallet}`): SurenessEvent => ({ type: 'member.answered', wallet: wallet as Wallet, storeId, sure });
const silent = (wallet: string, nowMs: number): SurenessEvent => ({ type: 'member.silent', wallet: wallet as Wallet, nowMs });
interface Merge {
  readonly sure?: boolean;
  readonly leftOut?: boolean;
  readonly store?: StoreId;
  readonly storeId?: string | null;
}
const merged = (wallet: string, { sure = false, leftOut = false, store = STORE, storeId = `of ${wallet}` }: Merge = {}): SurenessEvent => ({
  type: 'member.merged',
  store,
  wallet: wallet as Wallet,
  storeId,
  sure,
  leftOut,
});
const askingBegan = (nowMs: number): SurenessEvent => ({ type: 'asking.began', nowMs });
const askingEnded = (nowMs: number): SurenessEvent => ({ type: 'asking.ended', nowMs });
/** Rounds of asking between two moments. The time between two rounds is the longest that does not count as a pause. */
function asking(fromMs: number, toMs: number): readonly SurenessEvent[] {
  const rounds: SurenessEvent[] = [];
  for (let ms = fromMs; ms < toMs; ms += PAUSE_MS) rounds.push(askingBegan(ms), askingEnded(ms));
  return [...rounds, askingBegan(toMs), askingEnded(toMs)];
}
/** Rounds of asking like those of `asking`. This member is silent in each round. */
function silence(wallet: string, fromMs: number, toMs: number): readonly SurenessEvent[] {
  return asking(fromMs, toMs).flatMap((event) => (event.type === 'asking.began' ? [event, silent(wallet, event.nowMs)] : [event]));
}
/** Rounds in which the only member is asked. After each `everyMs`, a new member replaces it. */
function replacedEvery(everyMs: number, toMs: number): readonly SurenessEvent[] {
  const events: SurenessEvent[] = [];
  for (let ms = 0; ms < toMs; ms += everyMs) events.push(members(`new ${ms}`), ...asking(ms, ms + everyMs));
  return events;
}
/** A member reports that it is sure and sends all its records. */
const given = (wallet: string): readonly SurenessEvent[] => [says(wallet, true), merged(wallet, { sure: true })];

function after(...events: readonly SurenessEvent[]): Sureness {
  return events.reduce((state, event) => nextSureness(state, event, { silenceMs: SILENCE_MS, pauseMs: PAUSE_MS }), UNSURE);
}

describe('a node becomes sure', () => {
  test.each<[string, Sureness['by'], readonly SurenessEvent[]]>([
    ['when it has claimed the hash', 'claimed', [began, members('a', 'b'), claimed]],
    ['when it has claimed the hash, even before it has read the members', 'claimed', [began, claimed]],
    ['when it has claimed the hash of a new store, even if it handed out the secret of the previous store', 'claimed', [began, handedOut(), { type: 'store.began', store: NEXT_STORE }, { type: 'hash.claimed', store: NEXT_STORE }]],
    ['if it is the only member', 'alone', [began, members()]],
    ['when all other members have left the registry', 'alone', [began, members('a'), silent('a', 0), members()]],
    ['when it has all records of the only other member, which is sure', 'all_members', [began, members('a'), ...given('a')]],
    ['when it has all records of the only other member, even if that member is not sure', 'all_members', [began, members('a'), says('a', false), merged('a')]],
    ['when it has all records of a sure member, if the others report that they are not sure', 'sure_members', [began, members('a', 'b', 'c'), ...given('a'), says('b', false), says('c', false)]],
    ['when it has all records of two sure members, regardless of the other members', 'sure_members', [began, members('a', 'b', 'c'), ...given('a'), says('b', true), says('c', true), merged('b', { sure: true })]],
    ['when it has all records of a sure member and the second member has been silent for too long', 'sure_members', [began, members('a', 'b'), ...given('a'), silent('b', 1_000), silent('b', 1_000 + SILENCE_MS)]],
    ['when it has all records of a sure member, if the others run an older version', 'sure_members', [began, members('a', 'old'), ...given('a'), says('old', false, null)]],
    ['when it has all records of every other member, even if no member is sure', 'all_members', [began, members('a', 'b'), says('a', false), merged('a'), says('b', false), merged('b')]],
    ['when it has all records of every other member, even if all of them run an older version', 'all_members', [began, members('a', 'b'), merged('a', { storeId: null }), merged('b', { storeId: null })]],
    ['when a later comparison has delivered the records that were left out', 'all_members', [began, members('a'), merged('a', { sure: true, leftOut: true }), merged('a', { sure: true })]],
    ['when the member that it waited for has left the registry', 'all_members', [began, members('a', 'b'), says('a', false), merged('a'), silent('b', 0), members('a')]],
    ['after an hour of asking without success', 'in_vain', [began, members('a', 'b'), ...asking(500, IN_VAIN_MS + 500)]],
    ['after an hour of asking without success, even if one round takes the whole hour', 'in_vain', [began, members('a', 'b'), askingBegan(500), silent('a', 900), askingEnded(IN_VAIN_MS + 500)]],
    ['after an hour of asking without success (pauses in the asking do not count)', 'in_vain', [began, members('a'), ...asking(0, 1_000_000), ...asking(IN_VAIN_MS, 2 * IN_VAIN_MS - 1_000_000)]],
    ['after an hour of asking a member that begins a new store again and again', 'in_vain', [began, members('a'), ...asking(0, 1_000_000), says('a', false, '1'), says('a', false, '2'), ...asking(1_000_000, IN_VAIN_MS)]],
    ['after an hour of asking, although the only member is replaced by a new one every 10 minutes', 'in_vain', [began, ...replacedEvery(600_000, IN_VAIN_MS)]],
    ['after an hour of asking, although another member joins shortly before the end of the hour', 'in_vain', [began, members('a'), ...asking(0, IN_VAIN_MS - 60_000), members('a', 'b'), ...asking(IN_VAIN_MS - 60_000, IN_VAIN_MS)]],
    ['when it has all records of a sure member and the second member has been silent for too long (pauses in the asking do not count)', 'sure_members', [began, members('a', 'b'), ...given('a'), ...silence('b', 0, 40_000), ...silence('b', IN_VAIN_MS, IN_VAIN_MS + SILENCE_MS - 40_000).slice(0, -1)]],
    ['after an hour of asking a sure member whose records never arrive, even if another member is not asked during that hour', 'in_vain', [began, members('a', 'b'), says('a', true), ...asking(0, IN_VAIN_MS)]],
  ])('%s', (_, by, events) => {
    expect(after(...events.slice(0, -1)).by).toBeNull();
    const state = after(...events);
    expect([state.by, isSure(state), waitsFor(state)]).toEqual([by, true, []]);
  });
});

describe('a node is not sure, and lists the members that it waits for, when', () => {
  test.each<[string, readonly string[], readonly SurenessEvent[]]>([
    ['nothing has happened', [], []],
    ['no member has been asked yet', ['a', 'b'], [began, members('a', 'b')]],
    ['one sure member has sent all records, and a second sure member has not', ['b'], [began, members('a', 'b'), ...given('a'), says('b', true)]],
    ['one sure member has sent all records, and a second member has not answered yet', ['b'], [began, members('a', 'b'), ...given('a')]],
    ['one sure member has sent all records, and a second member stopped answering only recently', ['b'], [began, members('a', 'b'), ...given('a'), silent('b', 0), silent('b', SILENCE_MS - 1)]],
    ['one sure member has sent all records, and a second member was silent before and after a pause', ['b'], [began, members('a', 'b'), ...given('a'), ...silence('b', 0, 0), ...silence('b', IN_VAIN_MS, IN_VAIN_MS)]],
    ['one sure member has sent all records, and a second member was silent before a pause and was asked for a snapshot during the pause', ['b'], [began, members('a', 'b'), ...given('a'), ...silence('b', 0, 0), silent('b', IN_VAIN_MS)]],
    ['a sure member has sent no records', ['a'], [began, members('a', 'b'), says('a', true), says('b', false), merged('b')]],
    ['records of the sure member were left out', ['a'], [began, members('a'), says('a', true), merged('a', { sure: true, leftOut: true })]],
    ['a member sent all its records before it reported that it is sure', ['a'], [began, members('a', 'b'), merged('a'), says('a', true), says('b', false)]],
    ['one of two members that are not sure has sent no records', ['b'], [began, members('a', 'b'), says('a', false), merged('a'), says('b', false)]],
    ['one member that is not sure has sent all records, and the other member has been silent for too long', ['b'], [began, members('a', 'b'), says('a', false), merged('a'), silent('b', 0), silent('b', SILENCE_MS)]],
    ['a member of an older version has sent no records, and no member is sure', ['old'], [began, members('a', 'old'), says('a', false), merged('a'), says('old', false, null)]],
    ['the member that has sent all its records now has a new store', ['a', 'b'], [began, members('a', 'b'), says('b', false), merged('a'), says('a', false, 'its next store')]],
    ['the records were sent for the previous store of this node', ['a'], [began, members('a'), { type: 'store.began', store: NEXT_STORE }, merged('a', { sure: true })]],
    ['the records came from a node that is not a member', ['a'], [began, members('a'), merged('stranger', { sure: true })]],
    ['there is a new member whose records this node does not have', ['b'], [began, members('a'), says('a', false), members('a', 'b'), merged('a')]],
    ['it has been asking for less than an hour', ['a'], [began, members('a'), askingBegan(1), silent('a', 1), askingEnded(IN_VAIN_MS)]],
    ['it has asked twice, and an hour has passed in between', ['a'], [began, members('a'), ...asking(0, 1_000), ...asking(IN_VAIN_MS + 1_000, IN_VAIN_MS + 2_000)]],
    ['the times between its rounds of asking were so long that they count as pauses', ['a'], [began, members('a'), ...[0, 1, 2, 3].flatMap((round) => asking(round * IN_VAIN_MS, round * IN_VAIN_MS))]],
    ['a member has left and come back, and has been asked for less than an hour since then', ['a', 'b'], [began, members('a', 'b'), ...asking(0, 1_000_000), members('a'), members('a', 'b'), ...asking(1_000_000, IN_VAIN_MS)]],
    ['it waited for a different member during part of the hour, and not for the member that it waits for now', ['b'], [began, members('a', 'b'), says('a', true), ...asking(0, 1_000_000), says('a', false), merged('a'), ...asking(1_000_000, IN_VAIN_MS)]],
    ['its store does not belong to the hash that it claimed', ['a'], [{ type: 'store.began', store: NEXT_STORE }, members('a'), claimed]],
    ['it has claimed the hash, but handed out the secret before it became ready', ['a'], [began, handedOut(), members('a'), claimed]],
    ['it does not know its own store yet', [], [members()]],
  ])('%s', (_, waiting, events) => {
    const state = after(...events);
    expect([state.by, waitsFor(state)]).toEqual([null, waiting]);
  });
});

describe('a node that is sure', () => {
  const sure = [began, members('a'), merged('a')];

  test.each<[string, readonly SurenessEvent[]]>([
    ['when members are added', [members('a', 'b', 'c')]],
    ['when a second member sends records that must be left out', [members('a', 'b'), merged('b', { leftOut: true })]],
    ['when all members stop answering', [silent('a', 0), silent('a', SILENCE_MS)]],
    ['when the same store is reported again', [began]],
  ])('stays sure %s', (_, events) => {
    expect(after(...sure, ...events).by).toBe('all_members');
  });

  test('is no longer sure when its store is emptied, and has to ask the same members again', () => {
    const state = after(...sure, { type: 'store.began', store: NEXT_STORE });
    expect([state.by, waitsFor(state), state.askedAtMs]).toEqual([null, ['a'], null]);
  });

  test('is no longer sure when its store is emptied, even if it claimed the hash before', () => {
    expect(after(began, members('a'), claimed, { type: 'store.began', store: NEXT_STORE }).by).toBeNull();
  });
});

test('a member that answers again is no longer treated as silent', () => {
  const events = [began, members('a', 'b'), ...given('a'), silent('b', 0), says('b', true), silent('b', SILENCE_MS)];
  expect([after(...events).by, waitsFor(after(...events))]).toEqual([null, ['b']]);
});
