/**
 * The transition table of the life of the master secret, made from the reducer: every reachable state with every event. A secret is named
 * after its role in the state, so states that differ only in the names of secrets are one state. A is the current secret. B and C are set
 * aside. S is the secret of the store if it has no other name. W is the secret that the chain shows but this node lacks. N is a new secret.
 */
import { invariant } from '../../../src/domain/errors.ts';
import { ZERO_HASH, type Hash32, type Wallet } from '../../../src/domain/ids.ts';
import { nextSecretLife, NO_SECRET, type KnownSecret, type SecretEffect, type SecretEvent, type SecretLife } from '../../../src/machines/secret-life.ts';
import { hashNamed } from '../../machine/secret-model.ts';

export const MEMBER = `0x${'0b'.repeat(20)}` as Wallet;
/**
 * Maximum number of secrets that are set aside before an event in the table. With more of them, the behaviour would be the same, except for
 * the limit `MAX_ASIDE`, which has its own test.
 */
const ASIDE_IN_TABLE = 1;
const NAMES = ['A', 'B', 'C', 'S', 'W', 'N'] as const;

export interface Row {
  readonly given: string;
  readonly event: string;
  readonly then: string;
  readonly effects: string;
  readonly changesNothing: boolean;
}

function nameOf(hash: Hash32): string {
  if (hash === ZERO_HASH) return 'zero';
  const name = NAMES.find((candidate) => hashNamed(candidate) === hash);
  invariant(name !== undefined, 'a secret has no name in the table');
  return name;
}

export function stateText({ aside, shown, store, ...held }: SecretLife): string {
  return [
    held.stage === 'none' ? 'none' : `${held.stage} ${nameOf(held.secret.hash)} ${held.secret.origin.kind}`,
    aside.length === 0 ? null : `aside ${aside.map(({ hash }) => nameOf(hash)).join(' ')}`,
    shown === null ? null : `chain ${nameOf(shown)}`,
    store === null ? null : `store ${nameOf(store.secret)}${store.claimedHere ? ' claimed here' : ''}`,
  ]
    .filter((part) => part !== null)
    .join(', ');
}

function eventText(event: SecretEvent): string {
  switch (event.type) {
    case 'chain.shows':
      return `chain.shows ${nameOf(event.hash)}${event.setHere ? ' set here' : ''}`;
    case 'candidate.held':
      return `${event.type} ${nameOf(event.hash)} ${event.origin}`;
    case 'head.shows':
    case 'secret.received':
      return `${event.type} ${nameOf(event.hash)}`;
    case 'claim.due':
    case 'claim.reset':
      return event.type;
  }
}

function effectText(effect: SecretEffect): string {
  return 'hash' in effect ? `${effect.kind} ${nameOf(effect.hash)}` : effect.kind;
}

/** The same state, with each secret named after its role. */
function renamed(life: SecretLife): SecretLife {
  const names = new Map<Hash32, Hash32>([[ZERO_HASH, ZERO_HASH]]);
  const give = (hash: Hash32 | null | undefined, name: (typeof NAMES)[number]): void => {
    if (hash !== null && hash !== undefined && !names.has(hash)) names.set(hash, hashNamed(name));
  };
  if (life.stage !== 'none') give(life.secret.hash, 'A');
  life.aside.forEach(({ hash }, place) => give(hash, (['B', 'C', 'N'] as const)[place]!));
  give(life.store?.secret, 'S');
  give(life.shown, 'W');
  const known = (secret: KnownSecret): KnownSecret => ({ ...secret, hash: names.get(secret.hash)! });
  return {
    ...(life.stage === 'none' ? { stage: 'none' } : { stage: life.stage, secret: known(life.secret) }),
    aside: life.aside.map(known),
    shown: life.shown === null ? null : names.get(life.shown)!,
    store: life.store === null ? null : { ...life.store, secret: names.get(life.store.secret)! },
  };
}

/** Every event that can occur in this state. */
function eventsOf(life: SecretLife): SecretEvent[] {
  const held = life.stage === 'none' ? [] : [life.secret.hash];
  const named = [...held, ...life.aside.map(({ hash }) => hash), ...[life.store?.secret, life.shown].filter((hash) => hash !== undefined && hash !== null)];
  const hashes = [...new Set([ZERO_HASH, ...named, hashNamed('N')])];
  const secrets = hashes.filter((hash) => hash !== ZERO_HASH);
  const isClaimed = life.stage === 'claimed' || life.stage === 'at_head';
  return [
    ...hashes.map((hash): SecretEvent => ({ type: 'chain.shows', hash, setHere: false })),
    ...(isClaimed ? [{ type: 'chain.shows', hash: life.secret.hash, setHere: true } as const] : []),
    ...hashes.map((hash): SecretEvent => ({ type: 'head.shows', hash })),
    ...(life.shown === ZERO_HASH ? [{ type: 'claim.due' } as const] : []),
    { type: 'claim.reset' },
    ...(['made', 'given'] as const).map((origin): SecretEvent => ({ type: 'candidate.held', hash: hashNamed('N'), origin })),
    ...held.map((hash): SecretEvent => ({ type: 'candidate.held', hash, origin: 'made' })),
    ...life.aside.map(({ hash }): SecretEvent => ({ type: 'candidate.held', hash, origin: 'made' })),
    ...secrets.map((hash): SecretEvent => ({ type: 'secret.received', hash, from: MEMBER })),
  ];
}

/** Visits every reachable state once. */
export function reachableStates(): SecretLife[] {
  const states = new Map([[stateText(NO_SECRET), NO_SECRET]]);
  for (const life of states.values()) {
    for (const event of eventsOf(life)) {
      const next = nextSecretLife(life, event).life;
      if (next.aside.length > ASIDE_IN_TABLE) continue;
      const canonical = renamed(next);
      const key = stateText(canonical);
      if (!states.has(key)) states.set(key, canonical);
    }
  }
  return [...states.values()];
}

export function transitionTable(): Row[] {
  return reachableStates().flatMap((life) =>
    eventsOf(life).map((event) => {
      const { life: next, effects } = nextSecretLife(life, event);
      return {
        given: stateText(life),
        event: eventText(event),
        then: stateText(next),
        effects: effects.length === 0 ? '-' : effects.map(effectText).join(', '),
        changesNothing: effects.length === 0 && stateText(next) === stateText(life),
      };
    }),
  );
}
