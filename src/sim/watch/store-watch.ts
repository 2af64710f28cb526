/**
 * Checks one store against `reference.ts`. After each operation, it checks that the result follows from the record that the store held
 * before. Each full check compares all counts and digests with the records themselves.
 */
import type { WireRecord } from '../../domain/records.ts';
import type { RecordStore } from '../../store/record-store.ts';
import { APP_BYTES, bucketDigestsOf, bucketOf, covers, digestOf, goneFromMs, isPresent, isTimely, isWellFormed, MAX_CLOCK_ENTRIES, mergeOf, sameRecord, storeBytesOf } from './reference.ts';
import type { Life } from '../world/sim-node.ts';
import type { Checks, Report } from './violation.ts';
import type { WriteHistory } from './write-history.ts';

/**
 * Maximum number of records that one operation may visit, regardless of the size of the store. An operation visits its own record, and
 * records that are due to be forgotten.
 */
const MAX_VISITS = 300;

/** How far above its limit a store may grow for records that delete a held value or make it expire earlier. Bytes. */
const RESERVE_BYTES = 32 * 1024 * 1024;

export interface StoreWatchOptions {
  readonly retentionMs: number;
  readonly maxClockSkewMs: number;
  /** `MAX_STORE_BYTES`. */
  readonly maxStoreBytes: number;
  readonly maxApps: number;
}

export interface StoreWatchModules {
  readonly report: Report;
  readonly checks: Checks;
  readonly history: WriteHistory;
  /** Called when the store has accepted a local write. */
  readonly onWrite: (appId: string, record: WireRecord) => void;
  /** Simulated milliseconds. */
  readonly nowMs: () => number;
  readonly secretHash: () => string | null;
  /** Whether all records come from honest nodes. */
  readonly isHonest: () => boolean;
}

interface Shadow {
  readonly appId: string;
  readonly record: WireRecord;
  /** How many bytes of `MAX_STORE_BYTES` the record uses. */
  readonly bytes: number;
  readonly bucket: number;
  readonly digest: string;
  /** Whether the record is known to have been absent. If so, it stays absent even when the time of day is set back. */
  absent: boolean;
}

const idOf = (appId: string, key: string): string => `${appId} ${key}`;

export class StoreWatch {
  readonly #life: Life;
  readonly #options: StoreWatchOptions;
  readonly #modules: StoreWatchModules;
  readonly #store: RecordStore;
  /** A shadow of each record that the store must hold, indexed by app and key. */
  readonly #shadows = new Map<string, Shadow>();
  /** The sum of `bytes` over all shadows. */
  #shadowBytes = 0;
  /** When the store was created or last emptied. Simulated milliseconds. */
  sinceMs: number;
  /** The latest time that any operation passed to the store. Records that were old enough to be forgotten at that time may be gone. */
  #latestMs = 0;
  /** The time that the last operation passed to the store; it can be earlier than `#latestMs`. */
  #toldMs = 0;
  #lastSequenceNumber = 0;

  constructor(life: Life, options: StoreWatchOptions, modules: StoreWatchModules) {
    this.#life = life;
    this.#options = options;
    this.#modules = modules;
    this.#store = life.node.inside.store;
    this.sinceMs = modules.nowMs();
    this.#listen();
  }

  /** Number of keys that the store must hold. */
  get size(): number {
    return this.#shadows.size;
  }

