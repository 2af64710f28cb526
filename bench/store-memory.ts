/**
 * `npm run bench:store-memory [RECORDS]`: checks that the heap grows by at most the bytes that the store counts against `MAX_STORE_BYTES`
 * (protocol.md §10, Bounds), for records of many shapes. This checks the constants in src/store/memory-cost.ts.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import { RecordStore } from '../src/store/record-store.ts';
import { systemRandom } from '../src/system/system.ts';
import { aimAt } from './aims.ts';
import { table } from './statistics.ts';

/** The usual number of records. It is slightly above a power of two, so that maps have just doubled and are half empty. */
const USUAL_RECORDS = 33_000;
const RECORDS = Number(process.argv[2] ?? USUAL_RECORDS);
const NOW_MS = 1_790_000_000_000;
/** Lifetimes that differ by this much fall into different slots of the timing wheel. Milliseconds. */
const APART_MS = 300;
/** Memory for code that is compiled during the run; it does not depend on the records. Bytes. */
const CODE_BYTES = 64 * 1024;
const HUGE = 2 ** 40;

type Add = (store: RecordStore, index: number) => void;

interface Shape {
  readonly name: string;
  readonly add: Add;
  /** Share of the usual number of records; for large records, fewer are enough. */
  readonly share?: number;
  /** Maximum allowed memory of a record in a run of the usual size. Bytes. */
  readonly most?: number;
  /** Runs when all records are in the store. */
  readonly then?: (store: RecordStore) => void;
}

function openStore(): RecordStore {
  return new RecordStore(
    {
      maxValueBytes: 1024 * 1024,
      maxAppBytes: HUGE,
      maxClockSkewMs: 15_000,
      maxStoreBytes: HUGE,
      maxApps: HUGE,
      tombstoneRetentionMs: 86_400_000,
      maxTombstonesPerApp: HUGE,
    },
    {
      random: systemRandom,
      opens: () => true,
      ownClockKey: (storeId) => `0x${'a'.repeat(40)}/${storeId}`,
      takenByAll: () => false,
      keepsEverything: () => false,
    },
  );
}

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
const freshClockKey = (): string => `0x${hex(20)}/${hex(8)}`;
const PEER = freshClockKey();

interface Fields {
  readonly app?: string;
  readonly key: string;
  readonly valueBytes?: number;
  readonly version?: Readonly<Record<string, number>>;
  readonly atMs?: number;
  readonly ttlMs?: number;
}

/** Merges a record as if it came from a peer. It is read from JSON, so that it shares no memory with earlier records. */
function merge(store: RecordStore, { app = '7', key, valueBytes, version = { [PEER]: NOW_MS }, atMs = NOW_MS, ttlMs = 0 }: Fields): void {
  const value = valueBytes === undefined ? null : hex(valueBytes);
  const text = JSON.stringify({ key, value, version, updated_at_ms: atMs, tombstone: value === null, ttl_ms: ttlMs });
  const verdict = store.merge(app, JSON.parse(text), NOW_MS);
  if (verdict.kind !== 'merged') throw new Error(`a record was not merged: ${JSON.stringify(verdict)}`);
}

const put = (store: RecordStore, key: string, valueBytes: number, ttlMs = 0): void => void store.put('7', key, randomBytes(valueBytes), ttlMs, NOW_MS);

