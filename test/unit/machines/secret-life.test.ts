/**
 * The life of the master secret (protocol.md §1, §5, §10) without fakes: the rules one by one, and then the whole transition table,
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

/** The state after these events, and the effects of the last event. */
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

describe('a secret that this node makes', () => {
  test.each<[string, readonly SecretEvent[], string, readonly string[]]>([
    ['is generated when a claim is due', [shows(ZERO_HASH), due], 'none', ['make_candidate']],
    ['is claimed when a claim is due', [shows(ZERO_HASH), held(A), due], 'claimed', ['send_claim A']],
    ['is claimed again while the head shows no hash', [shows(ZERO_HASH), held(A), due, due], 'claimed', ['send_claim A']],
    ['is not claimed again after the head has shown its hash: the head is read instead', [shows(ZERO_HASH), held(A), due, head(A), due], 'at_head', ['look_at_head A']],
    ['stays as it is while the head shows a different hash', [shows(ZERO_HASH), held(A), due, head(B)], 'claimed', []],
    ['is set aside when the head no longer shows it', [shows(ZERO_HASH), held(A), due, head(A), head(ZERO_HASH)], 'none', ['set_aside A', 'make_candidate']],
    ['is set aside when its claim was accepted and then reset', [shows(ZERO_HASH), held(A), due, { type: 'claim.reset' }], 'none', ['set_aside A']],
    ['is confirmed when the chain shows it', [shows(ZERO_HASH), held(A), due, shows(A)], 'confirmed', ['install A']],
    ['stays confirmed while the chain shows it', [shows(ZERO_HASH), held(A), due, shows(A), shows(A)], 'confirmed', []],
    ['is set aside when the chain shows no hash', [held(A), shows(A), shows(ZERO_HASH)], 'none', ['set_aside A']],
    ['is set aside when the chain shows a different hash', [held(A), shows(A), shows(B)], 'none', ['set_aside A']],
    ['is never claimed again after a reset', [held(A), shows(A), shows(ZERO_HASH), due], 'none', ['make_candidate']],
    ['does not become a candidate again after a reset, even if the same bytes are generated again', [held(A), shows(A), shows(ZERO_HASH), held(A)], 'none', []],
    ['serves again when the chain shows it again', [held(A), shows(A), shows(ZERO_HASH), shows(A)], 'confirmed', ['install A']],
    ['is kept when its claim was reset, because the chain may show it again after a reorganisation', [shows(ZERO_HASH), held(A), due, { type: 'claim.reset' }, shows(A)], 'confirmed', ['install A']],
    ['is wiped and its store is emptied when the chain shows a different secret that this node holds', [held(A), shows(A), shows(ZERO_HASH), held(B), shows(B)], 'confirmed', ['wipe A', 'install B', 'empty_store']],
    ['is the only candidate: a second candidate is wiped', [held(A), held(B)], 'candidate', ['wipe B']],
  ])('%s', (_, events, stage, effects) => {
    const { life, effects: last } = after(...events);
    expect([life.stage, last]).toEqual([stage, effects]);
  });
});

describe('a secret from a member', () => {
  test.each<[string, readonly SecretEvent[], string, readonly string[]]>([
    ['is installed when the chain shows its hash', [shows(A), received(A)], 'confirmed', ['keep_received A', 'install A']],
    ['replaces the candidate, which is wiped', [held(B), shows(A), received(A)], 'confirmed', ['keep_received A', 'wipe B', 'install A']],
    ['replaces a secret that is set aside: that secret is wiped and its store is emptied', [held(B), shows(B), shows(A), received(A)], 'confirmed', ['keep_received A', 'wipe B', 'install A', 'empty_store']],
    ['changes nothing when the chain shows a different hash', [shows(B), received(A)], 'none', []],
    ['changes nothing while the chain shows no hash', [shows(ZERO_HASH), received(A)], 'none', []],
    ['changes nothing before the chain has been read', [received(A)], 'none', []],
    ['changes nothing when a different secret is confirmed', [held(B), shows(B), received(A)], 'confirmed', []],
    ['changes nothing when it is already confirmed', [held(B), shows(B), received(B)], 'confirmed', []],
  ])('%s', (_, events, stage, effects) => {
    const { life, effects: last } = after(...events);
    expect([life.stage, last]).toEqual([stage, effects]);
  });
});

