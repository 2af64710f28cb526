/**
 * Every write that a node accepted, and the processes that have held it since then. A write is lost only when every honest process that
 * held it has lost its store. At the end of a run, all stores are checked against this history.
 */
import type { WireRecord } from '../../domain/records.ts';
import { compareContents, covers, type Clock, goneFromMs, isPresent, MAX_CLOCK_ENTRIES } from './reference.ts';
import type { Life } from '../world/sim-node.ts';
import type { Report } from './violation.ts';

export interface Write {
  readonly appId: string;
  readonly key: string;
  readonly sequenceNumber: number;
  readonly record: WireRecord;
  readonly writer: Life;
  /** The hash of the secret that the value is encrypted under. */
  readonly secretHash: string;
  /** When the writer accepted the write. Simulated milliseconds. */
  readonly atMs: number;
  /** When each process first held this write or a later one. Simulated milliseconds. */
  readonly holders: Map<Life, number>;
  /**
   * Instances that received the write in time, which means within half of its retention. If a delete is forgotten before it reaches a node,
   * the older record stays there (protocol.md §4, Ages). This is expected if two or more honest instances missed the delete. Otherwise it is
   * a violation.
   */
  readonly inTime: Set<string>;
  /** Whether the writer has written the key again or has lost its store. */
  superseded: boolean;
  /** Whether at least one honest process that held the write has not lost its store. */
  safe: boolean;
}

export interface WriteHistoryOptions {
  readonly retentionMs: number;
}

export interface WriteHistoryModules {
  /** Simulated milliseconds. */
  readonly nowMs: () => number;
  readonly report: Report;
  /** Processes of instances that have never lied. */
  readonly honestLives: () => readonly Life[];
  /** The hash of the secret that a process uses; null if it uses none. */
  readonly secretHashOf: (life: Life) => string | null;
}

const idOf = (appId: string, key: string): string => `${appId} ${key}`;

export class WriteHistory {
  readonly #options: WriteHistoryOptions;
  readonly #modules: WriteHistoryModules;
  readonly #byKey = new Map<string, Write[]>();
  readonly #byWriter = new Map<Life, Write[]>();
  /**
   * Keys that a liar sent, each with the clocks that the liar made up, and keys that an older node wrote, each with empty clocks. `judge`
   * considers a write to such a key only if the write's clock covers all of these clocks.
   */
  readonly #touched = new Map<string, Clock[]>();
  /** Number of lost writes: no node needs to hold them any more. */
  lost = 0;

