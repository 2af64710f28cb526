/**
 * The life of the master secret as a pure reducer (protocol.md §1 step 3, §5, §9.1, §9.2, §10 "A reset hash"). This file alone
 * decides which secret may be claimed, which one is confirmed, and which one is set aside.
 *
 *   none ──made or given──▶ candidate ──its claim is sent──▶ claimed ──the head shows it──▶ at_head
 *     ▲                         └───────────────┴──── the chain shows it ────┴──────▶ confirmed
 *     └── the chain stops showing it, or the owner reset the claim: the secret is set aside ──┘
 *
 * Events are observations. The result is the next state and the effects to carry out, in order. States, events and effects
 * identify secrets by their public hashes. The vault holds the bytes, and `node/master-secret.ts` carries out the effects.
 *
 * Invariants: a secret is confirmed only while the chain shows its hash. Confirming a secret wipes all other secrets. A secret that was
 * set aside is never claimed again, and is confirmed again only if the chain shows its hash.
 */
import { InvariantError, invariant } from '../domain/errors.ts';
import { ZERO_HASH, type Hash32, type Wallet } from '../domain/ids.ts';

/** Maximum number of secrets set aside at the same time. When one more is set aside, the oldest is wiped. */
export const MAX_ASIDE = 4;

/** Where a secret came from: made by this enclave, given in `MASTER_SECRET_HEX`, or handed over by a member. */
export type SecretOrigin =
  | { readonly kind: 'made' }
  | { readonly kind: 'given' }
  | { readonly kind: 'received'; readonly from: Wallet };

export interface KnownSecret {
  readonly hash: Hash32;
  readonly origin: SecretOrigin;
}

/**
 * `candidate`: may be claimed. `claimed`: a claim was sent, or may have been sent. `at_head`: the head has shown its hash, but the hash is
 * not deep enough yet. `confirmed`: the last good read of the chain shows its hash; only this secret derives keys and is handed out.
 */
export type SecretStage =
  | { readonly stage: 'none' }
  | { readonly stage: 'candidate' | 'claimed' | 'at_head' | 'confirmed'; readonly secret: KnownSecret };

export type SecretLife = SecretStage & {
  /** Secrets that were set aside: they derive no keys and are never claimed. The oldest is first. */
  readonly aside: readonly KnownSecret[];
  /** The chain hash of the last good read; null before the first good read. */
  readonly shown: Hash32 | null;
  /** The secret under which the values in the store are encrypted; null before the first secret was confirmed. */
  readonly store: StoreOrigin | null;
};

export interface StoreOrigin {
  readonly secret: Hash32;
  /** Whether this process claimed that hash. If it did, no one can have written records under that secret before the claim. */
  readonly claimedHere: boolean;
}

export type SecretEvent =
  /** The hash that a good read found at the pinned block. `setHere`: a transaction of this process set it. */
  | { readonly type: 'chain.shows'; readonly hash: Hash32; readonly setHere: boolean }
  /** The hash at the head. It may stop a claim, but is never a reason to trust a secret. */
  | { readonly type: 'head.shows'; readonly hash: Hash32 }
  /** The chain shows no hash, and this node may set one. */
  | { readonly type: 'claim.due' }
  /** The contract accepted the claim, but the owner has reset the hash since then. */
  | { readonly type: 'claim.reset' }
  /** The vault holds a new secret that may be claimed. */
  | { readonly type: 'candidate.held'; readonly hash: Hash32; readonly origin: 'made' | 'given' }
  /** A member's answer contained a secret with this hash. */
  | { readonly type: 'secret.received'; readonly hash: Hash32; readonly from: Wallet };

