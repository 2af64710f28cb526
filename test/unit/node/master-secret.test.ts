/** The master secret with a real vault (protocol.md §5, §9.1, §10): the vault carries out the decisions of `secret-life.ts` in the same call. */
import { describe, expect, test } from '@jest/globals';
import { deriveKey } from '../../../src/crypto/derivation.ts';
import { keccak256 } from '../../../src/crypto/hash.ts';
import { p384FromScalar } from '../../../src/crypto/p384.ts';
import { sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import { ZERO_HASH, type AppId, type Hash32, type Wallet } from '../../../src/domain/ids.ts';
import { MasterSecret } from '../../../src/node/master-secret.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const APP = 100 as AppId;
const PEER = `0x${'0b'.repeat(20)}` as Wallet;

function secretOf(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

function hashOf(value: number): Hash32 {
  return keccak256(secretOf(value));
}

function start() {
  const vault = new Vault({ random: new SeededRandom('master secret') });
  let emptied = 0;
  const master = new MasterSecret({ vault, emptyStore: () => void (emptied += 1) });
  const shows = (hash: Hash32): void => void master.observe({ type: 'chain.shows', hash, setHere: false });
  /** Simulates a member that answers a request with these bytes. */
  const receive = (bytes: Uint8Array, change: (sealed: object) => unknown = (sealed) => sealed) => {
    const request = master.beginSecretRequest();
    const sealed = sealSecret(p384FromScalar('11'.repeat(48)), request.ecdhPubkey, new Uint8Array(12), bytes);
    const received = master.receiveSecret(request, change(sealed), PEER);
    master.endSecretRequest(request);
    return received;
  };
  const derived = (): string => Buffer.from(vault.deriveAppKey(APP, 'path', undefined, 32)).toString('hex');
  return { vault, master, shows, receive, derived, emptied: () => emptied };
}

const derivedFrom = (value: number): string => Buffer.from(deriveKey(secretOf(value), APP, 'path', 32)).toString('hex');

describe('a secret from a member', () => {
  test('is installed when its hash is the chain hash', () => {
    const { vault, master, shows, receive, derived } = start();
    shows(hashOf(1));
    expect(receive(secretOf(1))).toBe('installed');
    expect([vault.servingHash(), vault.heldHashes(), derived()]).toEqual([hashOf(1), [hashOf(1)], derivedFrom(1)]);
    expect(master.named()).toEqual({ state: 'synced', from: PEER });
  });

  test.each<[string, Hash32 | null]>([
    ['has a hash that is not the chain hash', hashOf(2)],
    ['arrives while the chain hash is zero', ZERO_HASH],
    ['arrives before the chain has been read', null],
  ])('is not installed when it %s, and nothing changes', (_, shown) => {
    const { vault, master, shows, receive, derived } = start();
    master.holdCandidate(secretOf(3), 'given');
    if (shown !== null) shows(shown);
    expect(receive(secretOf(1))).toBe('wrong_hash');
    expect([vault.servingHash(), vault.heldHashes(), master.claimableHash()]).toEqual([null, [hashOf(3)], hashOf(3)]);
    shows(hashOf(3));
    expect(derived()).toBe(derivedFrom(3));
  });

  test('never replaces a confirmed secret', () => {
    const { master, shows, receive, derived } = start();
    master.holdCandidate(secretOf(1), 'given');
    shows(hashOf(1));
    expect([receive(secretOf(1)), receive(secretOf(2))]).toEqual(['already_confirmed', 'already_confirmed']);
    expect(derived()).toBe(derivedFrom(1));
  });

  test('that cannot be opened or has the wrong hash is refused, and the right secret is still accepted afterwards', () => {
    const { shows, receive } = start();
    shows(hashOf(1));
    expect([receive(secretOf(1), () => 'sealed'), receive(secretOf(2)), receive(secretOf(1))]).toEqual(['does_not_open', 'wrong_hash', 'installed']);
  });
});

describe('a reset of the chain hash', () => {
  test('sets the secret aside: the secret never becomes a candidate, and serves again only when the chain shows its hash again', () => {
    const { vault, master, shows, derived, emptied } = start();
    master.holdCandidate(secretOf(1), 'made');
    shows(hashOf(1));
    shows(ZERO_HASH);
    expect([vault.servingHash(), vault.heldHashes(), master.claimableHash()]).toEqual([null, [hashOf(1)], null]);
    expect(master.named()).toEqual({ state: 'generated', from: null });
    expect(master.observe({ type: 'claim.due' })).toEqual({ kind: 'make_candidate' });
    shows(hashOf(1));
    expect([derived(), emptied()]).toEqual([derivedFrom(1), 0]);
  });

  test('sets the secret aside, and the next confirmed secret wipes it and empties the store', () => {
    const { vault, master, shows, derived, emptied } = start();
    master.holdCandidate(secretOf(1), 'made');
    shows(hashOf(1));
    shows(ZERO_HASH);
    master.holdCandidate(secretOf(2), 'made');
    shows(hashOf(2));
    expect([vault.heldHashes(), derived(), emptied()]).toEqual([[hashOf(2)], derivedFrom(2), 1]);
    shows(hashOf(1));
    expect([vault.servingHash(), master.standing()]).toEqual([null, { kind: 'wanted' }]);
  });

  test('makes the node accept from a peer only the secret whose hash is the new chain hash', () => {
    const { master, shows, receive } = start();
    master.holdCandidate(secretOf(1), 'made');
    shows(hashOf(1));
    shows(hashOf(2));
    expect(receive(secretOf(1))).toBe('wrong_hash');
    expect(receive(secretOf(2))).toBe('installed');
  });
});

test('a node can answer requests only while the confirmed secret serves and the vault has its sync key', () => {
  const { vault, master, shows } = start();
  expect(master.isServable()).toBe(false);
  master.holdCandidate(secretOf(1), 'made');
  shows(hashOf(1));
  expect(master.isServable()).toBe(false);
  vault.installSyncKey();
  expect(master.isServable()).toBe(true);
  vault.setAside(hashOf(1));
  expect(master.isServable()).toBe(false);
});