const SHAPES: readonly Shape[] = [
  { name: 'local writes of 100 bytes', most: 600, add: (store, index) => put(store, `key/${index}`, 128) },
  {
    // After these writes, half of the log's entries are superseded. One more entry would cause a sweep of the log.
    name: 'local writes, each key written twice',
    add: (store, index) => {
      for (let round = 0; round < 2; round += 1) put(store, `key/${index}`, 128);
    },
  },
  { name: 'local writes with lifetimes far apart', add: (store, index) => put(store, `key/${index}`, 128, 1_000_000 + index * APART_MS) },
  {
    name: 'local tombstones',
    add: (store, index) => {
      put(store, `key/${index}`, 128);
      store.delete('7', `key/${index}`, NOW_MS);
    },
  },
  { name: 'values of 100 bytes from a peer', add: (store, index) => merge(store, { key: `key/${index}`, valueBytes: 128 }) },
  { name: 'empty values from a peer, listed and compared', add: (store, index) => merge(store, { key: `${index}`, valueBytes: 28 }), then: look },
  { name: 'tombstones from a peer', add: (store, index) => merge(store, { key: `key/${index}`, atMs: NOW_MS - index * APART_MS }) },
  { name: 'apps with one tombstone', add: (store, index) => merge(store, { app: String(1_000 + index), key: 'k', atMs: NOW_MS - index * APART_MS }), then: look },
  { name: 'apps with one value', add: (store, index) => merge(store, { app: String(1_000 + index), key: 'k', valueBytes: 28 }), then: look },
  { name: 'apps with 20 values', add: (store, index) => merge(store, { app: String(1_000 + Math.floor(index / 20)), key: `k${index}`, valueBytes: 28 }), then: look },
  {
    name: 'clocks of 64 entries, different keys in each record',
    share: 0.05,
    add: (store, index) => merge(store, { key: `key/${index}`, version: Object.fromEntries(Array.from({ length: 64 }, () => [freshClockKey(), NOW_MS])) }),
  },
  {
    name: 'clocks of 64 entries of 42 bytes, not Latin-1',
    share: 0.05,
    add: (store, index) => merge(store, { key: `key/${index}`, version: Object.fromEntries(Array.from({ length: 64 }, () => [`ā${hex(20)}`, NOW_MS])) }),
  },
  { name: 'keys of 1,000 bytes', share: 0.2, add: (store, index) => merge(store, { key: `${hex(496)}${index}`, valueBytes: 28 }) },
  { name: 'keys of 64 KiB', share: 0.01, add: (store, index) => merge(store, { key: `${'k'.repeat(65_000)}${index}` }) },
  { name: 'keys of 1,000 characters, not Latin-1', share: 0.2, add: (store, index) => merge(store, { key: `ā${hex(496)}${index}`, valueBytes: 28 }) },
  { name: 'values of 10 KB', share: 0.1, add: (store, index) => merge(store, { key: `key/${index}`, valueBytes: 10_000 }) },
  { name: 'values of 1 MB', share: 0.002, add: (store, index) => put(store, `key/${index}`, 1_000_000) },
];

/** Computes the lists and digests of all apps, because the store caches them, and the cache takes memory too. */
function look(store: RecordStore): void {
  store.rootDigest();
  for (const app of store.appIds()) store.list(app, {}, NOW_MS);
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  for (let count = 0; count < 3; count += 1) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A separate function, so that the store can be freed once the function has returned. */
function measure({ add, share = 1, then }: Shape): { readonly records: number; readonly heap: number; readonly counted: number } {
  const records = Math.ceil(RECORDS * share);
  const before = heapBytes();
  const store = openStore();
  for (let index = 0; index < records; index += 1) add(store, index);
  then?.(store);
  const heap = (heapBytes() - before) / records;
  return { records, heap, counted: store.heldBytes / records };
}

const rows: (string | number)[][] = [['shape', 'records', 'heap per record', 'counted per record', 'counted / heap']];
for (const shape of SHAPES) {
  // The first use of the code allocates memory, which must not be counted as memory of the records.
  measure({ ...shape, share: 0 });
  const { records, heap, counted } = measure(shape);
  aimAt(`${shape.name}: the store counts at least the growth of the heap`, counted >= heap - CODE_BYTES / records);
  if (shape.most !== undefined && records >= USUAL_RECORDS) aimAt(`${shape.name}: at most ${shape.most} bytes of heap per record`, heap <= shape.most);
  rows.push([shape.name, records, heap.toFixed(0), counted.toFixed(0), (counted / heap).toFixed(2)]);
}
process.stdout.write(`${table(rows)}\n`);