export type SecretEffect =
  /** Keep the received secret after the request for it has ended. */
  | { readonly kind: 'keep_received'; readonly hash: Hash32 }
  /** Stop deriving keys from this secret, and stop handing it out. Keep its bytes. */
  | { readonly kind: 'set_aside'; readonly hash: Hash32 }
  | { readonly kind: 'wipe'; readonly hash: Hash32 }
  | { readonly kind: 'install'; readonly hash: Hash32 }
  /** Delete all records: no one can decrypt their values any more. */
  | { readonly kind: 'empty_store' }
  | { readonly kind: 'make_candidate' }
  /** Read the head: does it still show the claimed hash? */
  | { readonly kind: 'look_at_head'; readonly hash: Hash32 }
  | { readonly kind: 'send_claim'; readonly hash: Hash32 };

export interface SecretStep {
  readonly life: SecretLife;
  readonly effects: readonly SecretEffect[];
}

export const NO_SECRET: SecretLife = { stage: 'none', aside: [], shown: null, store: null };

/** The state and the effects after `event`. Pure. */
export function nextSecretLife(life: SecretLife, event: SecretEvent): SecretStep {
  switch (event.type) {
    case 'chain.shows':
      return onChain(life, event.hash, event.setHere);
    case 'head.shows':
      return onHead(life, event.hash);
    case 'claim.due':
      return onClaimDue(life);
    case 'claim.reset':
      return life.stage === 'claimed' || life.stage === 'at_head' ? setAside(life, life.secret) : unchanged(life);
    case 'candidate.held':
      return onCandidate(life, { hash: event.hash, origin: { kind: event.origin } });
    case 'secret.received':
      return onReceived(life, { hash: event.hash, origin: { kind: 'received', from: event.from } });
  }
}

/**
 * Whether the node must read the receipts of its claims to learn who set the chain hash. This is necessary for a secret from
 * `MASTER_SECRET_HEX`, because another node may have the same secret and may have claimed its hash.
 */
export function needsReceipt(life: SecretLife, hash: Hash32): boolean {
  return (life.stage === 'claimed' || life.stage === 'at_head') && life.secret.hash === hash && life.secret.origin.kind === 'given';
}

/** What a node_tick has to do about the secret, according to the last good read. */
export type SecretStanding =
  | { readonly kind: 'unset' }
  /** This node holds no secret with the hash that the chain shows. */
  | { readonly kind: 'wanted' }
  | { readonly kind: 'confirmed'; readonly store: StoreOrigin };

export function secretStanding(life: SecretLife): SecretStanding {
  invariant(life.shown !== null, 'secretStanding was called before the chain was read');
  if (life.stage !== 'confirmed') return { kind: life.shown === ZERO_HASH ? 'unset' : 'wanted' };
  invariant(life.store?.secret === life.secret.hash, 'a secret is confirmed, but the store does not belong to it');
  return { kind: 'confirmed', store: life.store };
}

/** The secret whose hash the last good read of the chain shows; null if this node does not hold that secret. */
export function confirmedSecret(life: SecretLife): KnownSecret | null {
  return life.stage === 'confirmed' ? life.secret : null;
}

/** The secret that this node may claim, or has claimed; null when there is none. */
export function claimableSecret(life: SecretLife): KnownSecret | null {
  return life.stage === 'none' || life.stage === 'confirmed' ? null : life.secret;
}

/** The secret that `/status` reports: the confirmed one, otherwise the one set aside last, otherwise the one that may be claimed. */
export function namedSecret(life: SecretLife): KnownSecret | null {
  return confirmedSecret(life) ?? life.aside.at(-1) ?? claimableSecret(life);
}

function unchanged(life: SecretLife): SecretStep {
  return { life, effects: [] };
}

function onChain(life: SecretLife, hash: Hash32, setHere: boolean): SecretStep {
  if (confirmedSecret(life)?.hash === hash) return unchanged(life);
  const seen: SecretLife = { ...life, shown: hash };
  const known = knownSecrets(seen).find((secret) => secret.hash === hash);
  if (known === undefined) return seen.stage === 'confirmed' ? setAside(seen, seen.secret) : unchanged(seen);
  // Other nodes may have used a secret that was set aside here. Only a secret whose claim is still under way is certain to be unused.
  const isClaim = seen.stage !== 'none' && seen.secret === known;
  return confirm(seen, known, isClaim && (known.origin.kind === 'made' || setHere));
}

