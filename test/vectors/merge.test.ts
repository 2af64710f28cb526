/** protocol.md §4 "Merge", "Local write", "Refused" and "Ages", checked with the production store, one record or one batch at a time. */
import { expect } from '@jest/globals';
import { parseJson } from '../../src/crypto/json.ts';
import { Vault } from '../../src/crypto/vault.ts';
import type { AppId } from '../../src/domain/ids.ts';
import type { WireRecord } from '../../src/domain/records.ts';
import { RecordStore } from '../../src/store/record-store.ts';
import { mergeBatch } from '../../src/sync/merge-batch.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface MergeCase extends VectorCase {
  readonly local: WireRecord | null;
  readonly incoming?: unknown;
  readonly incoming_json?: string;
  readonly expect: { readonly verdict: 'insert' | 'replace' | 'keep' | 'reject'; readonly result: WireRecord | string | null };
}

interface ReadCase extends VectorCase {
  readonly record: WireRecord;
  readonly now_ms: number;
  readonly expect: { readonly present: boolean };
}

interface LocalWriteCase extends VectorCase {
  readonly local: WireRecord | null;
  readonly now_ms: number;
  readonly write: 'put' | 'delete';
  readonly own_clock_key: string;
  readonly expect: {
    readonly not_found?: boolean;
    readonly others?: Record<string, number>;
    readonly own_above?: number;
    readonly tombstone?: boolean;
    readonly value_null?: boolean;
    readonly ttl_ms?: number;
    readonly updated_at_ms?: number;
  };
}

interface BatchCase extends VectorCase {
  readonly data_json: string;
  readonly local: readonly { readonly app_id: string; readonly record: WireRecord }[];
  readonly expect: {
    readonly total: number;
    readonly merged: number;
    readonly skipped: number;
    readonly rejected: number;
    readonly after: Record<string, WireRecord[]>;
  };
}

interface MergeFile {
  readonly secret: string;
  readonly app_id: string;
  readonly now_ms: number;
  readonly limits: { readonly max_kv_value_size_bytes: number; readonly max_clock_skew_ms: number; readonly tombstone_retention_ms: number };
  readonly cases: MergeCase[];
  readonly reads: ReadCase[];
  readonly local_writes: LocalWriteCase[];
  readonly batches: BatchCase[];
}

/** Decisions for open cases: a record with a missing field is refused. JSON has only one kind of number, so 2.0 is 2. */
const DECIDED: Readonly<Record<string, MergeCase['expect']['verdict']>> = {
  'malformed: tombstone missing': 'reject',
  'malformed: ttl_ms missing': 'reject',
  'malformed: version count 2.0': 'replace',
  'malformed: updated_at_ms with .0': 'replace',
};

/** @param ownClockKey the clock key of the node that writes */
function startStore(file: MergeFile, ownClockKey = 'unused') {
  const random = new SeededRandom('merge');
  const vault = new Vault({ random });
  const secret = Uint8Array.from(Buffer.from(file.secret, 'hex'));
  vault.serve(vault.hold(secret));
  const { limits } = file;
  const store = new RecordStore(
    {
      maxValueBytes: limits.max_kv_value_size_bytes,
      maxAppBytes: 1_000_000,
      maxClockSkewMs: limits.max_clock_skew_ms,
      maxStoreBytes: 1_000_000,
      maxApps: 20_000,
      tombstoneRetentionMs: limits.tombstone_retention_ms,
      maxTombstonesPerApp: 100,
    },
    {
      random,
      opens: (appId, stored) => vault.opensValue(appId, stored),
      ownClockKey: () => ownClockKey,
      takenByAll: () => false,
      keepsEverything: () => false,
    },
  );
  return { store, vault };
}

