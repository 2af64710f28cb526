/**
 * What an app has been told about its keys, and whether what a node gives for one can be right (protocol.md §10, 404 means absent).
 * Each key has one writer, so its versions follow one another: once a version was acknowledged, nodes give it or a later one.
 * Pure; times are monotonic milliseconds.
 */

/** What one write makes of a key: a version of its own number, or nothing. */
export interface Version {
  readonly number: number;
  readonly isDelete: boolean;
  acknowledged: Acknowledgement | null;
}

export interface Acknowledgement {
  readonly atMs: number;
  /** URL of the node. */
  readonly by: string;
  /** Other nodes had it as well. */
  readonly byOthers: boolean;
}

export type Verdict =
  | 'right'
  /** An older version than one that was acknowledged long before. */
  | 'old'
  /** Absent, and must not be. */
  | 'absent'
  /** What nobody has written. */
  | 'foreign';

export interface Check {
  readonly key: string;
  readonly version: Version;
}

/** Versions of a key kept before the last one that was acknowledged. */
const KEPT_VERSIONS = 8;

export class Ledger {
  readonly #name: string;
  readonly #keys = new Map<string, Version[]>();
  /** Versions that wait for their check, in the order of their acknowledgements. */
  #waiting: Check[] = [];
  /** When nodes were killed, by URL. */
  readonly #deaths = new Map<string, number[]>();
  acknowledged = 0;
  /** Acknowledged by one node alone, a moment before that node was killed. */
  excused = 0;

  /** @param name in every value: no two ledgers write the same */
  constructor(name: string) {
    this.#name = name;
  }

  /** Keys of which something was acknowledged. */
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

  /** Text of a version. */
  textOf(key: string, { number }: Pick<Version, 'number'>): string {
    return `${this.#name} ${key} ${number} ${'.'.repeat(40)}`;
  }

  acknowledge(key: string, version: Version, acknowledgement: Acknowledgement): void {
    version.acknowledged = acknowledgement;
    this.acknowledged += 1;
    this.#waiting.push({ key, version });
    this.#forgetBefore(key, version);
  }

  /** The last version of a key was acknowledged, is a value, and is so old. */
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
   * @param seen null: the node says that there is nothing
   * @param settledMs only what was acknowledged before must be there
   * @param windowMs how long before its death a node may have acknowledged what nobody else has
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

  /** What is before the last acknowledged versions decides nothing any more, but a few are kept for those that died with their node. */
  #forgetBefore(key: string, version: Version): void {
    const versions = this.#keys.get(key)!;
    const at = versions.indexOf(version);
    if (at > KEPT_VERSIONS) versions.splice(0, at - KEPT_VERSIONS);
  }
}
