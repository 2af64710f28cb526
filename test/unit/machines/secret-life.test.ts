/**
 * The life of the master secret (protocol.md §1, §5, §10) without fakes: the rules one by one, then the whole transition table,
 * which is compared with `secret-life.table.txt` line by line. After an intended change, print the table with
 * `PRINT_SECRET_TABLE=1 npm run test:unit -- secret-life`, and read every line that differs before you replace the file.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { describe, expect, test } from '@jest/globals';
import { ZERO_HASH } from '../../../src/domain/ids.ts';
import {
  claimableSecret,
  confirmedSecret,
  MAX_ASIDE,
  namedSecret,
  needsReceipt,
  nextSecretLife,
  NO_SECRET,
  secretStanding,
  type SecretEvent,
  type SecretLife,
} from '../../../src/machines/secret-life.ts';
import { brokenRules, hashNamed, NO_MODEL, observed } from '../../machine/secret-model.ts';
import { MEMBER, reachableStates, stateText, transitionTable, type Row } from './secret-life-table.ts';

const A = hashNamed('A');
const B = hashNamed('B');

const shows = (hash: typeof A, setHere = false): SecretEvent => ({ type: 'chain.shows', hash, setHere });
const head = (hash: typeof A): SecretEvent => ({ type: 'head.shows', hash });
const held = (hash: typeof A, origin: 'made' | 'given' = 'made'): SecretEvent => ({ type: 'candidate.held', hash, origin });
const received = (hash: typeof A): SecretEvent => ({ type: 'secret.received', hash, from: MEMBER });
const due: SecretEvent = { type: 'claim.due' };

/** The state after these events, and the effects of the last one. */
function after(...events: readonly SecretEvent[]): { readonly life: SecretLife; readonly effects: readonly string[] } {
  let life = NO_SECRET;
  let effects: readonly string[] = [];
  for (const event of events) {
    const step = nextSecretLife(life, event);
    life = step.life;
    effects = step.effects.map((effect) => ('hash' in effect ? `${effect.kind} ${effect.hash === A ? 'A' : 'B'}` : effect.kind));
  }
  return { life, effects };
}

describe('the life of a secret that was made here', () => {
  test.each<[string, readonly SecretEvent[], string, readonly string[]]>([
    ['is made when a claim is due', [shows(ZERO_HASH), due], 'none', ['make_candidate']],
    ['is claimed when a claim is due', [shows(ZERO_HASH), held(A), due], 'claimed', ['send_claim A']],
    ['is claimed again while the head shows nothing', [shows(ZERO_HASH), held(A), due, due], 'claimed', ['send_claim A']],
    ['is looked for at the head once it was there', [shows(ZERO_HASH), held(A), due, head(A), due], 'at_head', ['look_at_head A']],
    ['is left alone while another hash is at the head', [shows(ZERO_HASH), held(A), due, head(B)], 'claimed', []],
    ['is set aside when the head shows it no more', [shows(ZERO_HASH), held(A), due, head(A), head(ZERO_HASH)], 'none', ['set_aside A', 'make_candidate']],
    ['is set aside when the claim was taken and reset', [shows(ZERO_HASH), held(A), due, { type: 'claim.reset' }], 'none', ['set_aside A']],
    ['is confirmed when the chain shows it', [shows(ZERO_HASH), held(A), due, shows(A)], 'confirmed', ['install A']],
    ['stays confirmed while the chain shows it', [shows(ZERO_HASH), held(A), due, shows(A), shows(A)], 'confirmed', []],
    ['is set aside when the chain shows nothing', [held(A), shows(A), shows(ZERO_HASH)], 'none', ['set_aside A']],
    ['is set aside when the chain shows another', [held(A), shows(A), shows(B)], 'none', ['set_aside A']],
    ['is never claimed again', [held(A), shows(A), shows(ZERO_HASH), due], 'none', ['make_candidate']],
    ['is not a fresh candidate either, should it be drawn again', [held(A), shows(A), shows(ZERO_HASH), held(A)], 'none', []],
    ['serves again when the chain shows it again', [held(A), shows(A), shows(ZERO_HASH), shows(A)], 'confirmed', ['install A']],
    ['is kept when a claim of it was reset, for a reorganisation may bring it back', [shows(ZERO_HASH), held(A), due, { type: 'claim.reset' }, shows(A)], 'confirmed', ['install A']],
    ['gives way to another that the chain shows, and its store with it', [held(A), shows(A), shows(ZERO_HASH), held(B), shows(B)], 'confirmed', ['wipe A', 'install B', 'empty_store']],
    ['is one: a candidate that comes late is wiped', [held(A), held(B)], 'candidate', ['wipe B']],
  ])('%s', (_, events, stage, effects) => {
    const { life, effects: last } = after(...events);
    expect([life.stage, last]).toEqual([stage, effects]);
  });
});