  constructor(options: WriteHistoryOptions, modules: WriteHistoryModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Number of writes that nodes accepted. */
  get size(): number {
    let size = 0;
    for (const writes of this.#byKey.values()) size += writes.length;
    return size;
  }

  touch(appId: string, key: string, version: Clock): void {
    const id = idOf(appId, key);
    const versions = this.#touched.get(id) ?? [];
    versions.push(version);
    this.#touched.set(id, versions);
  }

  isTouched(appId: string, key: string): boolean {
    return this.#touched.has(idOf(appId, key));
  }

  noteWrite(write: Omit<Write, 'holders' | 'inTime' | 'superseded' | 'safe'>): void {
    const id = idOf(write.appId, write.key);
    const writes = this.#byKey.get(id) ?? [];
    for (const earlier of writes) if (earlier.writer === write.writer) earlier.superseded = true;
    const noted: Write = { ...write, holders: new Map([[write.writer, write.atMs]]), inTime: new Set([write.writer.name]), superseded: false, safe: true };
    writes.push(noted);
    this.#byKey.set(id, writes);
    const own = this.#byWriter.get(write.writer) ?? [];
    own.push(noted);
    this.#byWriter.set(write.writer, own);
    // The writer now also holds the earlier writes that this write covers.
    this.noteHeld(write.writer, write.appId, write.record);
  }

  /** Notes that a process holds this record. */
  noteHeld(life: Life, appId: string, record: WireRecord): void {
    for (const write of this.#byKey.get(idOf(appId, record.key)) ?? []) {
      if (write.holders.has(life) || !covers(record.version, write.record.version)) continue;
      write.holders.set(life, this.#modules.nowMs());
      if (life.clock.nowMs() < goneFromMs(write.record, this.#options.retentionMs / 2)) write.inTime.add(life.name);
    }
  }

  /** All writes to one key. */
  of(appId: string, key: string): readonly Write[] {
    return this.#byKey.get(idOf(appId, key)) ?? [];
  }

  /** All keys that an app has ever written. */
  *keysOf(appId: string): Generator<string> {
    for (const [first] of this.#byKey.values()) if (first?.appId === appId) yield first.key;
  }

  /** Writes of a process with sequence numbers above `above` and up to `upTo`, newest first. */
  *ownBetween(life: Life, above: number, upTo: number): Generator<Write> {
    const own = this.#byWriter.get(life) ?? [];
    for (let at = own.length - 1; at >= 0 && own[at]!.sequenceNumber > above; at -= 1) {
      if (own[at]!.sequenceNumber <= upTo) yield own[at]!;
    }
  }

  /** All writes, including superseded ones. */
  *all(): Generator<Write> {
    for (const writes of this.#byKey.values()) yield* writes;
  }

  /**
   * Notes that a process lost its store. The writes that only this process still held are then lost. A write that is old enough to be
   * forgotten does not count as lost, because no node needs to hold it.
   * @param isEmptied whether the store is already empty; if not, it still holds its records
   */
  noteStoreLost(life: Life, isEmptied: boolean): void {
    for (const write of this.#byWriter.get(life) ?? []) write.superseded = true;
    for (const writes of this.#byKey.values()) {
      for (const write of writes) {
        if (!write.safe || !write.holders.has(life) || (!isEmptied && !this.#holds(life, write))) continue;
        // No node needs to hold a write that is old enough to be forgotten.
        if (life.clock.nowMs() >= goneFromMs(write.record, this.#options.retentionMs)) continue;
        if (this.#modules.honestLives().some((other) => other !== life && this.#holds(other, write))) continue;
        write.safe = false;
        this.lost += 1;
      }
    }
  }

  #holds(life: Life, write: Write): boolean {
    if (!write.holders.has(life)) return false;
    const record = life.node.inside.store.recordOf(write.appId, write.key);
    return record !== null && covers(record.version, write.record.version);
  }

  /**
   * Reports a record that is older than `best`. If nodes may have forgotten `best`, the older record is a violation only if enough nodes
   * received `best` in time.
   */
  #reportOlder(best: Write, life: Life, nowMs: number): void {
    const isForgotten = nowMs >= goneFromMs(best.record, this.#options.retentionMs);
    if (isForgotten && best.inTime.size < this.#modules.honestLives().length - 1) return;
    const invariant = isForgotten || best.record.tombstone ? 'nothing deleted comes back' : 'no write is lost';
    this.#modules.report(invariant, `${best.key} of app ${best.appId} on ${life.name} is older than what ${best.writer.name} wrote`, life.name);
  }

  /** Checks that a store holds what it must hold when the cluster is quiet. @param nowMs the time on the node's clock */
  judge(life: Life, nowMs: number): void {
    const { report, secretHashOf } = this.#modules;
    const secretHash = secretHashOf(life);
    for (const [id, writes] of this.#byKey) {
      const forged = this.#touched.get(id);
      const heard = (write: Write): boolean => forged === undefined || forged.every((version) => covers(write.record.version, version));
      const relevant = writes.filter((write) => write.secretHash === secretHash && heard(write));
      const best = relevant.filter(({ safe }) => safe).reduce<Write | null>((top, write) => (top === null || compareContents(write.record, top.record) > 0 ? write : top), null);
      if (best === null || Object.keys(best.record.version).length >= MAX_CLOCK_ENTRIES) continue;
      const held = life.node.inside.store.recordOf(best.appId, best.key);
      if (held === null) {
        if (nowMs < goneFromMs(best.record, this.#options.retentionMs)) report('no write is lost', `${best.key} of app ${best.appId}, written on ${best.writer.name}, is not on ${life.name}`, life.name);
        continue;
      }
      if (compareContents(held, best.record) < 0 && isPresent(held, nowMs)) this.#reportOlder(best, life, nowMs);
      const isWritten = relevant.some(({ record }) => compareContents(record, held) === 0);
      if (!isWritten && forged === undefined) report('no store holds a record that was never written', `${best.key} of app ${best.appId} on ${life.name}`, life.name);
    }
  }
}
