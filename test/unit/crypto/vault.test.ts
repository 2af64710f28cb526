/** The vault (protocol.md §3, §5): derives keys from the serving secret, wipes secrets on request, and never prints a secret. */
import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import { deriveKey } from '../../../src/crypto/derivation.ts';
import { keccak256 } from '../../../src/crypto/hash.ts';
import { p384FromScalar, type P384KeyPair } from '../../../src/crypto/p384.ts';
import { openSecret, sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import type { AppId, Hash32 } from '../../../src/domain/ids.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const APP = 100 as AppId;
const NO_SECRET = { code: 'service_unavailable' };

/** 32 bytes that all have this value. Each call creates new bytes, because the vault wipes the bytes that it gets. */
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
  vault.serve(vault.hold(secret(value)));
  return vault;
}

function peerKeys(): P384KeyPair {
  return p384FromScalar('11'.repeat(48));
}

/** The answer from a peer: a secret, sealed to the key of the request. */
function sealedTo(ecdhPubkey: string, bytes: Uint8Array) {
  return sealSecret(peerKeys(), ecdhPubkey, new Uint8Array(12).fill(7), bytes);
}

function derived(vault: Vault): string {
  return Buffer.from(vault.deriveAppKey(APP, 'path', undefined, 32)).toString('hex');
}

function derivedFrom(value: number): string {
  return Buffer.from(deriveKey(secret(value), APP, 'path', 32)).toString('hex');
}

describe('the audit tag of a path or key', () => {
  const tag = (vault: Vault, kind: 'derive' | 'data' = 'derive', appId: AppId = APP, text = 'path') => vault.auditTag(kind, appId, text);

  test('is the same on all nodes with the same secret, and different with a different secret', () => {
    expect(tag(servingVault(1))).toMatch(/^[0-9a-f]{32}$/);
    expect(tag(servingVault(1))).toBe(tag(servingVault(1)));
    expect(tag(servingVault(2))).not.toBe(tag(servingVault(1)));
  });

  test('depends on app, kind and text separately, even if their concatenation is the same string', () => {
    const vault = servingVault();
    const tags = [tag(vault), tag(vault, 'data'), tag(vault, 'derive', 10 as AppId, '0:path'), tag(vault, 'derive', APP, 'path2'), tag(vault, 'derive', 10 as AppId)];
    expect(new Set(tags).size).toBe(tags.length);
  });

  test('is found neither in keys that the app derives nor in HMACs made with these keys', () => {
    const vault = servingVault();
    const keys = ['path', 'audit_tag_key', `derive:${APP}:path`].map((path) => Buffer.from(vault.deriveAppKey(APP, path, undefined, 32)));
    for (const key of keys) {
      expect(key.toString('hex')).not.toContain(tag(vault));
      expect(createHmac('sha256', key).update(`derive:${APP}:path`).digest('hex')).not.toContain(tag(vault));
    }
  });

  test('exists only while a secret serves', () => {
    const vault = servingVault();
    expect(tag(emptyVault())).toBeNull();
    const before = tag(vault);
    vault.setAside(hashOf(1));
    expect(tag(vault)).toBeNull();
    vault.serve(vault.hold(secret(2)));
    expect(tag(vault)).not.toBe(before);
    vault.wipe();
    expect(tag(vault)).toBeNull();
  });
});

test('the vault announces each change of the secret while it still derives keys from the old secret', () => {
  const seen: (string | null)[] = [];
  const vault: Vault = new Vault({ random: new SeededRandom('vault'), beforeKeysChange: () => void seen.push(vault.auditTag('derive', APP, 'path')) });
  const [first, second] = [vault.hold(secret(1)), vault.hold(secret(2))];
  vault.serve(first);
  vault.serve(first);
  vault.serve(second);
  vault.setAside(second);
  vault.serve(first);
  vault.wipe();
  const tagOf = (value: number) => servingVault(value).auditTag('derive', APP, 'path');
  expect(seen).toEqual([null, tagOf(1), tagOf(2), null, tagOf(1)]);
});