describe('the store', () => {
  test.each<[string, readonly SecretEvent[], boolean]>([
    ['is known to be new when this node made the secret', [held(A), shows(A)], true],
    ['is known to be new when the secret was configured and a transaction of this process set its hash', [shows(ZERO_HASH), held(A, 'given'), due, shows(A, true)], true],
    ['is not known to be new when the secret was configured and another node may have set its hash', [shows(ZERO_HASH), held(A, 'given'), due, shows(A)], false],
    ['is not known to be new when the secret came from a member', [shows(A), received(A)], false],
    ['is not known to be new when the claim was reset before the chain showed the secret', [shows(ZERO_HASH), held(A), due, { type: 'claim.reset' }, shows(A)], false],
    ['is still known to be new when the chain shows its secret again after a reset', [held(A), shows(A), shows(ZERO_HASH), shows(A)], true],
  ])('%s', (_, events, claimedHere) => {
    expect(secretStanding(after(...events).life)).toEqual({ kind: 'confirmed', store: { secret: A, claimedHere } });
  });
});

test('the receipt of a claim is needed only for a configured secret that this node may have claimed', () => {
  const claimed = after(shows(ZERO_HASH), held(A, 'given'), due).life;
  expect([needsReceipt(claimed, A), needsReceipt(claimed, B)]).toEqual([true, false]);
  expect(needsReceipt(after(shows(ZERO_HASH), held(A, 'given'), due, head(A)).life, A)).toBe(true);
  expect(needsReceipt(after(held(A, 'given')).life, A)).toBe(false);
  expect(needsReceipt(after(shows(ZERO_HASH), held(A), due).life, A)).toBe(false);
});

test('when too many secrets are set aside, the oldest of them is wiped', () => {
  const names = Array.from({ length: MAX_ASIDE + 1 }, (_, index) => hashNamed(`secret ${index}`));
  let life = NO_SECRET;
  let last: readonly object[] = [];
  for (const hash of names) {
    for (const event of [shows(ZERO_HASH), held(hash), due, { type: 'claim.reset' }] as SecretEvent[]) ({ life, effects: last } = nextSecretLife(life, event));
  }
  expect(last).toEqual([{ kind: 'set_aside', hash: names.at(-1) }, { kind: 'wipe', hash: names[0] }]);
  expect(life.aside.map(({ hash }) => hash)).toEqual(names.slice(1));
});

test('/status reports the confirmed secret if there is one, otherwise the secret that was set aside last, otherwise the candidate', () => {
  const names = (life: SecretLife): (string | null)[] => [namedSecret(life), confirmedSecret(life), claimableSecret(life)].map((known) => known?.hash ?? null);
  expect(names(NO_SECRET)).toEqual([null, null, null]);
  expect(names(after(held(A)).life)).toEqual([A, null, A]);
  expect(names(after(held(A), shows(A)).life)).toEqual([A, A, null]);
  expect(names(after(held(A), shows(A), shows(ZERO_HASH), held(B)).life)).toEqual([A, null, B]);
});

test('an event or a query that is not allowed in the current state throws an error', () => {
  expect(() => secretStanding(NO_SECRET)).toThrow('before the chain was read');
  expect(() => after(shows(A), due)).toThrow('although the chain shows a hash');
});

describe('for every reachable state', () => {
  test('the reducer and the vault obey the rules of the protocol after every event', () => {
    // The model carries out the effects. A rule is broken if the state of the vault then differs from the state of the reducer.
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

  test('the table has at least one row that starts in that state', () => {
    const rows = transitionTable();
    expect(new Set(rows.map(({ given }) => given)).size).toBe(reachableStates().length);
  });
});

test('the whole transition table, without the events that change nothing, equals secret-life.table.txt', () => {
  const line = ({ given, event, then, effects }: Row): string => [given, event, then, effects].join(' | ');
  const changing = transitionTable().filter(({ changesNothing }) => !changesNothing);
  if (process.env['PRINT_SECRET_TABLE'] !== undefined) process.stdout.write(`${changing.map(line).join('\n')}\n`);
  const written = readFileSync(new URL('secret-life.table.txt', import.meta.url), 'utf8').trimEnd().split('\n');
  expect(changing.map(line)).toEqual(written.slice(1));
});
