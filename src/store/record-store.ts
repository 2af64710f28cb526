/**
 * The replicated store in memory (protocol.md §4): records by app and key. It uses no network and no clock; the current time is passed as
 * an argument. A store that starts empty draws a new id, which is part of its clock key. So its sequence numbers cannot be confused with
 * those of an earlier store (§10).
 *
 * Invariants: a record that was accepted is never evicted; after every operation, the counts match the records; the cost of get, put,
 * delete, merge, expiry and finding this node's new writes does not depend on the number of records.
 */
import { digestText } from '../crypto/record-digest.ts';
import { invariant, RefusalError } from '../domain/errors.ts';
import type { StoreTotals } from '../domain/figures.ts';
import type { StoreId } from '../domain/ids.ts';
import type { Random } from '../domain/ports.ts';
import type { KeyPage, ListRequest, LocalWrite, MergeRefusal, MergeVerdict, OwnWrite, QuotedKeyPage, WalkRequest, WalkStep, WireRecord } from '../domain/records.ts';
import { Aging } from './aging.ts';
import { isAppIdText } from './app-id-text.ts';
import { fitsInStore, whyFull, type CapacityLimits } from './capacity.ts';
import { Contents, type Standing } from './contents.ts';
import { BUCKETS, EMPTY_BUCKET } from './digest.ts';
import type { HeldRecord } from './held-record.ts';
import { LeftOut } from './left-out.ts';
import { LocalWrites, type Content, type NumberedRecord } from './local-writes.ts';
import { compareContents, decideMerge } from './merge-rules.ts';
import { packBytes, unpackBytes } from './packed-bytes.ts';
import { isTooFarAhead, isWritable, readRecord } from './record-codec.ts';
import { wireBytes } from './memory-cost.ts';
import { quotedArray, quoteKeys } from './quoted-keys.ts';
import { contentBytes, isPresent, toWireRecord, type StoredRecord } from './record.ts';
import { countOf, largestCount } from './vector-clock.ts';
import { cursorAfter, walk } from './walk.ts';
import { WriteLog, type LogEntry } from './write-log.ts';

/** Maximum number of timers handled by one operation. Later operations handle the remaining timers. */
const TIMERS_PER_OPERATION = 256;
/**
 * Maximum number of timers handled before stores are compared. It is higher than `TIMERS_PER_OPERATION`, because a comparison takes a long
 * time anyway.
 */
const TIMERS_PER_LONG_OPERATION = 10_000;
/** Maximum number of this node's own tombstones that a delete examines to find one that all members have. */
const OWN_TOMBSTONES_PER_DELETE = 256;
const STORE_ID_BYTES = 8;
/** Maximum number of apps whose digests may be computed to show the root digest. */
const MAX_SHOWN_APPS = 256;
/** The bucket digests of an app without records. */
const NO_BUCKETS: readonly string[] = Array.from({ length: BUCKETS }, () => EMPTY_BUCKET);

export interface RecordStoreOptions extends CapacityLimits {
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
  readonly maxClockSkewMs: number;
  readonly maxTombstonesPerApp: number;
}

export interface RecordStoreModules {
  readonly random: Pick<Random, 'bytes'>;
  /** Whether stored bytes decrypt with the app's data key. */
  readonly opens: (appId: string, stored: Uint8Array) => boolean;
  /** This node's clock key for a store. */
  readonly ownClockKey: (storeId: StoreId) => string;
  /** Whether it is certain that every current peer has merged or skipped this write of this node. */
  readonly takenByAll: (sequenceNumber: number) => boolean;
  /** True while this node is stale (protocol.md §4, Ages): it does not know which records were deleted elsewhere, so it forgets nothing. */
  readonly keepsEverything: () => boolean;
}

export class RecordStore {
  readonly #options: RecordStoreOptions;
  readonly #modules: RecordStoreModules;
  /** Every reset replaces these five fields. */
  #storeId!: StoreId;
  #contents!: Contents;
  #aging!: Aging;
  #localWrites!: LocalWrites;
  #leftOut!: LeftOut;
  #lastSequenceNumber = 0;
  #refusedFull = 0;
  /** This node's own writes. */
  readonly writes = new WriteLog<HeldRecord>();

