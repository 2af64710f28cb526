/**
 * A model of a node's master secret: the production reducer, and a vault that holds only hashes. It is immutable, so that states can be
 * compared.
 */
import { ZERO_HASH, type Hash32 } from '../../src/domain/ids.ts';
import { nextSecretLife, NO_SECRET, secretStanding, type SecretEffect, type SecretEvent, type SecretLife, type SecretStanding } from '../../src/machines/secret-life.ts';

/** A distinct hash for each name. */
export function hashNamed(name: string): Hash32 {
  return `0x${Buffer.from(name).toString('hex').padEnd(64, '0')}` as Hash32;
}

/** The effects that the vault does not carry out. */
export type ClaimEffect = Extract<SecretEffect, { kind: 'make_candidate' | 'look_at_head' | 'send_claim' }>;

export interface SecretModel {
  readonly life: SecretLife;
  /** Hash of the secret from which the vault derives keys; null if it derives none. */
  readonly serving: Hash32 | null;
  readonly held: readonly Hash32[];
  readonly syncKeyOf: Hash32 | null;
  /** The secret that the store belongs to; null while the store is empty and belongs to no secret. */
  readonly storeOf: Hash32 | null;
}

export const NO_MODEL: SecretModel = { life: NO_SECRET, serving: null, held: [], syncKeyOf: null, storeOf: null };

export function isServable({ life, serving, syncKeyOf }: SecretModel): boolean {
  return life.stage === 'confirmed' && serving === life.secret.hash && syncKeyOf === serving;
}

export function standingOf({ life }: SecretModel): SecretStanding {
  return secretStanding(life);
}

export function withSyncKey(model: SecretModel): SecretModel {
  return { ...model, syncKeyOf: model.serving };
}

/** The model after an event and its effects. The caller must carry out the effect `left`, which concerns a claim. */
export function observed(model: SecretModel, event: SecretEvent): { readonly model: SecretModel; readonly left: ClaimEffect | null } {
  const { life, effects } = nextSecretLife(model.life, event);
  const held = event.type === 'candidate.held' ? [...new Set([...model.held, event.hash])] : model.held;
  let left: ClaimEffect | null = null;
  let after: SecretModel = { ...model, life, held };
  for (const effect of effects) {
    if (effect.kind === 'make_candidate' || effect.kind === 'look_at_head' || effect.kind === 'send_claim') left = effect;
    else after = carriedOut(after, effect);
  }
  return { model: after, left };
}

function carriedOut(model: SecretModel, effect: Exclude<SecretEffect, ClaimEffect>): SecretModel {
  switch (effect.kind) {
    case 'keep_received':
      return { ...model, held: [...model.held, effect.hash] };
    case 'install':
      return { ...model, serving: effect.hash, storeOf: model.storeOf ?? effect.hash };
    case 'set_aside':
      return model.serving === effect.hash ? { ...model, serving: null, syncKeyOf: null } : model;
    case 'wipe': {
      const held = model.held.filter((hash) => hash !== effect.hash);
      return model.serving === effect.hash ? { ...model, held, serving: null, syncKeyOf: null } : { ...model, held };
    }
    case 'empty_store':
      return { ...model, storeOf: model.serving };
  }
}

/** Checks the rules that must always be true. @returns the broken rules, as sentences */
export function brokenRules({ life, serving, held, storeOf }: SecretModel): readonly string[] {
  const known = [...(life.stage === 'none' ? [] : [life.secret.hash]), ...life.aside.map(({ hash }) => hash)];
  const confirmed = life.stage === 'confirmed' ? life.secret.hash : null;
  const rules: [string, boolean][] = [
    ['only the confirmed secret serves', serving === confirmed],
    ['the chain shows the hash of the confirmed secret', confirmed === null || confirmed === life.shown],
    ['the zero hash confirms no secret', confirmed !== ZERO_HASH],
    ['if the node holds the secret whose hash the chain shows, that secret is confirmed', confirmed !== null || life.shown === null || !known.includes(life.shown)],
    ['the vault holds the bytes of exactly the known secrets', JSON.stringify([...held].sort()) === JSON.stringify([...known].sort())],
    ['no secret is set aside while one is confirmed', confirmed === null || life.aside.length === 0],
    ['no secret is known twice', new Set(known).size === known.length],
    ['the store belongs to the confirmed secret', confirmed === null || (storeOf === confirmed && life.store?.secret === confirmed)],
  ];
  return rules.filter(([, holds]) => !holds).map(([sentence]) => sentence);
}
