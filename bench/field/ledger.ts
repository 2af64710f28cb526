/**
 * Records what nodes told an app about its keys, and decides whether a later answer can be right (protocol.md §10, 404 means absent). Each
 * key has one writer, so its versions follow one another. Once a version was acknowledged, nodes must return it or a later one. Pure; times
 * are monotonic milliseconds.
 */

/** The result of one write: a version with its number, or an absent key. */
export interface Version {
  readonly number: number;
  readonly isDelete: boolean;
  acknowledged: Acknowledgement | null;
}

export interface Acknowledgement {
  readonly atMs: number;
  /** URL of the node. */
  readonly by: string;
  /** Whether other nodes had it too. */
  readonly byOthers: boolean;
}

export type Verdict =
  | 'right'
  /** The version is older than one that was acknowledged long before. */
  | 'old'
  /** The key is absent and must not be. */
  | 'absent'
  /** This value was never written. */
  | 'foreign';

export interface Check {
  readonly key: string;
  readonly version: Version;
}

/** Number of versions of a key that are kept before the last acknowledged one. */
const KEPT_VERSIONS = 8;

export class Ledger {
  readonly #name: string;
  readonly #keys = new Map<string, Version[]>();
  /** Versions that wait for their check, in the order of their acknowledgements. */
  #waiting: Check[] = [];
  /** When nodes were killed, by URL. */
  readonly #deaths = new Map<string, number[]>();
  acknowledged = 0;
  /** Writes that only one node acknowledged, a moment before it was killed. */
  excused = 0;

  /** @param name a part of every value, so that no two ledgers write the same value */
  constructor(name: string) {
    this.#name = name;
  }

  /** Keys with an acknowledged write. */
  keys(): readonly string[] {
    return [...this.#keys].filter(([, versions]) => versions.some(({ acknowledged }) => acknowledged !== null)).map(([key]) => key);
  }

  begin(key: string, isDelete: boolean): Version {
    const versions = this.#keys.get(key) ?? [];
    this.#keys.set(key, versions);
    const version: Version = { number: (versions.at(-1)?.number ?? 0) + 1, isDelete, acknowledged: null };
    versions.push(version);
    return version;
  }

  /** The text of a version. */
  textOf(key: string, { number }: Pick<Version, 'number'>): string {
    return `${this.#name} ${key} ${number} ${'.'.repeat(40)}`;
  }

  acknowledge(key: string, version: Version, acknowledgement: Acknowledgement): void {
    version.acknowledged = acknowledgement;
    this.acknowledged += 1;
    this.#waiting.push({ key, version });
    this.#forgetBefore(key, version);
  }

  /** Whether the last version of a key was acknowledged, is a value, and has this age. */
  holdsValue(key: string, beforeMs: number): boolean {
    const last = this.#keys.get(key)?.at(-1);
    return last !== undefined && !last.isDelete && last.acknowledged !== null && last.acknowledged.atMs < beforeMs;
  }

  /** The version that has waited longest for its check, of those acknowledged before that time. */
  takeDue(beforeMs: number): Check | null {
    const at = this.#waiting.findIndex(({ version }) => version.acknowledged!.atMs < beforeMs);
    if (at < 0) return null;
    const [due] = this.#waiting.splice(at, 1);
    return due!;
  }

  noteDeath(url: string, atMs: number, windowMs: number): void {
    this.#deaths.set(url, [...(this.#deaths.get(url) ?? []), atMs]);
    for (const versions of this.#keys.values()) {
      this.excused += versions.filter((version) => this.#diedWithItsNode(version, windowMs) && version.acknowledged!.atMs > atMs - windowMs).length;
    }
  }

  /**
   * @param seen null when the node says that the key is absent
   * @param settledMs only writes that were acknowledged before this time must be there
   * @param windowMs how long before its death a node may have acknowledged a write that no other node has
   */
  judge(key: string, seen: string | null, settledMs: number, windowMs: number): Verdict {
    const versions = this.#keys.get(key) ?? [];
    const floor = versions.findLast((version) => {
      const { acknowledged } = version;
      return acknowledged !== null && acknowledged.atMs < settledMs && !this.#diedWithItsNode(version, windowMs);
    });
    const least = floor?.number ?? 0;
    if (seen === null) {
      const mayBeAbsent = floor === undefined || versions.some(({ number, isDelete }) => isDelete && number >= least);
      return mayBeAbsent ? 'right' : 'absent';
    }
    const number = Number(/ (\d+) \.+$/.exec(seen)?.[1] ?? NaN);
    const last = versions.at(-1)?.number ?? 0;
    if (!(number >= 1 && number <= last) || seen !== this.textOf(key, { number })) return 'foreign';
    return number >= least ? 'right' : 'old';
  }

  #diedWithItsNode({ acknowledged }: Version, windowMs: number): boolean {
    if (acknowledged === null || acknowledged.byOthers) return false;
    const deaths = this.#deaths.get(acknowledged.by) ?? [];
    return deaths.some((atMs) => acknowledged.atMs <= atMs && acknowledged.atMs > atMs - windowMs);
  }

  /** Drops versions that no longer affect a verdict. It keeps a few before the last acknowledged one, which may have died with its node. */
  #forgetBefore(key: string, version: Version): void {
    const versions = this.#keys.get(key)!;
    const at = versions.indexOf(version);
    if (at > KEPT_VERSIONS) versions.splice(0, at - KEPT_VERSIONS);
  }
}
