/**
 * A store as described in protocol.md §4 and §10, without regard to cost: every operation scans all records.
 * The tests compare the real store with this one.
 */
import { createHash } from 'node:crypto';
import type { KeyPage, ListRequest, MergeVerdict, WireRecord } from '../../../src/domain/records.ts';
import type { RecordStoreOptions } from '../../../src/store/record-store.ts';
import { isTakenByAll, UNREADABLE, type Outside } from './open-store.ts';

export interface NaiveEntry {
  readonly appId: string;
  record: WireRecord;
  /** True until an operation runs after the record has expired. */
  present: boolean;
  /**
   * Whether the record is due to be forgotten. While the store is forbidden to forget anything (`keepsEverything`), even such a record
   * stays.
   */
  overdue: boolean;
  /** The sequence number of this node's last write to the key, or 0. */
  ownSequenceNumber: number;
  /** Whether the record is a tombstone that this node wrote. */
  ownTombstone: boolean;
}

/**
 * The number of bytes by which a merged record may exceed the limit of the store: for a tombstone, and for a value that all nodes will have
 * forgotten before the replaced value expires.
 */
const RESERVE_BYTES = { tombstone: 2 ** 25, value: 2 ** 24 };

function storedBytes({ value }: WireRecord): number {
  return value === null ? 0 : value.length / 2;
}

const keyBytes = ({ key }: WireRecord): number => Buffer.byteLength(key);

function bytesInStore(record: WireRecord): number {
  const text = (characters: string): number => 24 + characters.length * (/^[\u0000-\u00ff]*$/.test(characters) ? 1 : 2);
  const clock = Object.keys(record.version).reduce((sum, key) => sum + text(key) + 32, 0);
  // A value costs at least as much as the clock entry that its delete adds.
  return 640 + clock + text(record.key) + (record.tombstone ? 0 : Math.max(24 + storedBytes(record), 24 + 59 + 32));
}

function compareClocks(a: WireRecord['version'], b: WireRecord['version']): { readonly ahead: boolean; readonly behind: boolean } {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return { ahead: keys.some((key) => (a[key] ?? 0) > (b[key] ?? 0)), behind: keys.some((key) => (a[key] ?? 0) < (b[key] ?? 0)) };
}

function mergedClock(held: WireRecord['version'], incoming: WireRecord['version']): Record<string, number> {
  const keys = [...Object.keys(held), ...Object.keys(incoming)];
  return Object.fromEntries(keys.map((key) => [key, Math.max(held[key] ?? 0, incoming[key] ?? 0)]));
}

/**
 * Cuts a clock to at most 64 entries. Entries with `/` in the key are dropped first, in ascending order of count and then of key. The
 * entry with the key `staying` is never dropped.
 */
function cutClock(clock: WireRecord['version'], staying?: string): WireRecord['version'] {
  const left = new Map(Object.entries(clock));
  while (left.size > 64) {
    const candidates = [...left].filter(([key]) => key !== staying);
    const ours = candidates.filter(([key]) => key.includes('/'));
    const among = ours.length > 0 ? ours : candidates;
    const smallest = Math.min(...among.map(([, count]) => count));
    left.delete(among.filter(([, count]) => count === smallest).map(([key]) => key).sort()[0]!);
  }
  return Object.fromEntries(left);
}

const sameClock = (a: WireRecord['version'], b: WireRecord['version']): boolean => {
  const { ahead, behind } = compareClocks(a, b);
  return !ahead && !behind;
};

/** Ranks concurrent records. The parts of a rank are compared in order, and the first difference decides. */
function rank(record: WireRecord): readonly [number, string, number] {
  return [record.updated_at_ms, record.value ?? '', record.ttl_ms === 0 ? Infinity : record.ttl_ms];
}

function compareRanks(a: WireRecord, b: WireRecord): number {
  const [left, right] = [rank(a), rank(b)];
  for (const [at, part] of left.entries()) if (part !== right[at]) return part > right[at]! ? 1 : -1;
  return 0;
}

function absentFrom(record: WireRecord): number {
  return record.tombstone ? -Infinity : record.ttl_ms === 0 ? Infinity : record.updated_at_ms + record.ttl_ms + 1;
}

export type Written = { readonly sequenceNumber: number; readonly updatedAtMs: number } | 'full' | 'absent';

export class NaiveStore {
  readonly #options: RecordStoreOptions;
  readonly #outside: Outside;
  readonly #ownKey: string;
  entries: NaiveEntry[] = [];
  lastSequenceNumber = 0;

  constructor(options: RecordStoreOptions, outside: Outside, ownKey: string) {
    this.#options = options;
    this.#outside = outside;
    this.#ownKey = ownKey;
  }

  find(appId: string, key: string): NaiveEntry | undefined {
    return this.entries.find((entry) => entry.appId === appId && entry.record.key === key);
  }