describe('a secret that does not serve', () => {
  test.each<[string, (vault: Vault) => unknown]>([
    ['derives no key', (vault) => vault.deriveAppKey(APP, 'path', undefined, 32)],
    ['is not handed out', (vault) => vault.sealMasterSecret(peerKeys().publicKeyDer)],
    ['seals no value', (vault) => vault.sealValue(APP, Buffer.from('text'))],
    ['opens no value', (vault) => vault.openValue(APP, new Uint8Array(28))],
    ['opens no value in a batch', (vault) => vault.opensValue('100', new Uint8Array(28))],
  ])('%s', (_, use) => {
    const holding = emptyVault();
    holding.hold(secret(1));
    expect(() => use(holding)).toThrow(expect.objectContaining(NO_SECRET));
    const aside = servingVault(1);
    aside.setAside(hashOf(1));
    expect(() => use(aside)).toThrow(expect.objectContaining(NO_SECRET));
    const wiped = servingVault(1);
    wiped.wipeSecret(hashOf(1));
    expect(() => use(wiped)).toThrow(expect.objectContaining(NO_SECRET));
  });

  test('has no sync key, and every HMAC is refused', () => {
    const vault = servingVault();
    vault.installSyncKey();
    const before = vault.syncHmac('{}');
    vault.setAside(hashOf(1));
    expect(vault.hasSyncKey()).toBe(false);
    expect(vault.verifySyncHmac('{}', before)).toBe(false);
    expect(() => vault.syncHmac('{}')).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    expect(() => vault.installSyncKey()).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });
});

describe('the secret that serves', () => {
  test('must be in the vault: any other hash causes an InvariantError', () => {
    const vault = emptyVault();
    vault.hold(secret(1));
    expect(() => vault.serve(hashOf(2))).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    expect(vault.servingHash()).toBeNull();
  });

  test('can be replaced, and then everything that was derived from it is dropped', () => {
    const vault = servingVault(1);
    vault.installSyncKey();
    const stored = vault.sealValue(APP, Buffer.from('hello'));
    vault.serve(vault.hold(secret(2)));
    expect([vault.servingHash(), vault.hasSyncKey()]).toEqual([hashOf(2), false]);
    expect(derived(vault)).toBe(derivedFrom(2));
    expect(vault.opensValue(APP, stored)).toBe(false);
    expect(vault.heldHashes()).toEqual([hashOf(1), hashOf(2)]);
  });

  test('keeps its sync key when the same secret is served again', () => {
    const vault = servingVault(1);
    vault.installSyncKey();
    vault.serve(hashOf(1));
    expect(vault.hasSyncKey()).toBe(true);
  });

  test('does not change when a different secret is set aside or wiped', () => {
    const vault = servingVault(1);
    vault.hold(secret(2));
    vault.setAside(hashOf(2));
    vault.wipeSecret(hashOf(2));
    expect([vault.servingHash(), vault.heldHashes()]).toEqual([hashOf(1), [hashOf(1)]]);
  });

  test('is kept when it is set aside, and can serve again', () => {
    const vault = servingVault(1);
    vault.setAside(hashOf(1));
    expect([vault.servingHash(), vault.heldHashes()]).toEqual([null, [hashOf(1)]]);
    vault.serve(hashOf(1));
    expect(derived(vault)).toBe(derivedFrom(1));
  });
});