describe('a secret that a member gave', () => {
  test.each<[string, readonly SecretEvent[], string, readonly string[]]>([
    ['is installed when the chain shows its hash', [shows(A), received(A)], 'confirmed', ['keep_received A', 'install A']],
    ['wipes the candidate', [held(B), shows(A), received(A)], 'confirmed', ['keep_received A', 'wipe B', 'install A']],
    ['wipes what is aside, and its store', [held(B), shows(B), shows(A), received(A)], 'confirmed', ['keep_received A', 'wipe B', 'install A', 'empty_store']],
    ['changes nothing when the chain shows another', [shows(B), received(A)], 'none', []],
    ['changes nothing while the chain shows none', [shows(ZERO_HASH), received(A)], 'none', []],
    ['changes nothing before the chain was read', [received(A)], 'none', []],
    ['changes nothing when one is confirmed', [held(B), shows(B), received(A)], 'confirmed', []],
    ['changes nothing when it is the confirmed one', [held(B), shows(B), received(B)], 'confirmed', []],
  ])('%s', (_, events, stage, effects) => {
    const { life, effects: last } = after(...events);
    expect([life.stage, last]).toEqual([stage, effects]);
  });
});

describe('the store is known to be new', () => {
  test.each<[string, readonly SecretEvent[], boolean]>([
    ['under a secret that was made here', [held(A), shows(A)], true],
    ['under one that was given, where a transaction of this process set it', [shows(ZERO_HASH), held(A, 'given'), due, shows(A, true)], true],
    ['not under one that was given, where another may have set it', [shows(ZERO_HASH), held(A, 'given'), due, shows(A)], false],
    ['not under one that a member gave', [shows(A), received(A)], false],
    ['not under one whose claim was reset in between', [shows(ZERO_HASH), held(A), due, { type: 'claim.reset' }, shows(A)], false],
    ['still, when its secret comes back', [held(A), shows(A), shows(ZERO_HASH), shows(A)], true],
  ])('%s', (_, events, claimedHere) => {
    expect(secretStanding(after(...events).life)).toEqual({ kind: 'confirmed', store: { secret: A, claimedHere } });
  });
});

test('the receipt of a claim is needed for a given secret that this node may have claimed', () => {
  const claimed = after(shows(ZERO_HASH), held(A, 'given'), due).life;
  expect([needsReceipt(claimed, A), needsReceipt(claimed, B)]).toEqual([true, false]);
  expect(needsReceipt(after(shows(ZERO_HASH), held(A, 'given'), due, head(A)).life, A)).toBe(true);
  expect(needsReceipt(after(held(A, 'given')).life, A)).toBe(false);
  expect(needsReceipt(after(shows(ZERO_HASH), held(A), due).life, A)).toBe(false);
});

test('the oldest secret set aside is wiped once there are too many', () => {
  const names = Array.from({ length: MAX_ASIDE + 1 }, (_, index) => hashNamed(`secret ${index}`));
  let life = NO_SECRET;
  let last: readonly object[] = [];
  for (const hash of names) {
    for (const event of [shows(ZERO_HASH), held(hash), due, { type: 'claim.reset' }] as SecretEvent[]) ({ life, effects: last } = nextSecretLife(life, event));
  }
  expect(last).toEqual([{ kind: 'set_aside', hash: names.at(-1) }, { kind: 'wipe', hash: names[0] }]);
  expect(life.aside.map(({ hash }) => hash)).toEqual(names.slice(1));
});

test('the named secret is the confirmed one, else the one that served last, else the candidate', () => {
  const names = (life: SecretLife): (string | null)[] => [namedSecret(life), confirmedSecret(life), claimableSecret(life)].map((known) => known?.hash ?? null);
  expect(names(NO_SECRET)).toEqual([null, null, null]);
  expect(names(after(held(A)).life)).toEqual([A, null, A]);
  expect(names(after(held(A), shows(A)).life)).toEqual([A, A, null]);
  expect(names(after(held(A), shows(A), shows(ZERO_HASH), held(B)).life)).toEqual([A, null, B]);
});

test('a question or an event that the state does not allow throws', () => {
  expect(() => secretStanding(NO_SECRET)).toThrow('before the chain was read');
  expect(() => after(shows(A), due)).toThrow('although the chain shows a hash');
});

describe('in every reachable state', () => {
  test('the rules of the protocol hold after every event, in the vault too', () => {
    // The model carries out the effects. If they leave the vault in a different state, a rule is broken.
    const seen = new Map([['', NO_MODEL]]);
    const hashes = [ZERO_HASH, A, B];
    for (const model of seen.values()) {
      expect({ state: stateText(model.life), broken: brokenRules(model) }).toEqual({ state: stateText(model.life), broken: [] });
      const events = [
        ...hashes.flatMap((hash) => [shows(hash), shows(hash, true), head(hash)]),
        ...[A, B].flatMap((hash) => [held(hash), held(hash, 'given'), received(hash)]),
        { type: 'claim.reset' } as const,
        ...(model.life.shown === ZERO_HASH ? [due] : []),
      ];
      for (const event of events) {
        const next = observed(model, event).model;
        seen.set(JSON.stringify(next), next);
      }
    }
    expect(seen.size).toBeGreaterThan(100);
  });

  test('at least one row of the table begins', () => {
    const rows = transitionTable();
    expect(new Set(rows.map(({ given }) => given)).size).toBe(reachableStates().length);
  });
});

test('the whole transition table is as in its file, and events without a line change nothing', () => {
  const line = ({ given, event, then, effects }: Row): string => [given, event, then, effects].join(' | ');
  const changing = transitionTable().filter(({ changesNothing }) => !changesNothing);
  if (process.env['PRINT_SECRET_TABLE'] !== undefined) process.stdout.write(`${changing.map(line).join('\n')}\n`);
  const written = readFileSync(new URL('secret-life.table.txt', import.meta.url), 'utf8').trimEnd().split('\n');
  expect(changing.map(line)).toEqual(written.slice(1));
});
