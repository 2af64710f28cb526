/**
 * Records what nodes told an app about its keys, and decides whether a later answer can be right (protocol.md §10, 404 means absent). Each
 * key has one writer, so its versions follow one another. Once a version has been acknowledged, nodes must return that version or a later
 * one. Pure; times are monotonic milliseconds.
 */

/** The version of a key that one write makes: a value or a delete. */
export interface Version {
  readonly number: number;
  readonly isDelete: boolean;
  acknowledged: Acknowledgement | null;
}

export interface Acknowledgement {
  readonly atMs: number;
  /** URL of the node that acknowledged the version. */
  readonly by: string;
  /** Whether other nodes also had the version. */
  readonly byOthers: boolean;
}

export type Verdict =
  | 'right'
  /** The version is older than a version that was acknowledged long before the read. */
  | 'old'
  /** The node reports the key as absent, but must return a value. */
  | 'absent'
  /** This value was never written. */
  | 'foreign';

export interface Check {
  readonly key: string;
  readonly version: Version;
}

/** For each key, this many versions older than the last acknowledged version are kept. */
const KEPT_VERSIONS = 8;

export class Ledger {
  readonly #name: string;
  readonly #keys = new Map<string, Version[]>();
  /** Versions that wait to be checked, in the order of their acknowledgements. */
  #waiting: Check[] = [];
  /** When nodes were killed, by URL. */
  readonly #deaths = new Map<string, number[]>();
  acknowledged = 0;
  /** Number of writes that only one node acknowledged, shortly before it was killed. */
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

  /** The value of a version. */
  textOf(key: string, { number }: Pick<Version, 'number'>): string {
    return `${this.#name} ${key} ${number} ${'.'.repeat(40)}`;
  }

  acknowledge(key: string, version: Version, acknowledgement: Acknowledgement): void {
    version.acknowledged = acknowledgement;
    this.acknowledged += 1;
    this.#waiting.push({ key, version });
    this.#forgetBefore(key, version);
  }

  /** Whether the last version of a key is a value that was acknowledged before `beforeMs`. */
  holdsValue(key: string, beforeMs: number): boolean {
    const last = this.#keys.get(key)?.at(-1);
    return last !== undefined && !last.isDelete && last.acknowledged !== null && last.acknowledged.atMs < beforeMs;
  }

  /** Of the versions that were acknowledged before `beforeMs`, takes the one that has waited longest to be checked. */
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
   * @param seen the value that the node returned; null when it reports the key as absent
   * @param settledMs only writes that were acknowledged before this time must be present
   * @param windowMs if a node was killed within this time after it alone acknowledged a write, the loss of the write is not an error
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

  /**
   * Drops versions that no longer affect a verdict. It keeps a few versions before the last acknowledged version, because an older version
   * is still a right answer if the last one was lost with its node.
   */
  #forgetBefore(key: string, version: Version): void {
    const versions = this.#keys.get(key)!;
    const at = versions.indexOf(version);
    if (at > KEPT_VERSIONS) versions.splice(0, at - KEPT_VERSIONS);
  }
}
