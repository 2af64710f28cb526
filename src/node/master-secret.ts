/**
 * The master secret of a node: passes observations to the reducer (`machines/secret-life.ts`) and has the vault carry out the effects, in
 * the same call, so that the reducer and the vault always agree. This class holds no key bytes and makes no decisions.
 */
import type { SecretRequest, Vault } from '../crypto/vault.ts';
import { invariant } from '../domain/errors.ts';
import type { Hash32, Wallet } from '../domain/ids.ts';
import type { SecretState } from '../domain/readiness.ts';
import {
  claimableSecret,
  confirmedSecret,
  namedSecret,
  needsReceipt,
  nextSecretLife,
  NO_SECRET,
  secretStanding,
  type SecretEffect,
  type SecretEvent,
  type SecretLife,
  type SecretStanding,
} from '../machines/secret-life.ts';
import type { SecretIntake } from '../sync/secret-fetch.ts';

/** The effects that belong to a claim. The caller of `observe` carries them out. One observation leads to at most one of them. */
export type ClaimStep = Extract<SecretEffect, { kind: 'make_candidate' | 'look_at_head' | 'send_claim' }>;

/** What `/status` shows about the master secret. */
export interface NamedSecret {
  readonly state: SecretState;
  readonly from: Wallet | null;
}

/** A change to record: a secret starts or stops serving. */
export interface SecretChange {
  readonly operation: 'install' | 'set_aside';
  readonly hash: Hash32;
  /** The member that sent the secret; null if the secret was made here, comes from the configuration, or is being set aside. */
  readonly from: Wallet | null;
}

export interface MasterSecretModules {
  readonly vault: Vault;
  /** Called for each change, so that the audit log can record it. */
  readonly onChange?: (change: SecretChange) => void;
  /** Empties the store, because the new secret cannot decrypt its values. */
  readonly emptyStore: () => void;
}

export class MasterSecret implements SecretIntake {
  readonly #modules: MasterSecretModules;
  #life: SecretLife = NO_SECRET;

  constructor(modules: MasterSecretModules) {
    this.#modules = modules;
  }

  get life(): SecretLife {
    return this.#life;
  }

  /**
   * What a node_tick has to do about the secret, according to the last good read of the chain.
   * @throws InvariantError before the first read
   */
  standing(): SecretStanding {
    return secretStanding(this.#life);
  }

  /** Whether this node needs the receipts of its own claims to decide what this chain hash means. */
  needsReceipt(hash: Hash32): boolean {
    return needsReceipt(this.#life, hash);
  }

  confirmedHash(): Hash32 | null {
    return confirmedSecret(this.#life)?.hash ?? null;
  }

  claimableHash(): Hash32 | null {
    return claimableSecret(this.#life)?.hash ?? null;
  }

  /** Whether the vault derives keys from the secret that the chain confirms, and also holds the sync key. */
  isServable(): boolean {
    const { vault } = this.#modules;
    const confirmed = this.confirmedHash();
    return confirmed !== null && vault.servingHash() === confirmed && vault.hasSyncKey();
  }

  named(): NamedSecret {
    const secret = namedSecret(this.#life);
    if (secret === null) return { state: 'uninitialized', from: null };
    const { origin } = secret;
    return origin.kind === 'received' ? { state: 'synced', from: origin.from } : { state: 'generated', from: null };
  }

  /** Stores 32 bytes in the vault as a candidate, and wipes the argument. */
  holdCandidate(bytes: Uint8Array, origin: 'made' | 'given'): void {
    this.observe({ type: 'candidate.held', hash: this.#modules.vault.hold(bytes), origin });
  }

  beginSecretRequest(): SecretRequest {
    return this.#modules.vault.beginSecretRequest();
  }

  /** Opens the secret that a member sealed for `request`, and installs it only if the chain shows its hash (protocol.md §5). */
  receiveSecret(request: SecretRequest, sealed: unknown, from: Wallet): ReturnType<SecretIntake['receiveSecret']> {
    const hash = this.#modules.vault.openReceived(request, sealed);
    if (hash === null) return 'does_not_open';
    if (this.confirmedHash() !== null) return 'already_confirmed';
    this.#apply({ type: 'secret.received', hash, from }, request);
    return this.confirmedHash() === null ? 'wrong_hash' : 'installed';
  }

  endSecretRequest(request: SecretRequest): void {
    this.#modules.vault.endSecretRequest(request);
  }

  /** Passes an observation to the reducer. @returns the effect that the caller must carry out for a claim; null if there is none */
  observe(event: Exclude<SecretEvent, { type: 'secret.received' }>): ClaimStep | null {
    return this.#apply(event, null);
  }

  #apply(event: SecretEvent, request: SecretRequest | null): ClaimStep | null {
    const { life, effects } = nextSecretLife(this.#life, event);
    this.#life = life;
    let claim: ClaimStep | null = null;
    for (const effect of effects) claim = this.#carryOut(effect, request) ?? claim;
    return claim;
  }

  #carryOut(effect: SecretEffect, request: SecretRequest | null): ClaimStep | null {
    const { vault, emptyStore, onChange } = this.#modules;
    switch (effect.kind) {
      case 'keep_received':
        invariant(request !== null, 'the secret that is to be kept does not belong to a request');
        vault.keepReceived(request);
        return null;
      case 'set_aside':
        vault.setAside(effect.hash);
        onChange?.({ operation: 'set_aside', hash: effect.hash, from: null });
        return null;
      case 'wipe':
        vault.wipeSecret(effect.hash);
        return null;
      case 'install':
        vault.serve(effect.hash);
        onChange?.({ operation: 'install', hash: effect.hash, from: this.named().from });
        return null;
      case 'empty_store':
        emptyStore();
        return null;
      case 'make_candidate':
      case 'look_at_head':
      case 'send_claim':
        return effect;
    }
  }
}
