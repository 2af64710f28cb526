/**
 * The replicated store in memory (protocol.md §4): records by app and key. It has no network and no clock of its own; the
 * time is an argument. A store that starts empty draws a new id, so that nobody ever repeats a number of another (§10).
 *
 * Invariants: nothing that was acknowledged is evicted; after every operation the counts are those of the records; the cost
 * of get, put, delete, merge, expiry and "what was written since" does not depend on how much is held.
 */
import { digestText, recordDigest } from '../crypto/record-digest.ts';
import { RefusalError } from '../domain/errors.ts';
import type { StoreTotals } from '../domain/figures.ts';
import { toAppId, type StoreId } from '../domain/ids.ts';
import type { Random } from '../domain/ports.ts';
import type {
  KeyPage,
  ListRequest,
  LocalWrite,
  MergeRefusal,
  MergeVerdict,
  OwnWrite,
  WalkRequest,
  WalkStep,
  WireRecord,
} from '../domain/records.ts';
import { TimingWheel } from './timing-wheel.ts';
import { BUCKETS, bucketOf, EMPTY_BUCKET, rootDigest } from './digest.ts';
import type { Entry } from './entry.ts';
import { decideMerge } from './merge-rules.ts';
import { Namespace, type PresentTotals } from './namespace.ts';
import { readRecord } from './record-codec.ts';
import { absentFromMs, contentBytes, goneFromMs, isPresent, storeBytes, toWireRecord, wireBytes, withOwnBuffer, type StoredRecord } from './record.ts';
import { advanceClock } from './vector-clock.ts';
import { WriteLog, type LogEntry } from './write-log.ts';

/** Timers run by one operation; the rest are left to the next ones. */
const TIMERS_PER_OPERATION = 256;
/** The same for what costs by its length anyway: listings, and what comes before stores are compared. */
const TIMERS_PER_LONG_OPERATION = 10_000;
const STORE_ID_BYTES = 8;
/** The digests of an app that holds nothing. */
const NO_BUCKETS: readonly string[] = Array.from({ length: BUCKETS }, () => EMPTY_BUCKET);

export interface RecordStoreOptions {
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
  /** `MAX_APP_STORAGE_BYTES`. */
  readonly maxAppBytes: number;
  readonly maxClockSkewMs: number;
  readonly maxStoreBytes: number;
  readonly tombstoneRetentionMs: number;
  readonly maxTombstonesPerApp: number;
}

export interface RecordStoreModules {
  readonly random: Pick<Random, 'bytes'>;
  /** Whether stored bytes decrypt under the app's data key. */
  readonly opens: (appId: string, stored: Uint8Array) => boolean;
  /** This node's clock key for a store. */
  readonly ownClockKey: (storeId: StoreId) => string;
  /** Whether every current member has certainly taken the own write of this number. */
  readonly takenByAll: (sequenceNumber: number) => boolean;
  /** The node was cut off for too long to know what is gone (protocol.md §4, Ages): nothing is forgotten. */
  readonly keepsEverything: () => boolean;
}

interface NumberedRecord {
  /** Its own sequence number. */
  readonly sequenceNumber: number;
  readonly record: StoredRecord;
}

export class RecordStore {
  readonly #options: RecordStoreOptions;
  readonly #modules: RecordStoreModules;
  #storeId: StoreId;
  #namespaces = new Map<string, Namespace>();
  #wheel = new TimingWheel<Entry>();
  /** Past their age while everything is kept. */
  #overdue = new Set<Entry>();
  #bytes = 0;
  #present: PresentTotals = { keys: 0, bytes: 0, namespaces: 0 };
  #lastSequenceNumber = 0;
  #refusedFull = 0;
  #lastSequence = 0;
  #appIds: readonly string[] | null = null;
  #root: string | null = null;
  /** This node's own writes. */
  readonly writes = new WriteLog<Entry>();
  /** Entries looked at since the start: what an operation costs, counted. */
  visits = 0;

  constructor(options: RecordStoreOptions, modules: RecordStoreModules) {
    this.#options = options;
    this.#modules = modules;
    this.#storeId = this.#drawId();
  }

  get storeId(): StoreId {
    return this.#storeId;
  }

  /** The last number that this node gave to a write of its own. */
  get lastSequenceNumber(): number {
    return this.#lastSequenceNumber;
  }

  /** What all records held count for in `MAX_STORE_BYTES`. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** Records of peers that were refused because the store is full. */
  get refusedFull(): number {
    return this.#refusedFull;
  }

