/** What a reader of an audit log can detect (docs/audit.md): changed, missing or added entries, and forged checkpoints. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkpointText, droppedText, eventText, gapText, HASH_BEFORE_FIRST, nextHash, startText, withHash } from '../../../src/audit/entry.ts';
import { canonicalJson } from '../../../src/crypto/canonical-json.ts';
import { auditMessage } from '../../../src/crypto/messages.ts';
import { signEip191, walletOfPrivateKey } from '../../../src/crypto/signature.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import { auditOf, derived, readAll, verify } from './audit-of.ts';

type Lines = Readonly<Record<string, unknown>>[];

const STRANGER = Buffer.alloc(32, 7);
const STRANGERS_WALLET = walletOfPrivateKey(STRANGER);

let wallet: Wallet;
/** Entry 1 is the start. Entries 7 and 10 are the checkpoints of entries 6 and 9. All other entries record requests to derive a key. */
let lines: Lines;
beforeAll(async () => {
  const audit = auditOf();
  wallet = audit.wallet;
  for (let number = 0; number < 5; number += 1) audit.trail.record(derived(number));
  await audit.checkpoint();
  for (let number = 5; number < 7; number += 1) audit.trail.record(derived(number));
  await audit.checkpoint();
  lines = [...readAll(audit.trail)];
});

/** Recomputes all hashes from an index to the end, as an attacker would after changing an entry. */
function rehashed(given: Lines, from = 0): Lines {
  let before = from === 0 ? HASH_BEFORE_FIRST : (given[from - 1]!['hash'] as string);
  return given.map((line, at) => {
    if (at < from) return line;
    const entry = Object.fromEntries(Object.entries(line).filter(([field]) => field !== 'hash'));
    before = nextHash(before, canonicalJson(entry));
    return { ...entry, hash: before };
  });
}

function changed(at: number, change: Readonly<Record<string, unknown>>): Lines {
  return lines.map((line, place) => (place === at ? { ...line, ...change } : line));
}

const firstProblem = (given: readonly unknown[], trusted: readonly Wallet[] | null = null) => verify(given, trusted).problems[0]?.what;

test('an unchanged audit log passes verification, and the report describes its contents', () => {
  expect(verify(lines)).toEqual({ chains: 1, entries: 10, checkpoints: 2, wallets: [wallet], missing: 0, unsigned: 0, problems: [] });
  expect(verify(lines, [wallet]).problems).toEqual([]);
});

test('an audit log of several chains in a row passes verification', () => {
  expect(verify([...lines, ...lines.slice(0, 3)])).toMatchObject({ chains: 2, entries: 13, unsigned: 3, problems: [] });
});

