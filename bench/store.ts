/**
 * `npm run bench:store`: whether the cost of an operation depends on the size of the store (protocol.md §9.8). One namespace has 100 to
 * 100,000 keys. The benchmark counts the records that an operation reads, and measures the time of a whole operation including encryption.
 * The sizes take turns in one run, so that other load on the machine affects them equally.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import { Vault } from '../src/crypto/vault.ts';
import type { AppId } from '../src/domain/ids.ts';
import { RecordStore } from '../src/store/record-store.ts';
import { planDelta } from '../src/sync/delta-plan.ts';
import { systemRandom } from '../src/system/system.ts';
import { aimAt } from './aims.ts';
import { median, table } from './statistics.ts';

const SIZES = [100, 1_000, 10_000, 100_000];
const VALUE_BYTES = 256;
/** Number of turns for each size. */
const ROUNDS = 301;
const WARM_UP_ROUNDS = 100;
/** Number of operations that are timed together. */
const BATCH = 10;
/** The ratio of the time at the largest size to the time at the smallest size must stay below this. */
const MAX_RATIO = 1.5;

const APP = 7 as AppId;
const APP_ID = String(APP);
const RETENTION_MS = 1_000;
/** Lifetime of the keys that fill a store: every key has a timer, but no timer fires. Milliseconds. */
const LONG_MS = 10_000_000_000;

interface Filled {
  readonly size: number;
  readonly store: RecordStore;
  nowMs: number;
  /** Returns a key that is far away from the key of the previous call. */
  readonly nextKey: () => string;
}

const vault = new Vault({ random: systemRandom });
const secret = randomBytes(32);
vault.serve(vault.hold(secret));

const plaintext = randomBytes(VALUE_BYTES);

function fill(size: number): Filled {
  const store = new RecordStore(
    {
      maxValueBytes: 1024 * 1024,
      maxAppBytes: 1024 ** 3,
      maxClockSkewMs: 15_000,
      maxStoreBytes: 1024 ** 3,
      maxApps: 20_000,
      tombstoneRetentionMs: RETENTION_MS,
      maxTombstonesPerApp: 10_000,
    },
    {
      random: systemRandom,
      opens: (appId, stored) => vault.opensValue(appId, stored),
      ownClockKey: (storeId) => `0x${'a'.repeat(40)}/${storeId}`,
      takenByAll: () => false,
      keepsEverything: () => false,
    },
  );
  const nowMs = 1_790_000_000_000;
  let at = 0;
  const nextKey = (): string => `key/${(at = (at + 7_919) % size)}`;
  // Each key has a different lifetime, so that the timing wheel has as many slots as there are keys.
  for (let index = 0; index < size; index += 1) store.put(APP_ID, `key/${index}`, vault.sealValue(APP, plaintext), LONG_MS + index * 1_000, nowMs);
  return { size, store, nowMs, nextKey };
}

function put({ store, nowMs }: Filled, key: string, ttlMs = LONG_MS): void {
  store.put(APP_ID, key, vault.sealValue(APP, plaintext), ttlMs, nowMs);
}

/** After each operation, the store has the same keys as before. */
const OPERATIONS: readonly { readonly name: string; readonly run: (filled: Filled) => void }[] = [
  {
    name: 'put',
    run: (filled) => {
      for (let count = 0; count < BATCH; count += 1) put(filled, filled.nextKey());
    },
  },
  {
    name: 'get',
    run: ({ store, nowMs, nextKey }) => {
      for (let count = 0; count < BATCH; count += 1) {
        const held = store.get(APP_ID, nextKey(), nowMs);
        if (held === null || vault.openValue(APP, held.value)?.length !== VALUE_BYTES) throw new Error('a key cannot be read back');
      }
    },
  },
  {
    name: 'put, expire, forget',
    run: (filled) => {
      const { store } = filled;
      for (let count = 0; count < BATCH; count += 1) put(filled, `short/${count}`, 10);
      const { totalKeys } = store.totals(filled.nowMs);
      filled.nowMs += 11;
      if (store.totals(filled.nowMs).totalKeys !== totalKeys - BATCH) throw new Error('keys do not expire');
      filled.nowMs += RETENTION_MS;
      store.totals(filled.nowMs);
      if (store.recordOf(APP_ID, 'short/0') !== null) throw new Error('an expired key is not forgotten');
    },
  },
  {
    name: 'put and plan its push',
    run: (filled) => {
      const { store } = filled;
      for (let count = 0; count < BATCH; count += 1) {
        const above = store.lastSequenceNumber;
        put(filled, filled.nextKey());
        if (planDelta(store.writesAfter(above))?.entries.length !== 1) throw new Error('a push does not contain the last write');
      }
    },
  },
  {
    name: 'put and compute the root digest',
    run: (filled) => {
      for (let count = 0; count < BATCH; count += 1) {
        put(filled, filled.nextKey());
        filled.store.rootDigest();
      }
    },
  },
];

const stores = SIZES.map(fill);
const rows: (string | number)[][] = [['operation', ...SIZES.map((size) => `µs at ${size}`), 'ratio', 'records visited']];
for (const { name, run } of OPERATIONS) {
  const microseconds = new Map<Filled, number[]>(stores.map((filled) => [filled, []]));
  const visited = new Map<Filled, number>();
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    // Every second round runs the sizes in reverse order.
    for (const filled of round % 2 === 0 ? stores : [...stores].reverse()) {
      filled.nowMs += 1;
      const visitsBefore = filled.store.visits;
      const startedNs = process.hrtime.bigint();
      run(filled);
      const took = Number(process.hrtime.bigint() - startedNs) / 1_000 / BATCH;
      if (round >= 0) microseconds.get(filled)!.push(took);
      visited.set(filled, (filled.store.visits - visitsBefore) / BATCH);
    }
  }
  const medians = stores.map((filled) => median(microseconds.get(filled)!));
  const ratio = medians.at(-1)! / medians[0]!;
  const visits = [...new Set(visited.values())];
  if (visits.length > 1) throw new Error(`${name}: the number of visited records depends on the size: ${visits.join(', ')}`);
  aimAt(`${name}: the ratio is below ${MAX_RATIO}`, ratio < MAX_RATIO);
  rows.push([name, ...medians.map((figure) => figure.toFixed(1)), ratio.toFixed(2), visits[0]!]);
}
process.stdout.write(`values of ${VALUE_BYTES} bytes, ${ROUNDS} rounds of ${BATCH} operations, medians; the ratio must be below ${MAX_RATIO}\n${table(rows)}\n`);