  /** Marks records that have expired or are due to be forgotten, and forgets the latter unless the store keeps all records. */
  age(nowMs: number): void {
    for (const entry of this.entries) {
      if (nowMs >= absentFrom(entry.record)) entry.present = false;
      if (nowMs >= this.#goneFrom(entry.record)) entry.overdue = true;
    }
    if (!this.#outside.keepsEverything) this.entries = this.entries.filter((entry) => !entry.overdue || nowMs < this.#goneFrom(entry.record));
  }

  forgetOverdue(): void {
    this.entries = this.entries.filter(({ overdue }) => !overdue);
  }

  present(appId: string, nowMs: number): NaiveEntry[] {
    return this.entries.filter((entry) => entry.appId === appId && this.#reads(entry, nowMs));
  }

  bytesInApp(appId: string, nowMs: number): number {
    return this.present(appId, nowMs).reduce((sum, { record }) => sum + keyBytes(record) + storedBytes(record), 0);
  }

  heldBytes(): number {
    return this.entries.reduce((sum, { record }) => sum + bytesInStore(record), this.#apps().size * 1_024);
  }

  get(appId: string, key: string, nowMs: number): { readonly value: string; readonly updatedAtMs: number } | null {
    const entry = this.find(appId, key);
    if (entry === undefined || entry.record.value === null || !this.#reads(entry, nowMs)) return null;
    return { value: entry.record.value, updatedAtMs: entry.record.updated_at_ms };
  }

  list(appId: string, { prefix = '', after, limit = Infinity }: ListRequest, nowMs: number): KeyPage {
    const all = this.present(appId, nowMs).map(({ record }) => record.key);
    const keys = all.filter((key) => key.startsWith(prefix) && (after === undefined || key > after)).sort();
    return { keys: keys.slice(0, limit), more: keys.length > limit };
  }

  put(appId: string, key: string, value: string, ttlMs: number, nowMs: number, clockKey: string): Written {
    this.age(nowMs);
    const record = this.#next(appId, key, value, ttlMs, nowMs, clockKey);
    const held = this.find(appId, key);
    const grows = keyBytes(record) + storedBytes(record) - (held?.present === true ? keyBytes(held.record) + storedBytes(held.record) : 0);
    if (grows > 0 && this.bytesInApp(appId, nowMs) + grows > this.#options.maxAppBytes) return 'full';
    if (!this.#hasRoomFor(appId, record, held)) return 'full';
    return this.#write(appId, record, clockKey, nowMs);
  }

  delete(appId: string, key: string, nowMs: number, clockKey: string): Written {
    this.age(nowMs);
    if (this.get(appId, key, nowMs) === null) return 'absent';
    const tombstones = this.entries.filter((entry) => entry.appId === appId && entry.record.tombstone);
    if (tombstones.length >= this.#options.maxTombstonesPerApp) {
      const own = tombstones.filter(({ ownTombstone }) => ownTombstone).sort((a, b) => a.ownSequenceNumber - b.ownSequenceNumber);
      const taken = own.find(({ ownSequenceNumber }) => isTakenByAll(this.#outside, ownSequenceNumber));
      // While the store keeps all records, an acknowledged sequence number does not prove that all peers have the earlier writes.
      if (taken === undefined || this.#outside.keepsEverything) return 'full';
      this.entries = this.entries.filter((entry) => entry !== taken);
    }
    return this.#write(appId, this.#next(appId, key, null, 0, nowMs, clockKey), clockKey, nowMs);
  }

  merge(appId: string, wire: WireRecord, nowMs: number): MergeVerdict {
    const incoming = { ...wire, version: Object.fromEntries(Object.entries(wire.version).filter(([, count]) => count > 0)) };
    this.age(nowMs);
    const latestMs = nowMs + this.#options.maxClockSkewMs;
    if (incoming.updated_at_ms > latestMs) return { kind: 'rejected', why: 'too_far_ahead' };
    if (Object.values(incoming.version).some((count) => count > latestMs + 1_048_576)) return { kind: 'rejected', why: 'too_far_ahead' };
    if (incoming.value?.startsWith(UNREADABLE.toString(16)) === true) return { kind: 'rejected', why: 'does_not_decrypt' };
    const held = this.find(appId, incoming.key);
    const { ahead, behind } = held === undefined ? { ahead: true, behind: false } : compareClocks(incoming.version, held.record.version);
    if (held !== undefined && behind && !ahead) return { kind: 'skipped', why: 'ignored_existing_newer_version' };
    const later = ahead && !behind;
    const order = held === undefined || later ? 1 : compareRanks(incoming, held.record);
    const winner = held === undefined || order > 0 ? incoming : held.record;
    const version = cutClock(held === undefined || later ? incoming.version : mergedClock(held.record.version, incoming.version));
    if (held !== undefined && compareRanks(incoming, held.record) === 0 && sameClock(version, held.record.version)) return { kind: 'skipped', why: 'ignored_identical' };
    const record = { ...winner, version };
    const endsHeld = held?.record.tombstone === false && (record.tombstone || this.#goneFrom(record) < absentFrom(held.record));
    const reserve = endsHeld ? RESERVE_BYTES[record.tombstone ? 'tombstone' : 'value'] : 0;
    if (!this.#hasRoomFor(appId, record, held, reserve)) return { kind: 'rejected', why: 'store_full' };
    const sameTombstone = record.tombstone && held?.record.tombstone === true && record.updated_at_ms === held.record.updated_at_ms;
    this.#hold(appId, record, nowMs, held?.ownTombstone === true && sameTombstone);
    if (order > 0) return { kind: 'merged' };
    return { kind: 'skipped', why: order === 0 ? 'ignored_identical' : 'ignored_existing_newer_time' };
  }

  /** The entries whose last local write has a sequence number above `above`, in the order of these numbers. */
  writesAfter(above: number): NaiveEntry[] {
    return this.entries.filter(({ ownSequenceNumber }) => ownSequenceNumber > above).sort((a, b) => a.ownSequenceNumber - b.ownSequenceNumber);
  }

  /** The digests of the 256 buckets. */
  bucketDigests(appId: string): string[] {
    const buckets = new Map<number, bigint>();
    for (const { record } of this.entries.filter((entry) => entry.appId === appId)) {
      const bucket = createHash('sha256').update(record.key).digest()[0]!;
      buckets.set(bucket, (buckets.get(bucket) ?? 0n) ^ createHash('sha256').update(canonical(record)).digest().readBigUInt64BE());
    }
    return Array.from({ length: 256 }, (_, index) => (buckets.get(index) ?? 0n).toString(16).padStart(16, '0'));
  }

  /** Whether a read returns the record. An expired record does not come back when the clock is set back. */
  #reads(entry: NaiveEntry, nowMs: number): boolean {
    return entry.present && nowMs < absentFrom(entry.record);
  }

  #goneFrom(record: WireRecord): number {
    const { tombstone, ttl_ms: ttlMs, updated_at_ms: updatedAtMs } = record;
    return !tombstone && ttlMs === 0 ? Infinity : updatedAtMs + (tombstone ? 0 : ttlMs) + this.#options.tombstoneRetentionMs + 1;
  }

  #apps(): Set<string> {
    return new Set(this.entries.map((entry) => entry.appId));
  }

  #hasRoomFor(appId: string, record: WireRecord, held: NaiveEntry | undefined, reserve = 0): boolean {
    const apps = this.#apps();
    if (!apps.has(appId) && apps.size >= this.#options.maxApps) return false;
    const grows = bytesInStore(record) + (apps.has(appId) ? 0 : 1_024) - (held === undefined ? 0 : bytesInStore(held.record));
    return grows <= 0 || this.heldBytes() + grows <= this.#options.maxStoreBytes + reserve;
  }

  /** Whether the record's clock has a higher count under the node's clock key than this node has ever issued. */
  isForged(appId: string, key: string, clockKey = this.#ownKey): boolean {
    return (this.find(appId, key)?.record.version[clockKey] ?? 0) > this.lastSequenceNumber;
  }

  #next(appId: string, key: string, value: string | null, ttlMs: number, nowMs: number, clockKey: string): WireRecord {
    const held = this.find(appId, key)?.record;
    const version = cutClock({ ...held?.version, [clockKey]: Math.max(this.lastSequenceNumber + 1, nowMs) }, clockKey);
    return { key, value, version, updated_at_ms: Math.max(nowMs, (held?.updated_at_ms ?? 0) + 1), tombstone: value === null, ttl_ms: ttlMs };
  }

  #write(appId: string, record: WireRecord, clockKey: string, nowMs: number): Written {
    this.lastSequenceNumber = record.version[clockKey]!;
    this.#hold(appId, record, nowMs, record.tombstone);
    this.find(appId, record.key)!.ownSequenceNumber = this.lastSequenceNumber;
    return { sequenceNumber: this.lastSequenceNumber, updatedAtMs: record.updated_at_ms };
  }

  #hold(appId: string, record: WireRecord, nowMs: number, ownTombstone: boolean): void {
    const ownSequenceNumber = this.find(appId, record.key)?.ownSequenceNumber ?? 0;
    this.entries = this.entries.filter((entry) => entry.appId !== appId || entry.record.key !== record.key);
    this.entries.push({ appId, record, present: nowMs < absentFrom(record), overdue: false, ownSequenceNumber, ownTombstone });
  }
}

/** Canonical JSON, written field by field and without clock entries of 0. */
function canonical(record: WireRecord): string {
  const clock = Object.entries(record.version).filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  const version = clock.map(([key, count]) => `${JSON.stringify(key)}:${count}`).join(',');
  const value = record.value === null ? 'null' : `"${record.value}"`;
  const { key, tombstone, ttl_ms: ttlMs, updated_at_ms: updatedAtMs } = record;
  return `{"key":${JSON.stringify(key)},"tombstone":${tombstone},"ttl_ms":${ttlMs},"updated_at_ms":${updatedAtMs},"value":${value},"version":{${version}}}`;
}