describe('a secret from a peer', () => {
  test('can be identified by its hash, but does not serve until the vault is told to keep it and then to serve it', () => {
    const vault = emptyVault();
    const request = vault.beginSecretRequest();
    expect(vault.openReceived(request, sealedTo(request.ecdhPubkey, secret(1)))).toBe(hashOf(1));
    expect([vault.servingHash(), vault.heldHashes()]).toEqual([null, []]);
    vault.keepReceived(request);
    vault.endSecretRequest(request);
    vault.serve(hashOf(1));
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test('is dropped when its request ends, unless the vault was told to keep it', () => {
    const vault = emptyVault();
    const request = vault.beginSecretRequest();
    vault.openReceived(request, sealedTo(request.ecdhPubkey, secret(1)));
    vault.endSecretRequest(request);
    expect(vault.heldHashes()).toEqual([]);
    expect(() => vault.keepReceived(request)).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });

  test.each<[string, (sealed: Record<string, string>) => unknown]>([
    ['is not an object', () => 'sealed'],
    ['lacks a field', ({ nonce, encrypted_data }) => ({ nonce, encrypted_data })],
    ['is not hex', (sealed) => ({ ...sealed, encrypted_data: 'zz' })],
    ['has a nonce of the wrong length', (sealed) => ({ ...sealed, nonce: 'aa'.repeat(32) })],
    ['has an invalid key', (sealed) => ({ ...sealed, ephemeral_pubkey: 'aa'.repeat(120) })],
    ['has a changed tag', (sealed) => ({ ...sealed, encrypted_data: `${sealed['encrypted_data']!.slice(0, -2)}00` })],
    ['is sealed to a different key', () => sealedTo(p384FromScalar('22'.repeat(48)).publicKeyDer, secret(1))],
  ])('cannot be opened when it %s', (_, change) => {
    const vault = emptyVault();
    const request = vault.beginSecretRequest();
    expect(vault.openReceived(request, change({ ...sealedTo(request.ecdhPubkey, secret(1)) }))).toBeNull();
  });

  test.each([0, 16, 31, 33, 64])('cannot be opened when it has %i bytes: a longer secret is never truncated', (length) => {
    const vault = emptyVault();
    const request = vault.beginSecretRequest();
    expect(vault.openReceived(request, sealedTo(request.ecdhPubkey, new Uint8Array(length).fill(1)))).toBeNull();
  });

  test('causes an InvariantError when it is opened for a closed request', () => {
    const vault = emptyVault();
    const request = vault.beginSecretRequest();
    vault.endSecretRequest(request);
    expect(() => vault.openReceived(request, {})).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });

  test('can be requested at most 64 times simultaneously', () => {
    const vault = emptyVault();
    const requests = Array.from({ length: 64 }, () => vault.beginSecretRequest());
    expect(new Set(requests.map(({ ecdhPubkey }) => ecdhPubkey)).size).toBe(64);
    expect(() => vault.beginSecretRequest()).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    vault.endSecretRequest(requests[0]!);
    expect(vault.beginSecretRequest().ecdhPubkey).toMatch(/^[0-9a-f]{240}$/);
  });
});

describe('the vault, when it receives or wipes secrets,', () => {
  test('wipes the given bytes after it has copied them', () => {
    const given = secret(1);
    const vault = emptyVault();
    expect(vault.hold(given)).toBe(hashOf(1));
    expect(given).toEqual(new Uint8Array(32));
    vault.serve(hashOf(1));
    expect(derived(vault)).toBe(derivedFrom(1));
  });

  test('throws an InvariantError when a secret has the wrong length', () => {
    expect(() => emptyVault().hold(new Uint8Array(31))).toThrow(expect.objectContaining({ name: 'InvariantError' }));
  });

  test('refuses callers after all secrets are wiped, and throws an InvariantError if it is then asked to receive or serve a secret', () => {
    const vault = servingVault();
    vault.installSyncKey();
    vault.wipe();
    expect(() => derived(vault)).toThrow(expect.objectContaining(NO_SECRET));
    expect(() => vault.sealMasterSecret(peerKeys().publicKeyDer)).toThrow(expect.objectContaining(NO_SECRET));
    expect([vault.hasSyncKey(), vault.heldHashes()]).toEqual([false, []]);
    for (const use of [() => vault.serve(hashOf(1)), () => vault.hold(secret(1)), () => vault.beginSecretRequest()]) {
      expect(use).toThrow(expect.objectContaining({ name: 'InvariantError' }));
    }
  });
});

describe('an app', () => {
  test.each<[string, number, string, string | undefined, string | null]>([
    ['gets a key for its path', 100, 'path', undefined, null],
    ['gets a key for the reserved path with a context, but that key is not its storage key', 100, 'data_key', 'x', null],
    ['gets a key for a path that only resembles the reserved path', 100, ' data_key', undefined, null],
    ['gets a key for the path of the sync key, but not the sync key itself, because the app id is different', 100, 'sync_hmac_key', undefined, null],
    ['does not get its storage key', 100, 'data_key', undefined, 'bad_request'],
    ['does not get its storage key with an empty context', 100, 'data_key', '', 'bad_request'],
    ['does not get a key of app 0', 0, 'path', undefined, 'forbidden'],
    ['does not get the sync key of app 0', 0, 'sync_hmac_key', undefined, 'forbidden'],
  ])('%s', (_, appId, path, context, code) => {
    const vault = servingVault();
    const derive = (): Uint8Array => vault.deriveAppKey(appId as AppId, path, context, 32);
    if (code !== null) expect(derive).toThrow(expect.objectContaining({ code }));
    else expect(derive()).toEqual(deriveKey(secret(1), appId, context === undefined ? path : `${path}:${context}`, 32));
  });

  test('gets its own value back, and no other app can read it', () => {
    const vault = servingVault();
    const stored = vault.sealValue(APP, Buffer.from('hello'));
    expect(stored).toHaveLength(5 + 28);
    expect(Buffer.from(vault.openValue(APP, stored)!).toString()).toBe('hello');
    expect(vault.openValue(101 as AppId, stored)).toBeNull();
    expect(vault.opensValue('100', stored)).toBe(true);
    expect(vault.opensValue('101', stored)).toBe(false);
    expect(vault.opensValue('100', stored.subarray(0, 27))).toBe(false);
  });

  test('gets an empty value back', () => {
    const vault = servingVault();
    expect(vault.openValue(APP, vault.sealValue(APP, new Uint8Array()))).toHaveLength(0);
  });
});

describe('a peer', () => {
  test('gets the secret, sealed to the key that it made for this request', () => {
    const vault = servingVault();
    const asking = p384FromScalar('33'.repeat(48));
    const sealed = vault.sealMasterSecret(asking.publicKeyDer);
    expect(openSecret(asking, sealed)).toEqual(secret(1));
    expect(openSecret(peerKeys(), sealed)).toBeNull();
    expect(vault.sealMasterSecret(asking.publicKeyDer).ephemeral_pubkey).not.toBe(sealed.ephemeral_pubkey);
  });

  test.each(['', 'zz', 'aa'.repeat(120), '04'])('gets no secret for the invalid key %j', (key) => {
    expect(() => servingVault().sealMasterSecret(key)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  test('passes the HMAC check only with the right HMAC in lower-case hex digits', () => {
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

describe('a secret in the vault is never printed', () => {
  const value = 0xa7;
  const forms = [Buffer.from(secret(value)).toString('hex'), Buffer.from(secret(value)).toString('base64'), '167,167', '167, 167'];

  test.each<[string, (vault: Vault) => string]>([
    ['as text', (vault) => String(vault)],
    ['as JSON', (vault) => JSON.stringify({ vault })],
    ['when the vault is inspected', (vault) => inspect({ vault }, { depth: 9, showHidden: true })],
    ['when the properties of the vault are enumerated', (vault) => JSON.stringify(Object.entries(vault))],
    ['when a request of the vault is inspected', (vault) => inspect(vault.beginSecretRequest(), { depth: 9, showHidden: true })],
  ])('%s', (_, print) => {
    const vault = servingVault(value);
    vault.installSyncKey();
    vault.setAside(hashOf(value));
    const printed = print(vault);
    for (const form of forms) expect(printed).not.toContain(form);
  });

  test('in the message of a refusal', () => {
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
