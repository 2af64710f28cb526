/**
 * The replicated store in memory (protocol.md §4): records by app and key, merged by the rules alone. It has no network and
 * no clock of its own, and gives way to requests during long work. A store that starts empty draws a new id, so that no
 * process ever repeats a number of another (§10, store_id).
 */
import { RefusalError } from '../domain/errors.ts';
import { toAppId, type StoreId } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/ports.ts';
import type { MergeReport, SnapshotPage, SnapshotPageRequest, WireRecord } from '../domain/records.ts';
import { sha256 } from '../crypto/hash.ts';
import { decideMerge, type MergeSkip } from './merge-rules.ts';
import { readRecord, type Refusal } from './record-codec.ts';
import { recordBytes, toWireRecord, type StoredRecord } from './record.ts';

/** Work between two looks at the clock, and time until requests get a turn. */
const RECORDS_BETWEEN_LOOKS = 32;
const TURN_MS = 5;
/** Rejections that an answer lists. */
const MAX_REJECTIONS_LISTED = 100;
/** Characters of a key that an answer quotes. */
const MAX_QUOTED_KEY_CHARS = 256;

export interface RecordStoreOptions {
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
  readonly maxClockSkewMs: number;
  readonly maxStoreBytes: number;
}

export interface RecordStoreModules {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly random: Pick<Random, 'bytes'>;
  /** Whether stored bytes decrypt under the app's data key. */
  readonly opens: (appId: string, stored: Uint8Array) => boolean;
  /** Gives requests a turn. */
  readonly yieldNow: () => Promise<void>;
}

/** The records of one app; `order` holds the keys as they came, for pages. */
interface Namespace {
  readonly records: Map<string, StoredRecord>;
  readonly order: string[];
}

type Verdict = { readonly kind: 'merged' } | { readonly kind: 'skipped'; readonly why: MergeSkip } | { readonly kind: 'rejected'; readonly why: Refusal };

function drawStoreId(random: Pick<Random, 'bytes'>): StoreId {
  return Buffer.from(random.bytes(8)).toString('hex') as StoreId;
}

export class RecordStore {
  readonly #options: RecordStoreOptions;
  readonly #modules: RecordStoreModules;
  #storeId: StoreId;
  #namespaces = new Map<string, Namespace>();
  #totalBytes = 0;
  #totalKeys = 0;

  constructor(options: RecordStoreOptions, modules: RecordStoreModules) {
    this.#options = options;
    this.#modules = modules;
    this.#storeId = drawStoreId(modules.random);
  }

  get storeId(): StoreId {
    return this.#storeId;
  }

  /** Forgets everything and is another store from now on. */
  reset(): void {
    this.#namespaces = new Map();
    this.#totalBytes = 0;
    this.#totalKeys = 0;
    this.#storeId = drawStoreId(this.#modules.random);
  }

