/** The vault (protocol.md §3, §5, §10): compares before it installs, sets aside, wipes, and never prints a secret. */
import { describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import { deriveKey } from '../../../src/crypto/derivation.ts';
import { keccak256 } from '../../../src/crypto/hash.ts';
import { p384FromScalar, type P384KeyPair } from '../../../src/crypto/p384.ts';
import { openSecret, sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import { ZERO_HASH, type AppId, type Hash32 } from '../../../src/domain/ids.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const APP = 100 as AppId;
const NO_SECRET = { code: 'service_unavailable' };

/** 32 bytes of this value, anew each time, since the vault wipes what it is given. */
function secret(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

function hashOf(value: number): Hash32 {
  return keccak256(secret(value));
}

function emptyVault(): Vault {
  return new Vault({ random: new SeededRandom('vault') });
}

function servingVault(value = 1): Vault {
  const vault = emptyVault();
  vault.holdCandidate(secret(value));
  vault.observeChainHash(hashOf(value));
  return vault;
}

function peerKeys(): P384KeyPair {
  return p384FromScalar('11'.repeat(48));
}

/** Has the vault ask and answers it with these bytes. */
function receive(vault: Vault, bytes: Uint8Array) {
  const request = vault.beginSecretRequest();
  const sealed = sealSecret(peerKeys(), request.ecdhPubkey, new Uint8Array(12).fill(7), bytes);
  const received = vault.receiveSecret(request, sealed);
  vault.endSecretRequest(request);
  return received;
}

function derived(vault: Vault): string {
  return Buffer.from(vault.deriveAppKey(APP, 'path', undefined, 32)).toString('hex');
}

function derivedFrom(value: number): string {
  return Buffer.from(deriveKey(secret(value), APP, 'path', 32)).toString('hex');
}

describe('a secret that the chain does not show', () => {
  test.each<[string, (vault: Vault) => unknown]>([
    ['derives no key', (vault) => vault.deriveAppKey(APP, 'path', undefined, 32)],
    ['is handed to nobody', (vault) => vault.sealMasterSecret(peerKeys().publicKeyDer)],
    ['seals no value', (vault) => vault.sealValue(APP, Buffer.from('text'))],
    ['opens no value', (vault) => vault.openValue(APP, new Uint8Array(28))],
    ['opens no value of a batch', (vault) => vault.opensValue('100', new Uint8Array(28))],
  ])('%s', (_, use) => {
    const claimed = emptyVault();
    claimed.holdCandidate(secret(1));
    expect(() => use(claimed)).toThrow(expect.objectContaining(NO_SECRET));
    claimed.observeChainHash(ZERO_HASH);
    expect(() => use(claimed)).toThrow(expect.objectContaining(NO_SECRET));
    claimed.observeChainHash(hashOf(2));
    expect(() => use(claimed)).toThrow(expect.objectContaining(NO_SECRET));
    const reset = servingVault();
    reset.observeChainHash(ZERO_HASH);
    expect(() => use(reset)).toThrow(expect.objectContaining(NO_SECRET));
  });

  test('gives no sync key, and no HMAC is right', () => {
    const vault = servingVault();
    vault.installSyncKey();
    const before = vault.syncHmac('{}');
    vault.observeChainHash(hashOf(2));
    expect(vault.hasSyncKey()).toBe(false);
    expect(vault.verifySyncHmac('{}', before)).toBe(false);
    expect(() => vault.syncHmac('{}')).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    expect(() => vault.installSyncKey()).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });
});

describe('a secret that a peer gave', () => {
  test('is installed when it hashes to what the chain shows', () => {
    const vault = emptyVault();
    expect(vault.observeChainHash(hashOf(1))).toBe('unmatched');
    expect(receive(vault, secret(1))).toBe('installed');
    expect(vault.confirmedHash()).toBe(hashOf(1));
    expect(vault.state()).toBe('synced');
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test.each<[string, Hash32 | null]>([
    ['hashes to something else', hashOf(2)],
    ['comes while the chain hash is zero', ZERO_HASH],
    ['comes before the chain was read', null],
  ])('is not installed when it %s, and nothing changes', (_, shown) => {
    const vault = emptyVault();
    vault.holdCandidate(secret(3));
    if (shown !== null) vault.observeChainHash(shown);
    expect(receive(vault, secret(1))).toBe('wrong_hash');
    expect(vault.isConfirmed()).toBe(false);
    expect(vault.candidateHash()).toBe(hashOf(3));
    expect(vault.generation()).toBe(0);
    vault.observeChainHash(hashOf(3));
    expect(derived(vault)).toBe(derivedFrom(3));
  });

  test('never replaces one that is confirmed', () => {
    const vault = servingVault();
    expect(receive(vault, secret(1))).toBe('already_confirmed');
    expect(receive(vault, secret(2))).toBe('already_confirmed');
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test('after a wrong one the right one is still taken', () => {
    const vault = emptyVault();
    vault.observeChainHash(hashOf(1));
    expect(receive(vault, secret(2))).toBe('wrong_hash');
    expect(receive(vault, secret(1))).toBe('installed');
  });

  test.each<[string, (sealed: Record<string, string>) => unknown]>([
    ['is no object', () => 'sealed'],
    ['lacks a field', ({ nonce, encrypted_data }) => ({ nonce, encrypted_data })],
    ['is not hex', (sealed) => ({ ...sealed, encrypted_data: 'zz' })],
    ['has a nonce of another length', (sealed) => ({ ...sealed, nonce: 'aa'.repeat(32) })],
    ['has a key that is none', (sealed) => ({ ...sealed, ephemeral_pubkey: 'aa'.repeat(120) })],
    ['has a changed tag', (sealed) => ({ ...sealed, encrypted_data: `${sealed['encrypted_data']!.slice(0, -2)}00` })],
    ['is sealed to somebody else', () => sealSecret(peerKeys(), p384FromScalar('22'.repeat(48)).publicKeyDer, new Uint8Array(12), secret(1))],
  ])('does not open when it %s', (_, change) => {
    const vault = emptyVault();
    vault.observeChainHash(hashOf(1));
    const request = vault.beginSecretRequest();
    const sealed = sealSecret(peerKeys(), request.ecdhPubkey, new Uint8Array(12), secret(1));
    expect(vault.receiveSecret(request, change({ ...sealed }))).toBe('does_not_open');
    expect(vault.isConfirmed()).toBe(false);
  });

  test.each([0, 16, 31, 33, 64])('does not open when %i bytes are inside: longer ones are never cut', (length) => {
    const vault = emptyVault();
    vault.observeChainHash(hashOf(1));
    expect(receive(vault, new Uint8Array(length).fill(1))).toBe('does_not_open');
  });

  test('is refused loudly for a request that was closed', () => {
    const vault = emptyVault();
    vault.observeChainHash(hashOf(1));
    const request = vault.beginSecretRequest();
    vault.endSecretRequest(request);
    expect(() => vault.receiveSecret(request, {})).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });

  test('can be asked for at most 64 times at once', () => {
    const vault = emptyVault();
    const requests = Array.from({ length: 64 }, () => vault.beginSecretRequest());
    expect(new Set(requests.map(({ ecdhPubkey }) => ecdhPubkey)).size).toBe(64);
    expect(() => vault.beginSecretRequest()).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    vault.endSecretRequest(requests[0]!);
    expect(vault.beginSecretRequest().ecdhPubkey).toMatch(/^[0-9a-f]{240}$/);
  });
});

describe('a reset of the chain hash', () => {
  test('sets the secret aside: it is never a candidate, and comes back only when the chain shows its hash', () => {
    const vault = servingVault(1);
    expect(vault.observeChainHash(ZERO_HASH)).toBe('zero');
    expect(vault.candidateHash()).toBeNull();
    expect(vault.confirmedHash()).toBeNull();
    expect(vault.state()).toBe('generated');
    expect(vault.observeChainHash(hashOf(1))).toBe('confirmed');
    expect(vault.generation()).toBe(1);
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test('is known from the read on: the secret serves no more, and nothing is taken until the hash is observed', () => {
    const vault = servingVault(1);
    expect(vault.withdrawUnless(hashOf(1))).toBe(false);
    expect(vault.confirmedHash()).toBe(hashOf(1));
    expect(vault.withdrawUnless(hashOf(2))).toBe(true);
    expect([vault.confirmedHash(), vault.hasSyncKey(), vault.withdrawUnless(hashOf(3))]).toEqual([null, false, false]);
    // Not even the one that served, from a peer that still has it.
    expect(receive(vault, secret(1))).toBe('wrong_hash');
    expect(vault.observeChainHash(hashOf(1))).toBe('confirmed');
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test('wipes what was set aside once another secret is installed', () => {
    const vault = servingVault(1);
    vault.observeChainHash(ZERO_HASH);
    vault.holdCandidate(secret(2));
    expect(vault.observeChainHash(hashOf(2))).toBe('confirmed');
    expect(vault.generation()).toBe(2);
    expect(vault.observeChainHash(hashOf(1))).toBe('unmatched');
    expect(derived(confirmedAgain(vault, 2))).toBe(derivedFrom(2));
  });

  test('keeps a claimed candidate until another is installed: a reorganisation may bring its claim back', () => {
    const vault = emptyVault();
    vault.holdCandidate(secret(1));
    vault.retireCandidate();
    expect(vault.candidateHash()).toBeNull();
    vault.holdCandidate(secret(2));
    expect(vault.candidateHash()).toBe(hashOf(2));
    expect(vault.observeChainHash(hashOf(1))).toBe('confirmed');
    expect(vault.candidateHash()).toBeNull();
    expect(vault.observeChainHash(hashOf(2))).toBe('unmatched');
  });

  test('many times over keeps four secrets: the oldest goes first', () => {
    const vault = emptyVault();
    for (const value of [1, 2, 3, 4, 5]) {
      vault.holdCandidate(secret(value));
      vault.retireCandidate();
    }
    expect(vault.observeChainHash(hashOf(1))).toBe('unmatched');
    expect(vault.observeChainHash(hashOf(2))).toBe('confirmed');
  });

  function confirmedAgain(vault: Vault, value: number): Vault {
    expect(vault.observeChainHash(hashOf(value))).toBe('confirmed');
    return vault;
  }
});

describe('what is wiped', () => {
  test('the bytes given as a candidate, which the vault keeps a copy of', () => {
    const given = secret(1);
    const vault = emptyVault();
    expect(vault.holdCandidate(given)).toBe(hashOf(1));
    expect(given).toEqual(new Uint8Array(32));
    vault.observeChainHash(hashOf(1));
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test('a candidate of another length is a broken rule', () => {
    expect(() => emptyVault().holdCandidate(new Uint8Array(31))).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });

  test('everything at the end: callers are refused, the jobs must not go on', () => {
    const vault = servingVault();
    vault.installSyncKey();
    vault.wipe();
    expect(() => derived(vault)).toThrow(expect.objectContaining(NO_SECRET));
    expect(() => vault.sealMasterSecret(peerKeys().publicKeyDer)).toThrow(expect.objectContaining(NO_SECRET));
    expect(vault.hasSyncKey()).toBe(false);
    expect(vault.state()).toBe('uninitialized');
    for (const use of [
      () => vault.observeChainHash(hashOf(1)),
      () => vault.holdCandidate(secret(1)),
      () => vault.beginSecretRequest(),
    ]) {
      expect(use).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    }
  });
});

describe('what an app can get', () => {
  test.each<[string, number, string, string | undefined, string | null]>([
    ['its own key', 100, 'path', undefined, null],
    ['with a context that makes the text longer', 100, 'data_key', 'x', null],
    ['of a path that only resembles the reserved one', 100, ' data_key', undefined, null],
    ['the sync path under its own id', 100, 'sync_hmac_key', undefined, null],
    ['not its storage key', 100, 'data_key', undefined, 'bad_request'],
    ['not its storage key by an empty context', 100, 'data_key', '', 'bad_request'],
    ['nothing of app 0', 0, 'path', undefined, 'forbidden'],
    ['not the sync key of app 0', 0, 'sync_hmac_key', undefined, 'forbidden'],
  ])('%s', (_, appId, path, context, code) => {
    const vault = servingVault();
    const derive = (): Uint8Array => vault.deriveAppKey(appId as AppId, path, context, 32);
    if (code !== null) expect(derive).toThrow(expect.objectContaining({ code }));
    else expect(derive()).toEqual(deriveKey(secret(1), appId, context === undefined ? path : `${path}:${context}`, 32));
  });

  test('a value comes back as it was, under its own app alone', () => {
    const vault = servingVault();
    const stored = vault.sealValue(APP, Buffer.from('hello'));
    expect(stored).toHaveLength(5 + 28);
    expect(Buffer.from(vault.openValue(APP, stored)!).toString()).toBe('hello');
    expect(vault.openValue(101 as AppId, stored)).toBeNull();
    expect(vault.opensValue('100', stored)).toBe(true);
    expect(vault.opensValue('101', stored)).toBe(false);
    expect(vault.opensValue('100', stored.subarray(0, 27))).toBe(false);
  });

  test('an empty value is a value', () => {
    const vault = servingVault();
    expect(vault.openValue(APP, vault.sealValue(APP, new Uint8Array()))).toHaveLength(0);
  });

  test('the data keys of an old secret do not open values under a new one', () => {
    const vault = servingVault(1);
    const stored = vault.sealValue(APP, Buffer.from('hello'));
    vault.observeChainHash(ZERO_HASH);
    vault.holdCandidate(secret(2));
    vault.observeChainHash(hashOf(2));
    expect(vault.opensValue(APP, stored)).toBe(false);
  });
});

describe('what a peer can get', () => {
  test('the secret, sealed to the key it made for this', () => {
    const vault = servingVault();
    const asking = p384FromScalar('33'.repeat(48));
    const sealed = vault.sealMasterSecret(asking.publicKeyDer);
    expect(openSecret(asking, sealed)).toEqual(secret(1));
    expect(openSecret(peerKeys(), sealed)).toBeNull();
    expect(vault.sealMasterSecret(asking.publicKeyDer).ephemeral_pubkey).not.toBe(sealed.ephemeral_pubkey);
  });

  test.each(['', 'zz', 'aa'.repeat(120), '04'])('nothing for the key %j', (key) => {
    expect(() => servingVault().sealMasterSecret(key)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  test('a right HMAC in lower-case hex passes, everything else does not', () => {
    const vault = servingVault();
    vault.installSyncKey();
    const right = vault.syncHmac('{"a":1}');
    expect(vault.verifySyncHmac('{"a":1}', right)).toBe(true);
    for (const wrong of ['', right.slice(1), right.toUpperCase(), `0x${right}`, '0'.repeat(64), `${right} `]) {
      expect(vault.verifySyncHmac('{"a":1}', wrong)).toBe(false);
    }
    expect(vault.verifySyncHmac('{"a":2}', right)).toBe(false);
  });
});

describe('nothing of a vault can be printed', () => {
  const value = 0xa7;
  const forms = [Buffer.from(secret(value)).toString('hex'), Buffer.from(secret(value)).toString('base64'), '167,167', '167, 167'];

  test.each<[string, (vault: Vault) => string]>([
    ['as text', (vault) => String(vault)],
    ['as JSON', (vault) => JSON.stringify({ vault })],
    ['by inspection', (vault) => inspect({ vault }, { depth: 9, showHidden: true })],
    ['by its own keys', (vault) => JSON.stringify(Object.entries(vault))],
    ['by its requests', (vault) => inspect(vault.beginSecretRequest(), { depth: 9, showHidden: true })],
  ])('%s', (_, print) => {
    const vault = servingVault(value);
    vault.installSyncKey();
    vault.observeChainHash(ZERO_HASH);
    vault.holdCandidate(secret(value));
    const printed = print(vault);
    for (const form of forms) expect(printed).not.toContain(form);
  });

  test('a refusal of the vault holds no byte of a secret', () => {
    const vault = servingVault(value);
    for (const use of [
      () => vault.deriveAppKey(0 as AppId, 'path', undefined, 32),
      () => vault.deriveAppKey(APP, 'data_key', undefined, 32),
      () => vault.sealMasterSecret('zz'),
    ]) {
      let caught: unknown;
      try {
        use();
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(Error);
      for (const form of forms) expect(inspect(caught, { depth: 9, showHidden: true })).not.toContain(form);
    }
  });
});