describeVectors<MergeFile>('merge.json', ({ file, cases }) => {
  cases(file.cases, 'merge', (vector) => {
    const { store } = startStore(file);
    if (vector.local !== null) expect(store.merge(file.app_id, vector.local, file.now_ms)).toEqual({ kind: 'merged' });
    const incoming = vector.incoming_json === undefined ? vector.incoming : parseJson(vector.incoming_json);
    const verdict = store.merge(file.app_id, incoming, file.now_ms);
    const decided = vector.open === true ? DECIDED[vector.name!] : undefined;
    const wanted = decided ?? vector.expect.verdict;
    expect(verdict.kind).toBe(wanted === 'reject' ? 'rejected' : wanted === 'keep' ? 'skipped' : 'merged');
    if (decided !== undefined && decided !== vector.expect.verdict) return;
    const { result } = vector.expect;
    const key = vector.local?.key ?? (incoming as { key?: string } | null)?.key ?? 'k';
    expect(store.recordOf(file.app_id, key)).toEqual(result === 'local unchanged' ? vector.local : result);
  });

  cases(file.reads, 'read', (vector) => {
    const { store } = startStore(file);
    expect(store.merge(file.app_id, vector.record, vector.record.updated_at_ms).kind).toBe('merged');
    expect(store.get(file.app_id, vector.record.key, vector.now_ms) !== null).toBe(vector.expect.present);
    expect(store.list(file.app_id, {}, vector.now_ms).keys).toEqual(vector.expect.present ? [vector.record.key] : []);
  });

  cases(file.local_writes, 'local write', (vector) => {
    const { store, vault } = startStore(file, vector.own_clock_key);
    if (vector.local !== null) {
      const { [vector.own_clock_key]: own, ...others } = vector.local.version;
      // A store can have a count under its own clock key only after it has issued that count.
      if (own !== undefined) store.put(file.app_id, 'another key', vault.sealValue(Number(file.app_id) as AppId, Buffer.from('x')), 0, own);
      expect(Object.keys(others).length + Number(own !== undefined)).toBe(Object.keys(vector.local.version).length);
      expect(store.merge(file.app_id, vector.local, vector.local.updated_at_ms).kind).toBe('merged');
    }
    const value = vault.sealValue(Number(file.app_id) as AppId, Buffer.from('written'));
    const write =
      vector.write === 'put' ? store.put(file.app_id, 'k', value, 0, vector.now_ms) : store.delete(file.app_id, 'k', vector.now_ms);
    if (vector.expect.not_found === true) {
      expect(write).toBeNull();
      return;
    }
    const record = store.recordOf(file.app_id, 'k')!;
    const { [vector.own_clock_key]: own, ...others } = record.version;
    expect(others).toEqual(vector.expect.others);
    expect(own).toBeGreaterThan(vector.expect.own_above!);
    expect(own).toBe(write!.sequenceNumber);
    expect({ tombstone: record.tombstone, value_null: record.value === null, ttl_ms: record.ttl_ms }).toEqual({
      tombstone: vector.expect.tombstone,
      value_null: vector.expect.value_null,
      ttl_ms: vector.expect.ttl_ms,
    });
    if (vector.expect.updated_at_ms !== undefined) expect(record.updated_at_ms).toBe(vector.expect.updated_at_ms);
  });

  cases(file.batches, 'batch', async (vector) => {
    const { store } = startStore(file);
    for (const { app_id: appId, record } of vector.local) expect(store.merge(appId, record, file.now_ms).kind).toBe('merged');
    const clock = new ManualClock(file.now_ms);
    const report = await mergeBatch(parseJson(vector.data_json), { store, clock, yieldNow: async () => undefined });
    const { after, ...counts } = vector.expect;
    expect(report).toMatchObject(counts);
    const held: Record<string, WireRecord[]> = {};
    for (const { appId, record } of store.walk({})) (held[appId] ??= []).push(record);
    const byKey = (records: readonly WireRecord[]): WireRecord[] => [...records].sort((a, b) => (a.key < b.key ? -1 : 1));
    expect(Object.keys(held).sort()).toEqual(Object.keys(after).sort());
    for (const [appId, records] of Object.entries(after)) expect(byKey(held[appId]!)).toEqual(byKey(records));
  });
});
