/** Creates the messages that lying members send: good records, mixed with malformed, implausible or too large ones. */
import type { AppId } from '../../domain/ids.ts';
import type { Member } from '../../domain/membership.ts';
import { isWellFormed, type Clock } from '../watch/reference.ts';
import type { SeededRandom } from '../world/seeded.ts';
import type { Life } from '../world/sim-node.ts';
import type { LieKind } from './lie-kinds.ts';

type Inner = Record<string, unknown>;

/** Good records per message. */
const GOOD_RECORDS = 3;
/** Number of records with the same key in a message, and number of new entries in the clock of each. Nodes accept up to 1,024 entries. */
const GROWN_COPIES = 3;
const FRESH_ENTRIES = 1_000;
const FUTURE_MS = 10 * 60_000;
const INVENTED_APPS = 5;
const LONG_KEY_CHARS = 60_000;
/** Nodes accept a forged count up to their own time in Unix milliseconds plus this number (protocol.md §10, Bounds). */
const FORGED_AHEAD = 2 ** 20;
/** Nodes must refuse a forged count that is their own time in Unix milliseconds plus this number. */
const FAR_AHEAD = 10_000_000;
const WRITTEN_KEYS = 40;

export interface PoisonerModules {
  readonly random: SeededRandom;
  /**
   * Called for each key and clock that the liar sends. From then on, the rules expect a write to the key to survive only if the
   * write's clock covers the liar's clock.
   */
  readonly touch: (appId: string, key: string, version: Clock) => void;
  readonly appIds: readonly number[];
}

export interface PoisonedMessage {
  readonly appId: string;
  readonly data: Readonly<Record<string, readonly unknown[]>>;
  /** The records that a node must accept. */
  readonly good: readonly { readonly key: string; readonly version: Clock }[];
  readonly sent: number;
}

export class Poisoner {
  readonly #modules: PoisonerModules;
  /** Functions that make well-formed but harmful records: these overload a node, or have times or counts that it must not believe. */
  readonly #overloads: Readonly<Partial<Record<LieKind, (making: Making) => unknown[]>>> = {
    'liar: future times': ({ life, own, record, next }) => [record('made up future', { [own]: next() }, life.clock.nowMs() + FUTURE_MS)],
    "liar: others' counts": ({ life, victim, appId, record }) => {
      const { random } = this.#modules;
      const { key, clockKey } = this.#someonesCount(life, appId, victim);
      return [record(key, { [clockKey]: life.clock.nowMs() + (random.chance(0.5) ? FAR_AHEAD : random.between(0, FORGED_AHEAD)) })];
    },
    'liar: grown clocks': ({ life, record }) => {
      const { random } = this.#modules;
      const freshEntry = (): [string, number] => [`${life.instance.wallet}/${hex(random.bytes(8))}`, random.between(1, life.clock.nowMs())];
      const key = `made up clock ${random.between(1, 3)}`;
      return Array.from({ length: GROWN_COPIES }, () => record(key, Object.fromEntries(Array.from({ length: FRESH_ENTRIES }, freshEntry))));
    },
    'liar: long keys': ({ own, record, next }) => [record(hex(this.#modules.random.bytes(4)).padEnd(LONG_KEY_CHARS, 'k'), { [own]: next() })],
    'liar: invented apps': () => [],
  };
  #count = 0;

  constructor(modules: PoisonerModules) {
    this.#modules = modules;
  }

  /** @param victim the receiver; null if the message is for any node that asks */
  message(kind: LieKind, life: Life, victim: Member | null = null): PoisonedMessage {
    const { random, appIds } = this.#modules;
    const appId = random.pick(appIds);
    const own = `${life.instance.wallet}/${'00'.repeat(8)}`;
    const nowMs = life.clock.nowMs();
    const record = (key: string, version: Clock, atMs = nowMs): Inner => this.#record(life, appId, key, version, atMs);
    const next = (): number => (this.#count += 1);
    const good = Array.from({ length: GOOD_RECORDS }, () => record(`made up ${random.between(1, 20)}`, { [own]: next() }));
    const bad = this.#bad(kind, { life, victim, appId, own, record, next, first: good[0]! });
    const apps = kind === 'liar: invented apps' ? this.#inventedApps(own, nowMs) : {};
    const records = [...good.slice(0, 1), ...bad, ...good.slice(1)];
    const kept = good.filter((wire) => isWellFormed(wire)).map(({ key, version }) => ({ key, version }));
    return { appId: String(appId), data: { ...apps, [String(appId)]: records }, good: kept, sent: records.length + Object.keys(apps).length };
  }

  #bad(kind: LieKind, making: Making): unknown[] {
    return this.#overloads[kind]?.(making) ?? malformed(making);
  }

  /** Picks a record and an entry of its clock. The entry is not the liar's and, if possible, not the victim's. Returns both keys. */
  #someonesCount(life: Life, appId: number, victim: Member | null): { readonly key: string; readonly clockKey: string } {
    const { random } = this.#modules;
    const key = `key-${random.between(1, WRITTEN_KEYS)}`;
    const version = life.node.inside.store.recordOf(String(appId), key)?.version ?? {};
    const others = Object.keys(version).filter((clockKey) => !clockKey.startsWith(life.instance.wallet));
    const thirds = others.filter((clockKey) => victim === null || !clockKey.startsWith(victim.wallet));
    if (others.length === 0) return { key: 'made up count', clockKey: `${victim?.wallet ?? life.instance.wallet}/${'11'.repeat(8)}` };
    return { key, clockKey: random.pick(thirds.length > 0 ? thirds : others) };
  }

  /** Tombstones of apps that do not exist. A node cannot tell from a record whether its app exists. */
  #inventedApps(own: string, nowMs: number): Record<string, unknown[]> {
    const { random } = this.#modules;
    const tombstone = { key: 'k', value: null, version: { [own]: 1 }, updated_at_ms: nowMs, tombstone: true, ttl_ms: 0 };
    return Object.fromEntries(Array.from({ length: INVENTED_APPS }, () => [String(random.between(1_000_000, 9_999_999)), [tombstone]]));
  }

  #record(life: Life, appId: number, key: string, version: Clock, atMs: number): Inner {
    this.#modules.touch(String(appId), key, version);
    const { vault } = life.node.inside;
    const value = vault.servingHash() !== null ? hex(vault.sealValue(appId as AppId, Buffer.from(key.slice(0, 20)))) : '00'.repeat(40);
    return { key, value, version, updated_at_ms: atMs, tombstone: false, ttl_ms: 0 };
  }
}

interface Making {
  readonly life: Life;
  readonly victim: Member | null;
  readonly appId: number;
  readonly own: string;
  readonly record: (key: string, version: Clock, atMs?: number) => Inner;
  readonly next: () => number;
  readonly first: Inner;
}

/** Values that do not have the form of a record, and records that each have one wrong field. */
function malformed({ first, own }: Making): unknown[] {
  return [
    ...[null, 7, 'text', [], {}, { ...first, value: 'zz' }, { ...first, value: null }, { ...first, updated_at_ms: 'soon' }, { ...first, version: { [own]: -1 } }],
    ...[{ ...first, version: [] }, { ...first, tombstone: 'no' }, { ...first, value: '00'.repeat(40) }, { ...first, ttl_ms: 1.5 }],
  ];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