describe('the verifier finds', () => {
  test.each<[string, () => readonly unknown[], string]>([
    ['a changed entry', () => changed(3, { outcome: 'forbidden' }), 'the hash of entry 4 does not follow'],
    ['a changed entry with a recomputed hash', () => rehashed(changed(3, { outcome: 'forbidden' }), 3), 'the checkpoint of entry 6 has a different hash'],
    ['a removed entry', () => lines.toSpliced(3, 1), 'found entry 5, expected entry 4'],
    ['a removed entry, even if all entries get new numbers and hashes', () => rehashed(lines.toSpliced(3, 1).map((line, at) => ({ ...line, seq: at + 1 }))), 'the checkpoint of entry 6 has a different hash'],
    ['an added entry', () => lines.toSpliced(3, 0, lines[2]!), 'found entry 3, expected entry 4'],
    ['an added entry, even if all entries get new numbers and hashes', () => rehashed(lines.toSpliced(3, 0, lines[2]!).map((line, at) => ({ ...line, seq: at + 1 }))), 'the checkpoint of entry 6 has a different hash'],
    ['two swapped entries', () => lines.toSpliced(3, 2, lines[4]!, lines[3]!), 'found entry 5, expected entry 4'],
    ['an added field', () => changed(3, { note: 'x' }), 'this is not an audit entry'],
    ['a text that is longer than any text a node writes, even with a recomputed hash', () => rehashed(changed(3, { target: 'x'.repeat(300) }), 3), 'this is not an audit entry'],
    ['a missing beginning', () => lines.slice(1), 'the audit log does not begin'],
    ['a line that is not an entry', () => [...lines, 'x'], 'this is not an audit entry'],
    ['a checkpoint that a stranger signed in the name of the node', () => rehashed(changed(6, { signature: signEip191(STRANGER, auditMessage(6, lines[5]!['hash'] as string, wallet)) }), 6), 'the checkpoint of entry 6 is not signed by'],
    ['a checkpoint with the signature of another checkpoint', () => rehashed(changed(6, { signature: lines[9]!['signature'] }), 6), 'the checkpoint of entry 6 is not signed by'],
    ['a checkpoint with the hash of another entry', () => changed(9, { of_hash: lines[7]!['hash'] }), 'the hash of entry 10 does not follow'],
    ['a gap that the node has not reported', () => lines.toSpliced(3, 1, { op: 'gap', chain: lines[0]!['chain'], from: 4, to: 4, hash: lines[3]!['hash'] }), 'entries 4 to 4 are shown as dropped, but no entry reports it'],
    ['a gap that ends before it begins', () => [...lines, { op: 'gap', chain: lines[0]!['chain'], from: 4, to: 3, hash: lines[3]!['hash'] }], 'a gap from 4 to 3 does not follow entry 10'],
  ])('%s', (_, forged, what) => {
    expect(firstProblem(forged())).toContain(what);
  });

  test('a checkpoint signed by a wallet that is not in the given list of trusted wallets', () => {
    const [sequence, hash] = [6, lines[5]!['hash'] as string];
    const forged = rehashed(changed(6, { wallet: STRANGERS_WALLET, signature: signEip191(STRANGER, auditMessage(sequence, hash, STRANGERS_WALLET)) }), 6);
    expect(firstProblem(forged, [wallet])).toContain(`is signed by ${STRANGERS_WALLET}, which is not one of the given wallets`);
    expect(verify(forged).wallets).toContain(STRANGERS_WALLET);
  });

  test('an entry hidden by a gap that is reported only after the last checkpoint', () => {
    const hidden = lines.toSpliced(3, 1, { op: 'gap', chain: lines[0]!['chain'], from: 4, to: 4, hash: lines[3]!['hash'] });
    const forged = rehashed([...hidden, { op: 'dropped', at_ms: 1, seq: 11, up_to: 4 }], 10);
    expect(firstProblem(forged)).toBe('entries 4 to 4 are shown as dropped, but no checkpoint covers the entry that reports it');
  });

  test('any change to a signed line, and any missing signed line', () => {
    const text = lines.map((line) => JSON.stringify(line));
    fc.assert(
      fc.property(fc.nat(8), fc.nat(1_000), fc.constantFrom('a', '0', '1', 'f', ' ', '"'), (at, place, character) => {
        const line = text[at]!;
        const position = place % line.length;
        const bent = `${line.slice(0, position)}${character}${line.slice(position + 1)}`;
        const parsed = parsedOrNull(bent);
        // Spaces between the fields do not change the entry.
        fc.pre(parsed === null || canonicalJson(parsed) !== canonicalJson(lines[at]));
        expect(verify(lines.with(at, parsed as Lines[number])).problems).not.toEqual([]);
      }),
    );
    for (let at = 0; at < 9; at += 1) expect(verify(lines.toSpliced(at, 1)).problems).not.toEqual([]);
  });
});

test('the removal of the last checkpoint is not detected, but the entries that are then unsigned are counted', () => {
  expect(verify(lines.slice(0, 9))).toMatchObject({ unsigned: 2, problems: [] });
});

test('every line of an audit log is written as canonical JSON, and its hash is added as a field', () => {
  const checkpoint = { sequence: 3, hash: 'ab'.repeat(32), wallet: STRANGERS_WALLET, signature: `0x${'cd'.repeat(65)}` };
  for (const text of [eventText(7, 1, derived(1), 'ab'.repeat(16)), startText(1, 'ab'.repeat(16)), checkpointText(4, 1, checkpoint), droppedText(4, 1, 2), gapText('ab'.repeat(16), { from: 1, to: 2 }, 'ab'.repeat(32))]) {
    expect(canonicalJson(JSON.parse(text))).toBe(text);
  }
  expect(JSON.parse(withHash('{"a":1}', 'ff'))).toEqual({ a: 1, hash: 'ff' });
});

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