  /** The keys that an app can read, according to the shadows. @param nowMs the time on the node's clock */
  presentKeys(appId: string, nowMs: number): readonly string[] {
    return [...this.#shadows.values()].filter((shadow) => shadow.appId === appId && !shadow.absent && isPresent(shadow.record, nowMs)).map(({ record }) => record.key);
  }

  holds(appId: string, key: string, version: WireRecord['version']): boolean {
    const held = this.#store.recordOf(appId, key);
    return held !== null && covers(held.version, version);
  }

  /** Notes the time that an operation passes to the store. If time has gone back, marks the records that had already become absent. */
  #tell(nowMs: number): void {
    if (nowMs < this.#toldMs) {
      for (const shadow of this.#shadows.values()) shadow.absent ||= !isPresent(shadow.record, this.#toldMs);
    }
    this.#toldMs = nowMs;
    this.#latestMs = Math.max(this.#latestMs, nowMs);
  }

  /** Wraps the store's operations. */
  #listen(): void {
    const store = this.#store;
    const original = <Name extends keyof RecordStore>(name: Name): RecordStore[Name] => {
      const method = store[name];
      return (typeof method === 'function' ? method.bind(store) : method) as RecordStore[Name];
    };
    const [put, remove, merge] = [original('put'), original('delete'), original('merge')];
    const [forget, reset, letAge] = [original('forget'), original('reset'), original('letAge')];
    store.put = (appId, key, value, ttlMs, nowMs) =>
      this.#write(appId, key, nowMs, () => put(appId, key, value, ttlMs, nowMs));
    store.delete = (appId, key, nowMs) => this.#write(appId, key, nowMs, () => remove(appId, key, nowMs));
    store.merge = (appId, wire, nowMs) => {
      this.#tell(nowMs);
      const key = keyOf(wire);
      const before = key === null ? null : store.recordOf(appId, key);
      const visits = store.visits;
      const verdict = merge(appId, wire, nowMs);
      this.#checkVisits(store.visits - visits, 'merge');
      if (key !== null) this.#judgeMerge(appId, key, wire, before, verdict, nowMs);
      return verdict;
    };
    store.letAge = (nowMs) => {
      this.#tell(nowMs);
      letAge(nowMs);
    };
    store.forget = (appId, key) => {
      this.#drop(idOf(appId, key));
      forget(appId, key);
    };
    store.reset = () => {
      const { storeId } = store;
      reset();
      const { checks, report } = this.#modules;
      checks.note('a store that starts empty has a new id');
      if (store.storeId === storeId) report('a store that starts empty has a new id', `${this.#life.name} keeps the previous id`);
      this.sinceMs = this.#modules.nowMs();
      this.#shadows.clear();
      this.#shadowBytes = 0;
      this.#modules.history.noteStoreLost(this.#life, true);
    };
  }

