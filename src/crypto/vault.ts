/**
 * The vault: the only place in a node that keeps master secrets and keys derived from them (protocol.md §3, §5). It hands out derived keys,
 * sealed data and MACs, never a secret itself. Printing the vault shows no secret.
 *
 * The vault identifies secrets by their hashes. At most one of them is the serving secret, from which all keys are derived.
 * `machines/secret-life.ts` decides which secret this is, which secrets are kept and which are wiped.
 */
import { inspect } from 'node:util';
import { LRUCache } from 'lru-cache';
import { invariant, RefusalError } from '../domain/errors.ts';
import type { AuditTagKind } from '../domain/audit.ts';
import type { AppId, Hash32, TeePubkey } from '../domain/ids.ts';
import { MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { Random } from '../domain/ports.ts';
import { copyOfSecret } from '../domain/secret-bytes.ts';
import { AEAD_NONCE_BYTES } from './aead.ts';
import { DATA_KEY_PATH, derivationInfo, deriveAppSecret, deriveAuditKey, deriveKey, SYNC_KEY_PATH } from './derivation.ts';
import { constantTimeEqual, keccak256 } from './hash.ts';
import { hkdfExpand } from './hkdf.ts';
import { MacKey } from './mac-key.ts';
import { generateP384, isP384PublicKey, toDer, type P384KeyPair } from './p384.ts';
import { openSecret, sealSecret, type SealedSecret } from './sealed-secret.ts';
import { openStoredValue, sealStoredValue } from './stored-value.ts';

/** Maximum number of apps whose data keys are cached, and of apps whose secrets are cached. */
const CACHED_APPS = 1_024;
/** Maximum number of requests for the secret that are open at the same time. */
const OPEN_SECRET_REQUESTS = 64;
/** Length of a tag in the audit log. Hex digits. */
const AUDIT_TAG_CHARS = 32;

/** A request of this node for the master secret. A peer seals the secret to a key pair that stays in the vault. */
export interface SecretRequest {
  /** The public key of that pair, which is used for this request only. */
  readonly ecdhPubkey: TeePubkey;
}

interface OpenRequest {
  readonly keys: P384KeyPair;
  /** The secret in the last answer; null until an answer arrives, or if the answer did not decrypt. */
  opened: Uint8Array | null;
}

export class Vault {
  readonly #random: Random;
  readonly #secrets = new Map<Hash32, Uint8Array>();
  #serving: { readonly hash: Hash32; readonly bytes: Uint8Array } | null = null;
  #syncKey: MacKey | null = null;
  #auditKey: MacKey | null = null;
  readonly #beforeKeysChange: () => void;
  #wiped = false;
  readonly #dataKeys = cacheOfKeys();
  /** The first step of each derivation for an app, which takes half of the derivation's time. */
  readonly #appSecrets = cacheOfKeys();
  readonly #requests = new Map<SecretRequest, OpenRequest>();

  /** @param modules `beforeKeysChange` is called while keys are still derived from the old secret */
  constructor({ random, beforeKeysChange = () => undefined }: { readonly random: Random; readonly beforeKeysChange?: () => void }) {
    this.#random = random;
    this.#beforeKeysChange = beforeKeysChange;
  }

  /** Keeps a secret of 32 bytes and wipes the argument. No key is derived from the secret yet. @returns its hash */
  hold(secret: Uint8Array): Hash32 {
    this.#assertUsable();
    invariant(secret.length === MASTER_SECRET_BYTES, 'a secret does not have the length of a master secret');
    const hash = keccak256(secret);
    this.#keep(hash, secret);
    secret.fill(0);
    return hash;
  }

  /** From now on, all keys are derived from this secret. @throws InvariantError if the vault does not hold it */
  serve(hash: Hash32): void {
    this.#assertUsable();
    const bytes = this.#secrets.get(hash);
    invariant(bytes !== undefined, 'the secret that is to serve is not in the vault');
    if (this.#serving?.hash === hash) return;
    this.#beforeKeysChange();
    this.#wipeDerived();
    this.#serving = { hash, bytes };
  }

  /** Keeps this secret, but no longer derives anything from it. */
  setAside(hash: Hash32): void {
    if (this.#serving?.hash !== hash) return;
    this.#beforeKeysChange();
    this.#serving = null;
    this.#wipeDerived();
  }

  wipeSecret(hash: Hash32): void {
    this.setAside(hash);
    this.#secrets.get(hash)?.fill(0);
    this.#secrets.delete(hash);
  }

  /** Opens a request; close it with `endSecretRequest`. */
  beginSecretRequest(): SecretRequest {
    this.#assertUsable();
    invariant(this.#requests.size < OPEN_SECRET_REQUESTS, 'too many requests for the master secret are open');
    const keys = generateP384(this.#random);
    const request: SecretRequest = { ecdhPubkey: keys.publicKeyDer };
    this.#requests.set(request, { keys, opened: null });
    return request;
  }

  /**
   * Opens the secret that a peer sealed for `request` and returns its hash; null if the secret does not decrypt. The bytes are kept until
   * the request ends; only `keepReceived` keeps them longer.
   */
  openReceived(request: SecretRequest, sealed: unknown): Hash32 | null {
    this.#assertUsable();
    const open = this.#requests.get(request);
    invariant(open !== undefined, 'a sealed secret arrived for a request that is not open');
    open.opened?.fill(0);
    open.opened = openSecret(open.keys, sealed);
    return open.opened === null ? null : keccak256(open.opened);
  }

  /** Keeps the received secret beyond the end of the request. No key is derived from it yet. */
  keepReceived(request: SecretRequest): void {
    const opened = this.#requests.get(request)?.opened ?? null;
    invariant(opened !== null, 'the secret that is to be kept was not received');
    this.#keep(keccak256(opened), opened);
  }

  endSecretRequest(request: SecretRequest): void {
    const open = this.#requests.get(request);
    open?.keys.wipe();
    open?.opened?.fill(0);
    this.#requests.delete(request);
  }

  /** The hash of the serving secret; null if there is none. */
  servingHash(): Hash32 | null {
    return this.#serving?.hash ?? null;
  }

  /** The hashes of all held secrets. */
  heldHashes(): readonly Hash32[] {
    return [...this.#secrets.keys()];
  }

  /** Derives and keeps the sync key (protocol.md §1, step 5). @throws InvariantError when there is no serving secret */
  installSyncKey(): void {
    invariant(this.#serving !== null, 'a sync key was requested, but there is no serving secret');
    this.#syncKey ??= macKeyOf(deriveKey(this.#serving.bytes, 0, SYNC_KEY_PATH, 32));
  }

  hasSyncKey(): boolean {
    return this.#syncKey !== null;
  }

  /**
   * An app's key (protocol.md §3). The caller wipes it.
   * @throws RefusalError service_unavailable when there is no serving secret, forbidden for app 0, bad_request for the reserved info string
   */
  deriveAppKey(appId: AppId, path: string, context: string | undefined, length: number): Uint8Array {
    const secret = this.#servingSecret();
    if (appId === 0) throw new RefusalError('forbidden', 'app 0 may not derive keys');
    const info = derivationInfo(path, context);
    if (info === DATA_KEY_PATH) throw new RefusalError('bad_request', 'this path is reserved');
    return hkdfExpand(this.#appSecret(secret.bytes, String(appId)), info, length);
  }

  /** Encrypts an app's value for the store. @throws RefusalError service_unavailable */
  sealValue(appId: AppId, plaintext: Uint8Array): Uint8Array {
    return sealStoredValue(this.#dataKey(String(appId)), this.#random.bytes(AEAD_NONCE_BYTES), plaintext);
  }

  /** Null if the value does not decrypt. @throws RefusalError service_unavailable */
  openValue(appId: AppId, stored: Uint8Array): Uint8Array | null {
    return openStoredValue(this.#dataKey(String(appId)), stored);
  }

  /** Whether stored bytes decrypt with the app's data key; the plaintext is wiped. @throws the same refusal as `openValue` */
  opensValue(appId: string | AppId, stored: Uint8Array): boolean {
    const opened = openStoredValue(this.#dataKey(String(appId)), stored);
    opened?.fill(0);
    return opened !== null;
  }

  /** `x-sync-signature` of an envelope's canonical JSON, whole or in pieces. @throws InvariantError without a sync key */
  syncHmac(canonical: string | readonly string[]): string {
    invariant(this.#syncKey !== null, 'an HMAC was requested, but there is no sync key');
    return this.#syncKey.macHex(canonical);
  }

  /** Whether `signature` is the result of `syncHmac`; false without a sync key. Only lower-case hex is valid, because all nodes send it. */
  verifySyncHmac(canonical: string | readonly string[], signature: string): boolean {
    return this.#syncKey !== null && constantTimeEqual(this.syncHmac(canonical), signature);
  }

  /**
   * The tag that stands for a path or key in the audit log: the first 16 bytes of an HMAC, in hex, equal on all nodes with the same secret.
   * The HMAC covers the app id, so the tags of one app reveal nothing about the paths and keys of other apps. Null while there is no
   * serving secret.
   */
  auditTag(kind: AuditTagKind, appId: AppId, text: string): string | null {
    if (this.#serving === null) return null;
    this.#auditKey ??= macKeyOf(deriveAuditKey(this.#serving.bytes));
    return this.#auditKey.macHex(`${kind}:${appId}:${text}`).slice(0, AUDIT_TAG_CHARS);
  }

  /**
   * Seals the master secret to a peer's ephemeral key.
   * @throws RefusalError service_unavailable when there is no serving secret, bad_request for a bad key
   */
  sealMasterSecret(recipientDer: string): SealedSecret {
    const secret = this.#servingSecret();
    const recipient = toDer(recipientDer);
    if (!isP384PublicKey(recipient)) throw new RefusalError('bad_request', 'ecdh_pubkey is not a P-384 key in DER hex');
    const ephemeral = generateP384(this.#random);
    try {
      return sealSecret(ephemeral, recipient, this.#random.bytes(AEAD_NONCE_BYTES), secret.bytes);
    } finally {
      ephemeral.wipe();
    }
  }

  /** Overwrites all secrets and all keys derived from them. Later calls that need a secret fail. */
  wipe(): void {
    for (const hash of this.heldHashes()) this.wipeSecret(hash);
    for (const request of [...this.#requests.keys()]) this.endSecretRequest(request);
    this.#wipeDerived();
    this.#wiped = true;
  }

  toString(): string {
    return '[vault]';
  }

  toJSON(): string {
    return '[vault]';
  }

  [inspect.custom](): string {
    return '[vault]';
  }

  #assertUsable(): void {
    invariant(!this.#wiped, 'the vault was used after it was wiped');
  }

  #servingSecret(): { readonly bytes: Uint8Array } {
    if (this.#serving === null) throw new RefusalError('service_unavailable', 'the master secret is not confirmed');
    return this.#serving;
  }

  #dataKey(appId: string): Uint8Array {
    const secret = this.#servingSecret();
    const known = this.#dataKeys.get(appId);
    if (known !== undefined) return known;
    const key = hkdfExpand(this.#appSecret(secret.bytes, appId), DATA_KEY_PATH, 32);
    this.#dataKeys.set(appId, key);
    return key;
  }

  #appSecret(masterSecret: Uint8Array, appId: string): Uint8Array {
    const known = this.#appSecrets.get(appId);
    if (known !== undefined) return known;
    const secret = deriveAppSecret(masterSecret, appId);
    this.#appSecrets.set(appId, secret);
    return secret;
  }

  #keep(hash: Hash32, bytes: Uint8Array): void {
    if (!this.#secrets.has(hash)) this.#secrets.set(hash, copyOfSecret(bytes));
  }

  #wipeDerived(): void {
    this.#syncKey?.wipe();
    this.#syncKey = null;
    this.#auditKey?.wipe();
    this.#auditKey = null;
    this.#dataKeys.clear();
    this.#appSecrets.clear();
  }
}

/** A key that is dropped is wiped. */
function cacheOfKeys(): LRUCache<string, Uint8Array> {
  return new LRUCache({ max: CACHED_APPS, dispose: (key) => key.fill(0) });
}

/** @param bytes wiped here */
function macKeyOf(bytes: Uint8Array): MacKey {
  const key = new MacKey(bytes);
  bytes.fill(0);
  return key;
}