  /** Records held, whatever their state. */
  totals(): { readonly namespaces: number; readonly totalKeys: number; readonly totalBytes: number } {
    return { namespaces: this.#namespaces.size, totalKeys: this.#totalKeys, totalBytes: this.#totalBytes };
  }

  /** The record as it is held, in wire form; null when there is none. */
  recordOf(appId: string, key: string): WireRecord | null {
    const held = this.#namespaces.get(appId)?.records.get(key);
    return held === undefined ? null : toWireRecord(held);
  }

  /**
   * Merges `{"<app id>": [record, ..]}`; each record is judged on its own. Gives way to requests every few milliseconds.
   * @throws RefusalError bad_request when `data` is no object
   */
  async mergeBatch(data: unknown): Promise<MergeReport> {
    if (typeof data !== 'object' || data === null || Array.isArray(data)) {
      throw new RefusalError('bad_request', 'data is no object of records by app');
    }
    const { storeId } = this;
    const reasons: Record<string, number> = {};
    const rejections: { app_id: string; key: string; reason: string }[] = [];
    const counts = { total: 0, merged: 0, skipped: 0, rejected: 0 };
    const pause = this.#pauser();
    for (const [appId, records] of Object.entries(data as Record<string, unknown>)) {
      for (const wire of Array.isArray(records) ? (records as unknown[]) : []) {
        await pause();
        // Emptied meanwhile for another secret: what was being merged belongs to the old one.
        if (this.#storeId !== storeId) throw new RefusalError('service_unavailable', 'the store was emptied');
        const verdict = this.#merge(appId, wire);
        counts.total += 1;
        counts[verdict.kind] += 1;
        if (verdict.kind === 'merged') continue;
        reasons[verdict.why] = (reasons[verdict.why] ?? 0) + 1;
        if (verdict.kind === 'rejected' && rejections.length < MAX_REJECTIONS_LISTED) {
          rejections.push({ app_id: appId.slice(0, 32), key: quotedKey(wire), reason: verdict.why });
        }
      }
    }
    return { ...counts, skip_reasons: reasons, rejections };
  }

  /**
   * A page of records in the order in which their keys first came, so that pages neither repeat nor miss what was there at
   * the start. A record larger than the page travels alone.
   * @throws RefusalError bad_request on a cursor that this store did not give
   */
  async snapshotPage(request: SnapshotPageRequest): Promise<SnapshotPage> {
    const apps = request.app === undefined ? [...this.#namespaces.keys()] : [request.app];
    let { app: startApp, place } = this.#readCursor(request.cursor, apps);
    const wanted = request.buckets === undefined ? null : new Set(request.buckets);
    const pause = this.#pauser();
    const data: Record<string, WireRecord[]> = {};
    let bytes = 2;
    for (const appId of apps.slice(apps.indexOf(startApp))) {
      const namespace = this.#namespaces.get(appId);
      if (appId !== startApp) place = 0;
      startApp = appId;
      for (; namespace !== undefined && place < namespace.order.length; place += 1) {
        await pause();
        const key = namespace.order[place]!;
        const record = namespace.records.get(key);
        if (record === undefined || (wanted !== null && !wanted.has(sha256(key)[0]!))) continue;
        const wire = toWireRecord(record);
        const size = Buffer.byteLength(JSON.stringify(wire)) + 1 + (data[appId] === undefined ? appId.length + 6 : 0);
        if (bytes > 2 && bytes + size > request.maxBytes) {
          return { data, nextCursor: `${this.#storeId}.${appId}.${place}` };
        }
        (data[appId] ??= []).push(wire);
        bytes += size;
      }
    }
    return { data, nextCursor: null };
  }

  #readCursor(cursor: string | undefined, apps: readonly string[]): { app: string; place: number } {
    if (cursor === undefined) return { app: apps[0] ?? '', place: 0 };
    const [storeId, app, place] = cursor.split('.');
    if (storeId !== this.#storeId || app === undefined || !apps.includes(app) || !/^\d{1,15}$/.test(place ?? '')) {
      throw new RefusalError('bad_request', 'the cursor is not of this store');
    }
    return { app, place: Number(place) };
  }

  #merge(appId: string, wire: unknown): Verdict {
    const refused = (why: Refusal): Verdict => ({ kind: 'rejected', why });
    if (!isAppIdText(appId)) return refused('bad_app_id');
    const record = readRecord(wire, this.#options);
    if (typeof record === 'string') return refused(record);
    const { clock, opens } = this.#modules;
    if (record.updatedAtMs > clock.nowMs() + this.#options.maxClockSkewMs) return refused('too_far_ahead');
    if (record.value !== null && !opens(appId, record.value)) return refused('does_not_decrypt');
    const held = this.#namespaces.get(appId)?.records.get(record.key);
    const decision = held === undefined ? ({ kind: 'replace', record } as const) : decideMerge(held, record);
    const growth = recordBytes(decision.record) - (held === undefined ? 0 : recordBytes(held));
    if (growth > 0 && this.#totalBytes + growth > this.#options.maxStoreBytes) return refused('store_full');
    this.#put(appId, decision.record, held === undefined, growth);
    return decision.kind === 'replace' ? { kind: 'merged' } : { kind: 'skipped', why: decision.why };
  }

  #put(appId: string, record: StoredRecord, isNew: boolean, growth: number): void {
    let namespace = this.#namespaces.get(appId);
    if (namespace === undefined) {
      namespace = { records: new Map(), order: [] };
      this.#namespaces.set(appId, namespace);
    }
    namespace.records.set(record.key, record);
    this.#totalBytes += growth;
    if (!isNew) return;
    namespace.order.push(record.key);
    this.#totalKeys += 1;
  }

  /** To be awaited once a record: gives way when a turn is used up. */
  #pauser(): () => Promise<void> | undefined {
    const { clock, yieldNow } = this.#modules;
    let count = 0;
    let startedMs = clock.monotonicMs();
    return () => {
      count += 1;
      if (count % RECORDS_BETWEEN_LOOKS !== 0 || clock.monotonicMs() - startedMs < TURN_MS) return undefined;
      return yieldNow().then(() => {
        startedMs = clock.monotonicMs();
      });
    };
  }
}

/** Decimal digits of an app id other than 0, without leading zeros, that a JSON number holds exactly. */
function isAppIdText(text: string): boolean {
  return /^[1-9]\d{0,15}$/.test(text) && toAppId(BigInt(text)) !== null;
}

function quotedKey(wire: unknown): string {
  const key = typeof wire === 'object' && wire !== null ? (wire as Record<string, unknown>)['key'] : undefined;
  return typeof key === 'string' ? key.slice(0, MAX_QUOTED_KEY_CHARS) : '';
}