  #write<Result extends { readonly sequenceNumber: number } | null>(appId: string, key: string, nowMs: number, work: () => Result): Result {
    const { history, report, checks } = this.#modules;
    const store = this.#store;
    this.#tell(nowMs);
    const before = store.recordOf(appId, key);
    this.#checkShadow(appId, key, before);
    const visits = store.visits;
    const write = work();
    this.#checkVisits(store.visits - visits, 'local write');
    const after = store.recordOf(appId, key);
    if (write === null) return write;
    checks.note('a local write is later than every record of the key that its node has seen');
    const seen = this.#shadows.get(idOf(appId, key))?.record ?? before;
    if (after === null) {
      report('a store holds every write that it has accepted', `${key} of app ${appId} on ${this.#life.name}`);
      return write;
    }
    const known = seen !== null && nowMs < goneFromMs(seen, this.#options.retentionMs) && this.#latestMs < goneFromMs(seen, this.#options.retentionMs);
    if (known && Object.keys(seen.version).length < MAX_CLOCK_ENTRIES) {
      if (!covers(after.version, seen.version) || covers(seen.version, after.version)) {
        report('a local write is later than every record of the key that its node has seen', `${key} of app ${appId} on ${this.#life.name}: its clock is not later`);
      }
      if (after.updated_at_ms !== Math.max(nowMs, seen.updated_at_ms + 1)) {
        report('a local write is later than every record of the key that its node has seen', `${key} of app ${appId} on ${this.#life.name}: its time is wrong`);
      }
    }
    if (write.sequenceNumber <= this.#lastSequenceNumber) {
      report('no sequence number is used twice', `${write.sequenceNumber} after ${this.#lastSequenceNumber} on ${this.#life.name}`);
    }
    if (seen === null || !this.#mayBeGone(seen)) this.#checkClockKey(seen, after, write.sequenceNumber);
    this.#lastSequenceNumber = Math.max(this.#lastSequenceNumber, write.sequenceNumber);
    this.#remember(appId, after, nowMs);
    history.noteWrite({ appId, key, sequenceNumber: write.sequenceNumber, record: after, writer: this.#life, secretHash: this.#modules.secretHash() ?? '', atMs: this.#modules.nowMs() });
    this.#modules.onWrite(appId, after);
    return write;
  }

  /**
   * A write must use the node's clock key. If a forged count under that key exceeds every number that the node has used, the write must use
   * a new clock key.
   */
  #checkClockKey(seen: WireRecord | null, after: WireRecord, sequenceNumber: number): void {
    const { report, checks } = this.#modules;
    const { wallet } = this.#life.instance;
    const ownKey = `${wallet}/${this.#store.storeId}`;
    const isForged = (clockKey: string): boolean => (seen?.version[clockKey] ?? 0) > this.#lastSequenceNumber;
    const isUsed = (clockKey: string): boolean => after.version[clockKey] === sequenceNumber && seen?.version[clockKey] !== sequenceNumber;
    const used = Object.keys(after.version).filter((clockKey) => clockKey.startsWith(`${wallet}/`) && isUsed(clockKey));
    checks.note('a write uses a clock key of its node, and the count of that key is not forged');
    const [clockKey] = used;
    if (used.length !== 1 || isForged(clockKey!) || (clockKey !== ownKey) !== isForged(ownKey)) {
      report('a write uses a clock key of its node, and the count of that key is not forged', `${after.key} on ${this.#life.name}`);
    }
  }

  #judgeMerge(appId: string, key: string, wire: unknown, before: WireRecord | null, verdict: ReturnType<RecordStore['merge']>, nowMs: number): void {
    const { report, checks, history, isHonest } = this.#modules;
    checks.note('a merge gives the result that the protocol demands');
    this.#checkShadow(appId, key, before);
    const after = this.#store.recordOf(appId, key);
    const where = `${key} of app ${appId} on ${this.#life.name}`;
    const wellFormed = isWellFormed(wire);
    if (verdict.kind === 'rejected') {
      if (!sameRecord(before, after) && before !== null && nowMs < goneFromMs(before, this.#options.retentionMs)) report('a refused record changes nothing', where);
      const passing = verdict.why === 'too_far_ahead' || verdict.why === 'store_full' || verdict.why === 'does_not_decrypt';
      if (wellFormed && !passing && isHonest() && !history.isTouched(appId, key)) report('no honest record is refused permanently', `${where}: ${verdict.why}`);
      return;
    }
    if (!wellFormed) {
      report('a malformed record is refused', where);
      return;
    }
    if (!isTimely(wire, nowMs, this.#options.maxClockSkewMs)) report('a record that is too far ahead is refused', where);
    const incoming = { ...wire, value: wire.value?.toLowerCase() ?? null };
    const held = before !== null && nowMs >= goneFromMs(before, this.#options.retentionMs) ? null : before;
    const expected = [mergeOf(before, incoming), mergeOf(held, incoming)];
    if (!expected.some((record) => sameRecord(after, record))) report('a merge gives the result that the protocol demands', where);
    if (after === null) return;
    // A merge that changes nothing must not make an absent record present again.
    const changesNothing = verdict.kind === 'skipped' && sameRecord(before, after) && this.#shadows.has(idOf(appId, key));
    if (!changesNothing) this.#remember(appId, after, nowMs);
    history.noteHeld(this.#life, appId, after);
  }

  /** The held record must equal its shadow, unless it is old enough to be forgotten. */
  #checkShadow(appId: string, key: string, held: WireRecord | null): void {
    this.#modules.checks.note('no record changes by itself');
    const shadow = this.#shadows.get(idOf(appId, key));
    if (shadow === undefined) {
      if (held !== null) this.#modules.report('no record changes by itself', `${key} of app ${appId} appeared on ${this.#life.name}`);
      return;
    }
    if (held === null && this.#mayBeGone(shadow.record)) {
      this.#drop(idOf(appId, key));
      return;
    }
    if (!sameRecord(shadow.record, held)) {
      this.#modules.report(held === null ? 'no acknowledged record is evicted' : 'no record changes by itself', `${key} of app ${appId} on ${this.#life.name}`);
    }
  }

  /** Updates the shadow after the store has accepted a record. Checks that the store's digest and byte count already include the record. */
  #remember(appId: string, record: WireRecord, nowMs: number): void {
    const { report, checks } = this.#modules;
    const id = idOf(appId, record.key);
    const before = this.#shadows.get(id);
    this.#drop(id);
    const bytes = storeBytesOf(record);
    if (bytes > (before?.bytes ?? 0)) this.#checkLimits(record, before?.record);
    const digest = digestOf(record);
    this.#shadows.set(id, { appId, record, bytes, bucket: bucketOf(record.key), digest, absent: !isPresent(record, nowMs) });
    this.#shadowBytes += bytes;
    checks.note('no clock has more entries than allowed');
    const entries = Object.keys(record.version).length;
    if (entries > MAX_CLOCK_ENTRIES) report('no clock has more entries than allowed', `${this.#life.name} holds a clock of ${entries} entries`);
    checks.note('counts match the records');
    if (this.#store.heldBytes !== this.#boundBytes()) this.#dropWhatIsGone();
    if (this.#store.heldBytes !== this.#boundBytes()) {
      report('counts match the records', `${this.#life.name} counts ${this.#store.heldBytes} bytes in total, but holds ${this.#boundBytes()}`);
    }
    checks.note('digests match the records');
    if (this.#store.digestOf(appId, record.key) !== digest) report('digests match the records', `${record.key} of app ${appId} on ${this.#life.name}`);
  }

  /**
   * Checks the limits after a record has made the store larger. A tombstone or a value with a lifetime may exceed the limit in bytes if it
   * replaces a held value.
   */
  #checkLimits(record: WireRecord, before: WireRecord | undefined): void {
    const { maxStoreBytes, maxApps } = this.#options;
    const { heldBytes } = this.#store;
    const apps = this.#store.appIds().length;
    const endsValue = typeof before?.value === 'string' && (record.tombstone || record.ttl_ms > 0);
    const maxBytes = maxStoreBytes + (endsValue ? RESERVE_BYTES : 0);
    this.#modules.checks.note('a store stays within its limits');
    if (heldBytes > maxBytes || apps > maxApps) this.#modules.report('a store stays within its limits', `${this.#life.name} holds ${heldBytes} bytes of ${apps} apps`);
  }

  /** Total number of bytes that all records and apps count towards `MAX_STORE_BYTES`. */
  #boundBytes(): number {
    return this.#shadowBytes + this.#store.appIds().length * APP_BYTES;
  }

  #drop(id: string): void {
    this.#shadowBytes -= this.#shadows.get(id)?.bytes ?? 0;
    this.#shadows.delete(id);
  }

  /** Drops the shadows of records that were old enough to be forgotten and that the store has removed. Any operation may remove them. */
  #dropWhatIsGone(): void {
    for (const [id, { appId, record }] of this.#shadows) {
      if (this.#mayBeGone(record) && this.#store.recordOf(appId, record.key) === null) this.#drop(id);
    }
  }

  #mayBeGone(record: WireRecord): boolean {
    return Math.max(this.#latestMs, this.#life.clock.nowMs()) >= goneFromMs(record, this.#options.retentionMs);
  }

  #checkVisits(visits: number, what: string): void {
    this.#modules.checks.note('an operation costs the same regardless of how much the store holds');
    if (visits > MAX_VISITS) this.#modules.report('an operation costs the same regardless of how much the store holds', `a ${what} on ${this.#life.name} looked at ${visits} records`);
  }

  /** The full check: compares the records with their shadows, and the store's counts and digests with the records. */
  checkAll(): void {
    const { report, checks } = this.#modules;
    const store = this.#store;
    const nowMs = this.#life.clock.nowMs();
    this.#tell(nowMs);
    const totals = store.totals(nowMs);
    store.letAge(nowMs);
    const byApp = new Map<string, Map<string, Pick<Shadow, 'bucket' | 'digest'>>>();
    let keys = 0;
    let bytes = 0;
    const present = new Set<string>();
    let held = 0;
    for (const { appId, record } of store.walk({})) {
      const shadow = this.#shadows.get(idOf(appId, record.key));
      const records = byApp.get(appId) ?? new Map<string, Pick<Shadow, 'bucket' | 'digest'>>();
      // A record that equals its shadow has the shadow's digest. A record that differs is reported below.
      records.set(record.key, shadow ?? { bucket: bucketOf(record.key), digest: digestOf(record) });
      byApp.set(appId, records);
      held += storeBytesOf(record);
      if (shadow === undefined || !sameRecord(shadow.record, record)) report('no record changes by itself', `${record.key} of app ${appId} on ${this.#life.name}`);
      if (shadow?.absent === true || !isPresent(record, nowMs)) continue;
      keys += 1;
      bytes += Buffer.byteLength(record.key) + (record.value?.length ?? 0) / 2;
      present.add(appId);
    }
    checks.note('counts match the records');
    const counted = `${totals.totalKeys} keys, ${totals.totalBytes} bytes, ${totals.namespaces} apps`;
    const real = `${keys} keys, ${bytes} bytes, ${present.size} apps`;
    if (counted !== real) report('counts match the records', `${this.#life.name} counts ${counted}, but holds ${real}`);
    held += byApp.size * APP_BYTES;
    if (store.heldBytes !== held) report('counts match the records', `${this.#life.name} counts ${store.heldBytes} bytes in total, but holds ${held}`);
    checks.note('digests match the records');
    for (const [appId, records] of byApp) {
      const digests = bucketDigestsOf(records.values());
      if (store.bucketDigests(appId).join() !== digests.join()) report('digests match the records', `app ${appId} on ${this.#life.name}`);
    }
    for (const [id, { appId, record }] of this.#shadows) {
      if (byApp.get(appId)?.has(record.key) === true) continue;
      if (this.#mayBeGone(record)) this.#drop(id);
      else report('no acknowledged record is evicted', `${record.key} of app ${appId} on ${this.#life.name}`);
    }
  }
}

function keyOf(wire: unknown): string | null {
  const key = wire !== null && typeof wire === 'object' ? (wire as Record<string, unknown>)['key'] : null;
  return typeof key === 'string' ? key : null;
}
