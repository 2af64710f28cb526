/**
 * The vault: the only place in a node that holds key bytes (protocol.md §3, §5, §10). It hands out derived keys, seals and
 * MACs, never a secret itself, and only while the secret is confirmed: while it hashes to the chain hash of the last good
 * read. Printing it shows nothing.
 *
 * Secrets it may hold: the one that serves; a candidate that may be claimed; and those set aside, which serve nothing and
 * are kept because the chain may show their hash again. Installing another secret wipes all the rest.
 */
import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { LRUCache } from 'lru-cache';
import { invariant, RefusalError } from '../domain/errors.ts';
import { ZERO_HASH, type AppId, type Hash32, type TeePubkey } from '../domain/ids.ts';
import { MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { Random } from '../domain/ports.ts';
import { AEAD_NONCE_BYTES } from './aead.ts';
import { DATA_KEY_PATH, derivationInfo, deriveKey, SYNC_KEY_PATH } from './derivation.ts';
import { constantTimeEqual, keccak256 } from './hash.ts';
import { generateP384, isP384PublicKey, toDer, type P384KeyPair } from './p384.ts';
import { openSecret, sealSecret, type SealedSecret } from './sealed-secret.ts';
import { openStoredValue, sealStoredValue } from './stored-value.ts';

/** Data keys kept derived, one per app. */
const DATA_KEYS = 1_024;
/** Secrets set aside at once; the oldest is wiped first. Each needs a reset of the chain hash. */
const SECRETS_ASIDE = 4;
/** Requests for the secret under way at once. */
const OPEN_SECRET_REQUESTS = 64;

type Origin = 'generated' | 'synced';

interface HeldSecret {
  readonly bytes: Uint8Array;
  readonly hash: Hash32;
  readonly origin: Origin;
}

/** One request for the master secret: the key pair that it is to be sealed to stays in the vault. */
export interface SecretRequest {
  /** DER, ephemeral. */
  readonly ecdhPubkey: TeePubkey;
}

export type ReceivedSecret = 'installed' | 'already_confirmed' | 'does_not_open' | 'wrong_hash';

export class Vault {
  readonly #random: Random;
  #confirmed: HeldSecret | null = null;
  #candidate: HeldSecret | null = null;
  #aside: HeldSecret[] = [];
  #observed: Hash32 | null = null;
  #syncKey: Uint8Array | null = null;
  #installedHash: Hash32 | null = null;
  #generation = 0;
  #wiped = false;
  readonly #dataKeys = new LRUCache<string, Uint8Array>({ max: DATA_KEYS, dispose: (key) => key.fill(0) });
  readonly #requests = new Map<SecretRequest, P384KeyPair>();

  constructor(modules: { readonly random: Random }) {
    this.#random = modules.random;
  }

  /**
   * Tells the vault the chain hash of a good read. A secret that is kept and hashes to it serves; otherwise none does, and
   * the one that did is set aside.
   */
  observeChainHash(hash: Hash32): 'confirmed' | 'unmatched' | 'zero' {
    this.#assertUsable();
    this.#observed = hash;
    if (this.#confirmed?.hash === hash) return 'confirmed';
    this.#setConfirmedAside();
    if (hash === ZERO_HASH) return 'zero';
    const kept = [...(this.#candidate === null ? [] : [this.#candidate]), ...this.#aside].find((held) => held.hash === hash);
    if (kept === undefined) return 'unmatched';
    this.#install(kept);
    return 'confirmed';
  }

  /**
   * Tells the vault a chain hash before anything else is known of the read. A secret that serves and is another one is set aside:
   * nothing serves then until `observeChainHash`.
   * @returns whether it was
   */
  withdrawUnless(hash: Hash32): boolean {
    this.#assertUsable();
    if (this.#confirmed === null || this.#confirmed.hash === hash) return false;
    this.#observed = null;
    this.#setConfirmedAside();
    return true;
  }

  /** Takes 32 bytes that may be claimed; the argument is wiped. Returns their hash. */
  holdCandidate(secret: Uint8Array): Hash32 {
    this.#assertUsable();
    invariant(secret.length === MASTER_SECRET_BYTES, 'a candidate has another length than a master secret');
    if (this.#candidate !== null) this.#keepAside(this.#candidate);
    this.#candidate = { bytes: Uint8Array.from(secret), hash: keccak256(secret), origin: 'generated' };
    secret.fill(0);
    return this.#candidate.hash;
  }

  /** The hash that this node may claim; null when there is no candidate. */
  candidateHash(): Hash32 | null {
    return this.#candidate?.hash ?? null;
  }

  /** The candidate stood on the chain and was reset: it is kept, never claimed again. */
  retireCandidate(): void {
    if (this.#candidate !== null) this.#keepAside(this.#candidate);
    this.#candidate = null;
  }

  /** Opens a request; close it with `endSecretRequest`. */
  beginSecretRequest(): SecretRequest {
    this.#assertUsable();
    invariant(this.#requests.size < OPEN_SECRET_REQUESTS, 'too many requests for the master secret at once');
    const keys = generateP384(this.#random);
    const request: SecretRequest = { ecdhPubkey: keys.publicKeyDer };
    this.#requests.set(request, keys);
    return request;
  }

  /**
   * Opens what a peer sealed for `request` and installs it if, and only if, it hashes to the chain hash of the last good
   * read (protocol.md §5). Nothing of what is held changes otherwise.
   */
  receiveSecret(request: SecretRequest, sealed: unknown): ReceivedSecret {
    this.#assertUsable();
    if (this.#confirmed !== null) return 'already_confirmed';
    const keys = this.#requests.get(request);
    invariant(keys !== undefined, 'a sealed secret came for a request that is not open');
    const bytes = openSecret(keys, sealed);
    if (bytes === null) return 'does_not_open';
    const hash = keccak256(bytes);
    if (this.#observed === null || this.#observed === ZERO_HASH || !constantTimeEqual(hash, this.#observed)) {
      bytes.fill(0);
      return 'wrong_hash';
    }
    this.#install({ bytes: Uint8Array.from(bytes), hash, origin: 'synced' });
    bytes.fill(0);
    return 'installed';
  }

  endSecretRequest(request: SecretRequest): void {
    this.#requests.get(request)?.wipe();
    this.#requests.delete(request);
  }

  isConfirmed(): boolean {
    return this.#confirmed !== null;
  }

  confirmedHash(): Hash32 | null {
    return this.#confirmed?.hash ?? null;
  }

  /** Rises by one each time another secret than the one before comes to serve. */
  generation(): number {
    return this.#generation;
  }

  /** For `/status`: whether a secret is held and where it came from. */
  state(): 'uninitialized' | Origin {
    const held = this.#confirmed ?? this.#aside.at(-1) ?? this.#candidate;
    return held === null ? 'uninitialized' : held.origin;
  }

  /** Derives and keeps the sync key (protocol.md §1, step 5). @throws InvariantError when no secret is confirmed */
  installSyncKey(): void {
    invariant(this.#confirmed !== null, 'a sync key was asked for without a confirmed secret');
    this.#syncKey ??= deriveKey(this.#confirmed.bytes, 0, SYNC_KEY_PATH, 32);
  }

  hasSyncKey(): boolean {
    return this.#syncKey !== null;
  }

  /**
   * An app's key (protocol.md §3). The caller wipes it.
   * @throws RefusalError service_unavailable without a confirmed secret, forbidden for app 0, bad_request for the
   *   reserved info text
   */
  deriveAppKey(appId: AppId, path: string, context: string | undefined, length: number): Uint8Array {
    const secret = this.#servingSecret();
    if (appId === 0) throw new RefusalError('forbidden', 'app 0 derives no keys');
    const info = derivationInfo(path, context);
    if (info === DATA_KEY_PATH) throw new RefusalError('bad_request', 'this path is reserved');
    return deriveKey(secret.bytes, appId, info, length);
  }

  /** Encrypts a value of an app for the store. @throws RefusalError service_unavailable */
  sealValue(appId: AppId, plaintext: Uint8Array): Uint8Array {
    return sealStoredValue(this.#dataKey(String(appId)), this.#random.bytes(AEAD_NONCE_BYTES), plaintext);
  }

  /** null when it does not open. @throws RefusalError service_unavailable */
  openValue(appId: AppId, stored: Uint8Array): Uint8Array | null {
    return openStoredValue(this.#dataKey(String(appId)), stored);
  }

  /** Whether stored bytes decrypt under the app's data key; the plaintext is wiped. @throws as `openValue` */
  opensValue(appId: string | AppId, stored: Uint8Array): boolean {
    const opened = openStoredValue(this.#dataKey(String(appId)), stored);
    opened?.fill(0);
    return opened !== null;
  }

  /** `x-sync-signature` of an envelope's canonical JSON. @throws InvariantError without a sync key */
  syncHmac(canonical: string): string {
    invariant(this.#syncKey !== null, 'an HMAC was asked for without a sync key');
    return createHmac('sha256', this.#syncKey).update(canonical, 'utf8').digest('hex');
  }

  /** False without a sync key. Lower-case hex alone is taken: that is what every node sends. */
  verifySyncHmac(canonical: string, signature: string): boolean {
    return this.#syncKey !== null && constantTimeEqual(this.syncHmac(canonical), signature);
  }

  /**
   * Seals the master secret to a peer's ephemeral key.
   * @throws RefusalError service_unavailable without a confirmed secret, bad_request on a bad key
   */
  sealMasterSecret(recipientDer: string): SealedSecret {
    const secret = this.#servingSecret();
    const recipient = toDer(recipientDer);
    if (!isP384PublicKey(recipient)) throw new RefusalError('bad_request', 'ecdh_pubkey is no P-384 key in DER hex');
    const ephemeral = generateP384(this.#random);
    try {
      return sealSecret(ephemeral, recipient, this.#random.bytes(AEAD_NONCE_BYTES), secret.bytes);
    } finally {
      ephemeral.wipe();
    }
  }

  /** Overwrites everything. Whoever asks afterwards is refused. */
  wipe(): void {
    for (const held of [this.#confirmed, this.#candidate, ...this.#aside]) held?.bytes.fill(0);
    for (const keys of this.#requests.values()) keys.wipe();
    this.#requests.clear();
    this.#confirmed = null;
    this.#candidate = null;
    this.#aside = [];
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

  #servingSecret(): HeldSecret {
    if (this.#confirmed === null) throw new RefusalError('service_unavailable', 'the master secret is not confirmed');
    return this.#confirmed;
  }

  #dataKey(appId: string): Uint8Array {
    const secret = this.#servingSecret();
    const known = this.#dataKeys.get(appId);
    if (known !== undefined) return known;
    const key = deriveKey(secret.bytes, appId, DATA_KEY_PATH, 32);
    this.#dataKeys.set(appId, key);
    return key;
  }

  #install(secret: HeldSecret): void {
    for (const held of [this.#confirmed, this.#candidate, ...this.#aside]) {
      if (held !== null && held !== secret) held.bytes.fill(0);
    }
    this.#candidate = null;
    this.#aside = [];
    this.#wipeDerived();
    this.#confirmed = secret;
    if (this.#installedHash !== secret.hash) this.#generation += 1;
    this.#installedHash = secret.hash;
  }

  #setConfirmedAside(): void {
    if (this.#confirmed !== null) this.#keepAside(this.#confirmed);
    this.#confirmed = null;
    this.#wipeDerived();
  }

  #keepAside(secret: HeldSecret): void {
    this.#aside.push(secret);
    if (this.#aside.length > SECRETS_ASIDE) this.#aside.shift()?.bytes.fill(0);
  }

  #wipeDerived(): void {
    this.#syncKey?.fill(0);
    this.#syncKey = null;
    this.#dataKeys.clear();
  }
}