function onHead(life: SecretLife, hash: Hash32): SecretStep {
  if (life.stage === 'claimed' && life.secret.hash === hash) return unchanged({ ...life, stage: 'at_head' });
  if (life.stage !== 'at_head' || hash !== ZERO_HASH) return unchanged(life);
  // The head showed the hash before and now shows zero, because the owner has reset it or because a reorganisation has undone the claim.
  // This node cannot tell which, so it treats both as a reset.
  const reset = setAside(life, life.secret);
  return { life: reset.life, effects: [...reset.effects, { kind: 'make_candidate' }] };
}

function onClaimDue(life: SecretLife): SecretStep {
  invariant(life.shown === ZERO_HASH, 'a claim is due although the chain shows a hash');
  switch (life.stage) {
    case 'none':
      return { life, effects: [{ kind: 'make_candidate' }] };
    case 'candidate':
    case 'claimed':
      // The secret is marked as claimed before the claim is sent, because the claim may arrive even if its answer is lost.
      return { life: { ...life, stage: 'claimed' }, effects: [{ kind: 'send_claim', hash: life.secret.hash }] };
    case 'at_head':
      return { life, effects: [{ kind: 'look_at_head', hash: life.secret.hash }] };
    case 'confirmed':
      throw new InvariantError('a secret is confirmed although the chain shows no hash');
  }
}

/** A process uses one candidate until the next reset, so a second candidate is wiped. A secret that is already known is ignored. */
function onCandidate(life: SecretLife, secret: KnownSecret): SecretStep {
  if (knownSecrets(life).some(({ hash }) => hash === secret.hash)) return unchanged(life);
  if (life.stage !== 'none') return { life, effects: [{ kind: 'wipe', hash: secret.hash }] };
  if (life.shown === secret.hash) return confirm(life, secret, false);
  return unchanged({ ...life, stage: 'candidate', secret });
}

/** The hash of a received secret is compared with the chain hash before the secret is installed (§9.1). If they differ, nothing changes. */
function onReceived(life: SecretLife, secret: KnownSecret): SecretStep {
  const isWanted = life.stage !== 'confirmed' && life.shown !== ZERO_HASH && life.shown === secret.hash;
  if (!isWanted) return unchanged(life);
  const confirmed = confirm(life, secret, false);
  return { life: confirmed.life, effects: [{ kind: 'keep_received', hash: secret.hash }, ...confirmed.effects] };
}

/** Installs a secret, wipes all others, and empties the store if the store belongs to a different secret. */
function confirm(life: SecretLife, secret: KnownSecret, claimedHere: boolean): SecretStep {
  const others = knownSecrets(life).filter(({ hash }) => hash !== secret.hash);
  const begins = life.store?.secret !== secret.hash;
  return {
    life: {
      stage: 'confirmed',
      secret,
      aside: [],
      shown: secret.hash,
      store: begins ? { secret: secret.hash, claimedHere } : life.store,
    },
    effects: [
      ...others.map(({ hash }) => ({ kind: 'wipe' as const, hash })),
      { kind: 'install', hash: secret.hash },
      ...(begins && life.store !== null ? [{ kind: 'empty_store' as const }] : []),
    ],
  };
}

function setAside(life: SecretLife, secret: KnownSecret): SecretStep {
  const kept = [...life.aside, secret];
  const tooMany = kept.slice(0, -MAX_ASIDE);
  return {
    life: { stage: 'none', aside: kept.slice(-MAX_ASIDE), shown: life.shown, store: life.store },
    effects: [{ kind: 'set_aside', hash: secret.hash }, ...tooMany.map(({ hash }) => ({ kind: 'wipe' as const, hash }))],
  };
}

/** All secrets whose bytes the vault holds. */
function knownSecrets(life: SecretLife): readonly KnownSecret[] {
  return [...(life.stage === 'none' ? [] : [life.secret]), ...life.aside];
}