  /** Forgets everything and is another store from now on. */
  reset(): void {
    this.#namespaces = new Map();
    this.#wheel = new TimingWheel();
    this.#overdue = new Set();
    this.#bytes = 0;
    this.#present = { keys: 0, bytes: 0, namespaces: 0 };
    this.#appIds = null;
    this.#root = null;
    this.writes.clear();
    this.#storeId = this.#drawId();
  }

  /** What reads as present. */
  totals(nowMs: number): StoreTotals {
    this.#runTimers(nowMs);
    const { keys: totalKeys, bytes: totalBytes, namespaces } = this.#present;
    return { namespaces, totalKeys, totalBytes };
  }

  /** The stored bytes and their time, or null when absent. */
  get(appId: string, key: string, nowMs: number): { readonly value: Uint8Array; readonly updatedAtMs: number } | null {
    this.#runTimers(nowMs);
    const entry = this.#find(appId, key);
    if (entry === undefined || entry.record.value === null || !this.#reads(entry, nowMs)) return null;
    return { value: entry.record.value, updatedAtMs: entry.record.updatedAtMs };
  }

  /** @throws RefusalError insufficient_storage; nothing has changed then */
  put(appId: string, key: string, value: Uint8Array, ttlMs: number, nowMs: number): LocalWrite {
    this.#runTimers(nowMs);
    const held = this.#find(appId, key);
    const write = this.#nextWrite(held?.record, key, withOwnBuffer(value), ttlMs, nowMs);
    this.#checkQuota(appId, held, write.record, nowMs);
    // It may have gone for its age meanwhile.
    return this.#write(appId, held?.gone === true ? undefined : held, write, nowMs);
  }

  /** null when absent. @throws RefusalError insufficient_storage when there is no room for a tombstone */
  delete(appId: string, key: string, nowMs: number): LocalWrite | null {
    this.#runTimers(nowMs);
    const held = this.#find(appId, key);
    if (held === undefined || !this.#reads(held, nowMs)) return null;
    this.#makeRoomForTombstone(held, nowMs);
    return this.#write(appId, held, this.#nextWrite(held.record, key, null, 0, nowMs), nowMs);
  }

  list(appId: string, request: ListRequest, nowMs: number): KeyPage {
    const allRan = this.#runTimers(nowMs, TIMERS_PER_LONG_OPERATION);
    const namespace = this.#namespaces.get(appId);
    if (namespace === undefined) return { keys: [], more: false };
    if (allRan) return namespace.keys.list(request);
    // A page that is empty for what is past its age has no last key to go on after.
    for (let page = namespace.keys.list(request); ; page = namespace.keys.list({ ...request, after: page.keys.at(-1) })) {
      const keys = page.keys.filter((key) => this.#reads(namespace.get(key)!, nowMs));
      if (keys.length > 0 || !page.more) return { keys, more: page.more };
    }
  }

  /** Merges one record from a peer (protocol.md §4, Merge and Refused). */
  merge(appId: string, wire: unknown, nowMs: number): MergeVerdict {
    this.#runTimers(nowMs);
    const refused = (why: MergeRefusal): MergeVerdict => ({ kind: 'rejected', why });
    if (!isAppIdText(appId)) return refused('bad_app_id');
    const record = readRecord(wire, this.#options);
    if (typeof record === 'string') return refused(record);
    if (record.updatedAtMs > nowMs + this.#options.maxClockSkewMs) return refused('too_far_ahead');
    const ownKey = this.#modules.ownClockKey(this.#storeId);
    if ((record.version.get(ownKey) ?? 0) > this.#lastSequenceNumber) return refused('foreign_count');
    if (record.value !== null && !this.#modules.opens(appId, record.value)) return refused('does_not_decrypt');
    const held = this.#find(appId, record.key);
    const decision = held === undefined ? ({ kind: 'replace', record } as const) : decideMerge(held.record, record);
    // An earlier record changes nothing, not even the clock.
    if (decision.kind === 'keep' && decision.record === held?.record) return { kind: 'skipped', why: decision.why };
    const growth = storeBytes(decision.record) - (held?.storeBytes ?? 0);
    if (growth > 0 && this.#bytes + growth > this.#options.maxStoreBytes) {
      this.#refusedFull += 1;
      return refused('store_full');
    }
    this.#hold(appId, held, decision.record, nowMs, isOwnTombstone(decision.record, held, ownKey));
    if (decision.kind === 'replace' && held !== undefined && held.logEntry !== null) held.logEntry.replaced = true;
    return decision.kind === 'replace' ? { kind: 'merged' } : { kind: 'skipped', why: decision.why };
  }

  /** This node's own writes with a sequence number above `above`, oldest first, each with the record as it is now. */
  *writesAfter(above: number): Generator<OwnWrite> {
    for (const logEntry of this.writes.after(above)) {
      this.visits += 1;
      const { sequenceNumber, bytes, what: entry } = logEntry;
      // Its own word on it changes when the log entry is superseded.
      const isSuperseded = (): boolean => (logEntry as LogEntry<Entry>).what === null;
      yield { sequenceNumber, appId: entry.appId, bytes, record: toWireRecord(entry.record), isSuperseded };
    }
  }

  /** The record as it is held, in wire form, whatever its age; null when there is none. */
  recordOf(appId: string, key: string): WireRecord | null {
    const held = this.#find(appId, key);
    return held === undefined ? null : toWireRecord(held.record);
  }

  /** 16 hex digits; null when there is no record. */
  digestOf(appId: string, key: string): string | null {
    const held = this.#find(appId, key);
    return held === undefined ? null : digestText(held.digest);
  }

  /** Drops a record and its clock, as if it had never been: for what a complete snapshot lacks after a long cut. */
  forget(appId: string, key: string): void {
    const entry = this.#find(appId, key);
    if (entry !== undefined) this.#remove(entry);
  }

  /** Lets age do what has come due. */
  letAge(nowMs: number): void {
    this.#runTimers(nowMs, TIMERS_PER_LONG_OPERATION);
  }

  /** A peer has taken this node's own write of a key, or holds a later one. */
  noteTaken(appId: string, key: string, sequenceNumber: number): void {
    const logEntry = this.#find(appId, key)?.logEntry ?? null;
    if (logEntry?.sequenceNumber === sequenceNumber) logEntry.taken = true;
  }

  /** This node wrote what is held of a key, with a sequence number above `seenUpTo`, or so that no peer has ever said that it has it. */
  isUnseen(appId: string, key: string, seenUpTo: number): boolean {
    const logEntry = this.#find(appId, key)?.logEntry ?? null;
    return logEntry !== null && !logEntry.replaced && (logEntry.sequenceNumber > seenUpTo || !logEntry.taken);
  }

  /** Forgets what is past its age again, after a time in which everything was kept. */
  forgetOverdue(): void {
    for (const entry of this.#overdue) this.#remove(entry);
    this.#overdue.clear();
  }

  /**
   * The records one by one, in an order that neither repeats nor misses what was there at the start, whatever changes
   * meanwhile.
   * @throws RefusalError bad_request on a cursor that this store did not give
   */
  *walk(request: WalkRequest): Generator<WalkStep> {
    const storeId = this.#storeId;
    const start = this.#readCursor(request.cursor);
    const wanted = request.buckets === undefined ? null : new Set(request.buckets);
    for (const appId of request.app === undefined ? this.appIds() : [request.app]) {
      if (start !== null && compareAppIds(appId, start.appId) < 0) continue;
      const from = start?.appId === appId ? start : { bucket: 0, sequence: 0 };
      for (let bucket = from.bucket; bucket < BUCKETS; bucket += 1) {
        if (wanted !== null && !wanted.has(bucket)) continue;
        let sequence = bucket === from.bucket ? from.sequence : 0;
        let entry = this.#namespaces.get(appId)?.firstAfter(bucket, sequence) ?? null;
        while (entry !== null) {
          this.visits += 1;
          sequence = entry.sequence;
          yield { appId, record: toWireRecord(entry.record), cursor: `${storeId}.${appId}.${bucket}.${sequence}` };
          if (this.#storeId !== storeId) throw new RefusalError('service_unavailable', 'the store was emptied');
          entry = entry.gone ? (this.#namespaces.get(appId)?.firstAfter(bucket, sequence) ?? null) : entry.next;
        }
      }
    }
  }

  /** Ids of the apps that hold a record, ascending. */
  appIds(): readonly string[] {
    this.#appIds ??= [...this.#namespaces.keys()].sort(compareAppIds);
    return this.#appIds;
  }

  /** 32 hex digits. */
  rootDigest(): string {
    this.#root ??= rootDigest(this.appIds().map((appId) => [appId, this.#namespaces.get(appId)!.digest()]));
    return this.#root;
  }

  /** 32 hex digits per app. */
  appDigests(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.appIds().map((appId) => [appId, this.#namespaces.get(appId)!.digest()]));
  }

  /** 256 texts of 16 hex digits; of an app that holds nothing, too. */
  bucketDigests(appId: string): readonly string[] {
    return this.#namespaces.get(appId)?.bucketDigests() ?? NO_BUCKETS;
  }

  #drawId(): StoreId {
    return Buffer.from(this.#modules.random.bytes(STORE_ID_BYTES)).toString('hex') as StoreId;
  }

  /** A record that has read as absent does not come back when the clock is set back. */
  #reads(entry: Entry, nowMs: number): boolean {
    return entry.counted && isPresent(entry.record, nowMs);
  }

  #find(appId: string, key: string): Entry | undefined {
    this.visits += 1;
    return this.#namespaces.get(appId)?.get(key);
  }

  /** A local write and its number: later than what it replaces, by its clock and by its time (protocol.md §4, Local write). */
  #nextWrite(held: StoredRecord | undefined, key: string, value: Uint8Array | null, ttlMs: number, nowMs: number): NumberedRecord {
    const sequenceNumber = Math.max(this.#lastSequenceNumber + 1, nowMs);
    const version = advanceClock(held?.version ?? null, this.#modules.ownClockKey(this.#storeId), sequenceNumber);
    const updatedAtMs = Math.max(nowMs, (held?.updatedAtMs ?? 0) + 1);
    return { sequenceNumber, record: { key, value, version, updatedAtMs, ttlMs } };
  }

  #checkQuota(appId: string, held: Entry | undefined, record: StoredRecord, nowMs: number): void {
    const { maxAppBytes, maxStoreBytes } = this.#options;
    const exceeded = (): string | null => {
      const growth = contentBytes(record) - (held?.counted === true ? held.contentBytes : 0);
      const present = this.#namespaces.get(appId)?.presentBytes ?? 0;
      if (growth > 0 && present + growth > maxAppBytes) return `the app stores more than ${maxAppBytes} bytes`;
      const storeGrowth = storeBytes(record) - (held?.gone === false ? held.storeBytes : 0);
      return storeGrowth > 0 && this.#bytes + storeGrowth > maxStoreBytes ? 'the store of this node is full' : null;
    };
    let why = exceeded();
    // Nothing is refused for what is past its age.
    for (let allRan = false; why !== null && !allRan; why = exceeded()) allRan = this.#runTimers(nowMs);
    if (why !== null) throw new RefusalError('insufficient_storage', why);
  }

  /** The oldest own tombstone goes first, once all have it; no other goes early (protocol.md §4, Ages). */
  #makeRoomForTombstone(held: Entry, nowMs: number): void {
    const namespace = this.#namespaces.get(held.appId)!;
    // None goes early, and nothing is refused, for what is past its age.
    for (let allRan = false; namespace.tombstones >= this.#options.maxTombstonesPerApp && !allRan; ) allRan = this.#runTimers(nowMs);
    // One goes for the one that comes: what merges have brought above the cap stays.
    if (namespace.tombstones >= this.#options.maxTombstonesPerApp) {
      const oldest = namespace.oldestOwnTombstone();
      const sequenceNumber = oldest?.logEntry?.sequenceNumber ?? 0;
      // While everything is kept, acknowledged sequences move over what is held back: they do not say that all have it.
      if (oldest === null || this.#modules.keepsEverything() || !this.#modules.takenByAll(sequenceNumber)) {
        throw new RefusalError('insufficient_storage', 'the app has too many deleted keys that not all nodes know of');
      }
      this.#remove(oldest);
    }
  }

  #write(appId: string, held: Entry | undefined, { sequenceNumber, record }: NumberedRecord, nowMs: number): LocalWrite {
    this.#lastSequenceNumber = sequenceNumber;
    const entry = this.#hold(appId, held, record, nowMs, record.value === null);
    if (entry.logEntry !== null) this.writes.supersede(entry.logEntry);
    entry.logEntry = this.writes.append(sequenceNumber, entry, wireBytes(record));
    return { appId, key: record.key, sequenceNumber, updatedAtMs: record.updatedAtMs };
  }

  #hold(appId: string, held: Entry | undefined, record: StoredRecord, nowMs: number, ownTombstone: boolean): Entry {
    const namespace = this.#namespaceOf(appId);
    const digest = recordDigest(toWireRecord(record));
    const bytes = storeBytes(record);
    let entry = held;
    if (entry === undefined) {
      this.#lastSequence += 1;
      const place = { appId, bucket: bucketOf(record.key), sequence: this.#lastSequence };
      const links = { timer: null, logEntry: null, before: null, next: null, gone: false };
      const counts = { storeBytes: 0, contentBytes: 0, counted: false, ownTombstone: false };
      entry = { ...place, ...links, ...counts, record, digest };
      namespace.insert(entry);
    } else {
      namespace.exclude(entry);
      this.#cancelTimer(entry);
      this.#bytes -= entry.storeBytes;
    }
    entry.record = record;
    entry.digest = digest;
    entry.storeBytes = bytes;
    entry.contentBytes = contentBytes(record);
    entry.counted = isPresent(record, nowMs);
    entry.ownTombstone = ownTombstone;
    this.#bytes += bytes;
    namespace.include(entry);
    this.#scheduleAging(entry, nowMs);
    this.#root = null;
    return entry;
  }

  #remove(entry: Entry): void {
    const namespace = this.#namespaces.get(entry.appId)!;
    namespace.exclude(entry);
    namespace.remove(entry);
    this.#cancelTimer(entry);
    this.#bytes -= entry.storeBytes;
    if (entry.logEntry !== null) this.writes.supersede(entry.logEntry);
    this.#root = null;
    if (namespace.size > 0) return;
    this.#namespaces.delete(entry.appId);
    this.#appIds = null;
  }

  #namespaceOf(appId: string): Namespace {
    let namespace = this.#namespaces.get(appId);
    if (namespace === undefined) {
      namespace = new Namespace(this.#present);
      this.#namespaces.set(appId, namespace);
      this.#appIds = null;
    }
    return namespace;
  }

  #scheduleAging(entry: Entry, nowMs: number): void {
    const atMs = isPresent(entry.record, nowMs)
      ? absentFromMs(entry.record)
      : goneFromMs(entry.record, this.#options.tombstoneRetentionMs);
    entry.timer = Number.isFinite(atMs) ? this.#wheel.schedule(entry, atMs) : null;
  }

  #cancelTimer(entry: Entry): void {
    if (entry.timer !== null) this.#wheel.cancel(entry.timer);
    entry.timer = null;
    this.#overdue.delete(entry);
  }

  /**
   * Lets age do what has come due: first a record reads as absent, then nothing of it is kept.
   * @returns whether nothing that is due is left
   */
  #runTimers(nowMs: number, atMost = TIMERS_PER_OPERATION): boolean {
    for (let ran = 0; ran < atMost; ran += 1) {
      const due = this.#wheel.takeDue(nowMs);
      if (due === null) return true;
      this.visits += 1;
      const entry = due.what;
      entry.timer = null;
      if (nowMs >= goneFromMs(entry.record, this.#options.tombstoneRetentionMs)) {
        if (this.#modules.keepsEverything()) this.#overdue.add(entry);
        else {
          this.#remove(entry);
          continue;
        }
      }
      this.#namespaces.get(entry.appId)!.expire(entry);
      if (!this.#overdue.has(entry)) this.#scheduleAging(entry, nowMs);
    }
    return false;
  }

  #readCursor(cursor: string | undefined): { appId: string; bucket: number; sequence: number } | null {
    if (cursor === undefined) return null;
    const match = /^([0-9a-f]{16})\.(\d{1,16})\.(\d{1,3})\.(\d{1,15})$/.exec(cursor);
    if (match?.[1] !== this.#storeId) throw new RefusalError('bad_request', 'the cursor is not of this store');
    return { appId: match[2]!, bucket: Number(match[3]), sequence: Number(match[4]) };
  }
}

/** Decimal digits of an app id other than 0, without leading zeros, that a JSON number holds exactly. */
function isAppIdText(text: string): boolean {
  return /^[1-9]\d{0,15}$/.test(text) && toAppId(BigInt(text)) !== null;
}

/** Texts without leading zeros: the shorter number is the smaller one. */
function compareAppIds(a: string, b: string): number {
  return a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length;
}

/**
 * Whether a merged tombstone is one that this node wrote: the one that it holds, or one that went early and comes back. Its
 * own sequence number is then the largest in the clock; that alone would not do, for a peer whose time is behind may have deleted
 * what this node wrote.
 */
function isOwnTombstone(record: StoredRecord, held: Entry | undefined, ownKey: string): boolean {
  if (record.value !== null) return false;
  if (held !== undefined) return held.ownTombstone && held.record.updatedAtMs === record.updatedAtMs;
  const own = record.version.get(ownKey) ?? 0;
  return own > 0 && own >= Math.max(...record.version.values());
}