  constructor(options: RecordStoreOptions, modules: RecordStoreModules) {
    this.#options = options;
    this.#modules = modules;
    this.#begin();
  }

  get storeId(): StoreId {
    return this.#storeId;
  }

  /** The last sequence number that this node gave to one of its writes. */
  get lastSequenceNumber(): number {
    return this.#lastSequenceNumber;
  }

  /** How many bytes of `MAX_STORE_BYTES` all held records and apps use. */
  get heldBytes(): number {
    return this.#contents.bytes;
  }

  /** Number of tombstones held across all apps. */
  get tombstones(): number {
    return this.#contents.tombstones;
  }

  /** Number of records from peers that were refused because the store was full. */
  get refusedFull(): number {
    return this.#refusedFull;
  }

  /** Number of records visited, as a measure of the cost of an operation. */
  get visits(): number {
    return this.#contents.visits;
  }

  /** Forgets everything. From now on, this is a new store with a new id. */
  reset(): void {
    this.writes.clear();
    this.#begin();
  }

  /** Totals over the records that are present at this time. */
  totals(nowMs: number): StoreTotals {
    let { totalKeys, totalBytes, namespaces } = this.#contents.totals;
    const expiredByApp = new Map<string, number>();
    for (const held of this.#aging.expired(nowMs)) {
      totalKeys -= 1;
      totalBytes -= contentBytes(held);
      expiredByApp.set(held.appId, (expiredByApp.get(held.appId) ?? 0) + 1);
    }
    for (const [appId, expired] of expiredByApp) if (this.#contents.namespace(appId)?.presentKeys === expired) namespaces -= 1;
    return { namespaces, totalKeys, totalBytes };
  }

  /** The stored bytes and their time; null when absent. */
  get(appId: string, key: string, nowMs: number): { readonly value: Uint8Array; readonly updatedAtMs: number } | null {
    const held = this.#contents.find(appId, key);
    if (held === undefined || held.value === null || !reads(held, nowMs)) return null;
    return { value: unpackBytes(held.value), updatedAtMs: held.updatedAtMs };
  }

  /** @throws RefusalError insufficient_storage, or bad_request for a record that peers must refuse; in both cases nothing is written */
  put(appId: string, key: string, value: Uint8Array, ttlMs: number, nowMs: number): LocalWrite {
    const content: Content = { key, value: packBytes(value), ttlMs };
    if (!isWritable(content, this.#options)) throw new RefusalError('bad_request', 'no other node would accept this record');
    this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    const held = this.#contents.find(appId, key);
    const write = this.#next(held, content, nowMs);
    this.#makeRoom(appId, held, write.record, nowMs);
    // `#makeRoom` may have removed the held record because of its age.
    return this.#write(appId, held?.presence === 'gone' ? undefined : held, write, nowMs);
  }

  /** @returns null when the key is absent @throws RefusalError insufficient_storage when there is no room for a tombstone */
  delete(appId: string, key: string, nowMs: number): LocalWrite | null {
    this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    const held = this.#contents.find(appId, key);
    if (held === undefined || !reads(held, nowMs)) return null;
    this.#makeRoomForTombstone(appId, nowMs);
    return this.#write(appId, held, this.#next(held, { key, value: null, ttlMs: 0 }, nowMs), nowMs);
  }

  /** @throws InvariantError for a limit below 1, because every page would then be empty */
  list(appId: string, request: ListRequest, nowMs: number): KeyPage {
    requireKeys(request);
    const namespace = this.#contents.namespace(appId);
    if (namespace === undefined) return { keys: [], more: false };
    if (!this.#hasExpired(nowMs)) return namespace.keys.list(request);
    const { limit = Infinity } = request;
    const keys: string[] = [];
    // Reading one more key than requested shows whether there are more keys. Expired keys do not count.
    for (let page = namespace.keys.list(request); ; page = namespace.keys.list({ ...request, after: page.keys.at(-1) })) {
      for (const key of page.keys) if (reads(namespace.get(key)!, nowMs)) keys.push(key);
      if (keys.length > limit || !page.more) return { keys: keys.slice(0, limit), more: keys.length > limit };
    }
  }

  /** The page that `list` returns, as quoted JSON. @throws InvariantError as `list` */
  listQuoted(appId: string, request: ListRequest, nowMs: number): QuotedKeyPage {
    requireKeys(request);
    const namespace = this.#contents.namespace(appId);
    if (namespace !== undefined && !this.#hasExpired(nowMs)) return namespace.keys.listQuoted(request);
    const { keys, more } = this.list(appId, request, nowMs);
    return { keys: quotedArray(keys.length === 0 ? [] : [quoteKeys(keys)]), count: keys.length, more };
  }

  /** Merges one record from a peer (protocol.md §4, Merge and Refused). */
  merge(appId: string, wire: unknown, nowMs: number): MergeVerdict {
    this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    const refused = (why: MergeRefusal): MergeVerdict => ({ kind: 'rejected', why });
    if (!isAppIdText(appId)) return refused('bad_app_id');
    const record = readRecord(wire, this.#options);
    if (typeof record === 'string') return refused(record);
    if (isTooFarAhead(record, nowMs, this.#options.maxClockSkewMs)) {
      this.#leftOut.note(appId, record, 'too_far_ahead', nowMs);
      return refused('too_far_ahead');
    }
    if (record.value !== null && !this.#modules.opens(appId, unpackBytes(record.value))) return refused('does_not_decrypt');
    const held = this.#contents.find(appId, record.key);
    const decision = decideMerge(held, record);
    // An earlier or identical record changes nothing, not even the clock.
    if (decision.kind === 'keep' && decision.record === held) {
      this.#leftOut.settle(appId, decision.record);
      return { kind: 'skipped', why: decision.why };
    }
    if (!fitsInStore({ appId, record: decision.record, held }, this.#contents, this.#options)) {
      this.#refusedFull += 1;
      // If only the clock would change, this node already holds this content, or content that wins over it.
      if (held === undefined || compareContents(decision.record, held) !== 0) this.#leftOut.note(appId, record, 'store_full', nowMs);
      return refused('store_full');
    }
    this.#hold(appId, held, decision.record, this.#isOwnTombstone(decision.record, held), nowMs);
    if (decision.kind === 'keep') return { kind: 'skipped', why: decision.why };
    if (held !== undefined && held.logEntry !== null) held.logEntry.state = 'replaced';
    return { kind: 'merged' };
  }

  /** This node's own writes with a sequence number above `above`, oldest first, each with the current state of its record. */
  *writesAfter(above: number): Generator<OwnWrite> {
    for (const logEntry of this.writes.after(above)) {
      this.#contents.visits += 1;
      const { sequenceNumber, bytes, what: held } = logEntry;
      // `what` becomes null when the log entry is superseded.
      const isSuperseded = (): boolean => (logEntry as LogEntry<HeldRecord>).what === null;
      yield { sequenceNumber, appId: held.appId, bytes, record: toWireRecord(held), isSuperseded };
    }
  }

  /** Whether a record of this key may have been left out. If so, a peer may hold the key, so it is not known to be absent. */
  isLeftOut(appId: string, key: string, nowMs: number): boolean {
    return this.#leftOut.has(appId, key, nowMs) || this.#leftOut.isOverfull(nowMs);
  }

  /** Number of keys whose record was left out. */
  get leftOut(): number {
    return this.#leftOut.size;
  }

  /** The held record in wire form, regardless of its age; null when there is none. */
  recordOf(appId: string, key: string): WireRecord | null {
    const held = this.#contents.find(appId, key);
    return held === undefined ? null : toWireRecord(held);
  }

  /** The digest of the held record, as 16 hex digits; null when there is no record. */
  digestOf(appId: string, key: string): string | null {
    const held = this.#contents.find(appId, key);
    return held === undefined ? null : digestText(held.digest);
  }

  /** Drops a record and its clock, as if it had never existed. A resync does this to records that the complete snapshot lacks. */
  forget(appId: string, key: string): void {
    const held = this.#contents.find(appId, key);
    if (held !== undefined) this.#remove(held);
  }

  /** Expires and removes the records that are due. */
  letAge(nowMs: number): void {
    this.#aging.run(nowMs, TIMERS_PER_LONG_OPERATION);
    this.#leftOut.dropGone(nowMs);
  }

  /** Notes that, according to a peer's answer, the peer has this node's write to the key, or a newer record. */
  noteTaken(appId: string, key: string, sequenceNumber: number): void {
    const logEntry = this.#contents.find(appId, key)?.logEntry ?? null;
    if (logEntry?.sequenceNumber === sequenceNumber && logEntry.state === 'untaken') logEntry.state = 'taken';
  }

  /**
   * Whether no other node can have deleted the held record: this node wrote the record, and either the write's sequence number is above
   * `seenUpTo` or no peer has ever reported having the record.
   */
  isUnseen(appId: string, key: string, seenUpTo: number): boolean {
    const logEntry = this.#contents.find(appId, key)?.logEntry ?? null;
    return logEntry !== null && logEntry.state !== 'replaced' && (logEntry.sequenceNumber > seenUpTo || logEntry.state === 'untaken');
  }

  /** Forgets the records that were due to be forgotten while this node was stale. */
  forgetOverdue(): void {
    this.#aging.forgetOverdue();
  }

  /**
   * Yields the records one by one. A record that exists during the whole walk is yielded exactly once, regardless of other changes.
   * @throws RefusalError bad_request for a cursor that is not from this store, service_unavailable when the store was emptied meanwhile
   */
  *walk(request: WalkRequest): Generator<WalkStep> {
    const storeId = this.#storeId;
    for (const held of walk(this.#contents, storeId, request)) {
      yield { appId: held.appId, record: toWireRecord(held), cursor: cursorAfter(storeId, held) };
      if (this.#storeId !== storeId) throw new RefusalError('service_unavailable', 'the store was emptied');
    }
  }

  /** Ids of the apps with at least one record, ascending. */
  appIds(): readonly string[] {
    return this.#contents.appIds();
  }

  /** The digest of the whole store, as 32 hex digits. */
  rootDigest(): string {
    return this.#contents.rootDigest();
  }

  /** The root digest for display only; null if computing it would require the digests of too many apps. */
  shownRootDigest(): string | null {
    return this.#contents.isRootKnown || this.#contents.appIds().length <= MAX_SHOWN_APPS ? this.#contents.rootDigest() : null;
  }

  /** The digest of an app, as 32 hex digits; null when the app has no records. */
  appDigest(appId: string): string | null {
    return this.#contents.namespace(appId)?.digest() ?? null;
  }

  /** The digests of an app's buckets: 256 strings of 16 hex digits, even for an app without records. */
  bucketDigests(appId: string): readonly string[] {
    return this.#contents.namespace(appId)?.bucketDigests() ?? NO_BUCKETS;
  }

  #begin(): void {
    const { tombstoneRetentionMs } = this.#options;
    const { random, keepsEverything, ownClockKey } = this.#modules;
    const contents = new Contents();
    const drawId = (): StoreId => Buffer.from(random.bytes(STORE_ID_BYTES)).toString('hex') as StoreId;
    this.#storeId = drawId();
    this.#contents = contents;
    this.#aging = new Aging({ tombstoneRetentionMs }, { contents, keepsEverything, remove: (held) => this.#remove(held) });
    this.#leftOut = new LeftOut({ tombstoneRetentionMs });
    this.#localWrites = new LocalWrites(this.#storeId, { ownClockKey, drawId });
  }

  /** Whether an expired record is still counted as present, because no operation has removed it yet. */
  #hasExpired(nowMs: number): boolean {
    return this.#aging.expired(nowMs).next().done !== true;
  }

  #next(held: HeldRecord | undefined, content: Content, nowMs: number): NumberedRecord {
    return this.#localWrites.next(held, content, this.#lastSequenceNumber, nowMs);
  }

  /** @throws RefusalError insufficient_storage */
  #makeRoom(appId: string, held: HeldRecord | undefined, record: StoredRecord, nowMs: number): void {
    const why = (): string | null => whyFull({ appId, record, held }, this.#contents, this.#options);
    // A write is refused only after all due timers have run, because expired records must not cause a refusal.
    for (let allRan = false; why() !== null && !allRan; ) allRan = this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    const refusal = why();
    if (refusal !== null) throw new RefusalError('insufficient_storage', refusal);
  }

  /**
   * If the app has the maximum number of tombstones, forgets the oldest tombstone that this node wrote and that all members have. No other
   * tombstone is forgotten early (protocol.md §4, Ages).
   */
  #makeRoomForTombstone(appId: string, nowMs: number): void {
    const { maxTombstonesPerApp } = this.#options;
    const namespace = this.#contents.namespace(appId)!;
    // Tombstones that are due to be forgotten are removed first, so that they cause no refusal and no early removal.
    for (let allRan = false; namespace.tombstones >= maxTombstonesPerApp && !allRan; ) allRan = this.#aging.run(nowMs, TIMERS_PER_OPERATION);
    // One tombstone is removed to make room for the new one. Merges may have added tombstones above the maximum, and those are kept.
    if (namespace.tombstones < maxTombstonesPerApp) return;
    // A stale node does not send all of its writes, and the acknowledged sequences move past the writes that it does not send. So while a
    // node is stale, the sequences do not show what the members have.
    const isTaken = ({ logEntry }: HeldRecord): boolean => this.#modules.takenByAll(logEntry?.sequenceNumber ?? 0);
    const taken = this.#modules.keepsEverything() ? null : namespace.oldestOwnTombstone(isTaken, OWN_TOMBSTONES_PER_DELETE);
    if (taken === null) throw new RefusalError('insufficient_storage', 'the app has too many deleted keys that some nodes do not know of yet');
    this.#remove(taken);
  }

  #write(appId: string, held: HeldRecord | undefined, { sequenceNumber, record }: NumberedRecord, nowMs: number): LocalWrite {
    this.#lastSequenceNumber = sequenceNumber;
    const now = this.#hold(appId, held, record, record.value === null, nowMs);
    if (now.logEntry !== null) this.writes.supersede(now.logEntry);
    now.logEntry = this.writes.append(sequenceNumber, now, wireBytes(record));
    return { appId, key: record.key, sequenceNumber, updatedAtMs: record.updatedAtMs };
  }

  #hold(appId: string, held: HeldRecord | undefined, record: StoredRecord, ownTombstone: boolean, nowMs: number): HeldRecord {
    const standing: Standing = { presence: isPresent(record, nowMs) ? 'present' : 'absent', ownTombstone };
    if (held === undefined) held = this.#contents.add(appId, record, standing);
    else this.#contents.replace(held, record, standing);
    this.#aging.start(held, nowMs);
    this.#leftOut.settle(appId, record);
    return held;
  }

  /**
   * Whether this node wrote a tombstone that is being merged. If this node holds a record of the key, that record must be its own tombstone
   * with the same time. The counts in the clock do not prove this, because a peer whose time of day is behind may have deleted what
   * this node wrote. If this node holds no record, it may have forgotten the tombstone early; then this node's count is the largest in the
   * clock. A count above this node's last sequence number is forged.
   */
  #isOwnTombstone(record: StoredRecord, held: HeldRecord | undefined): boolean {
    if (record.value !== null) return false;
    if (held !== undefined) return held.ownTombstone && held.updatedAtMs === record.updatedAtMs;
    const own = countOf(record.version, this.#localWrites.clockKey());
    return own > 0 && own <= this.#lastSequenceNumber && own >= largestCount(record.version);
  }

  #remove(held: HeldRecord): void {
    this.#contents.remove(held);
    this.#aging.stop(held);
    if (held.logEntry !== null) this.writes.supersede(held.logEntry);
  }
}

/** Whether a record is present for readers. An expired record does not come back when the clock is set back. */
function reads(held: HeldRecord, nowMs: number): boolean {
  return held.presence === 'present' && isPresent(held, nowMs);
}

/** @throws InvariantError for a page without keys, because its caller would ask for the next page again and again */
function requireKeys({ limit = 1 }: ListRequest): void {
  invariant(limit >= 1, 'a listing of fewer than one key was requested');
}
