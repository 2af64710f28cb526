/**
 * Everything that a store holds: the apps with their records, and the counts and digests over all of them. After every change, the counts
 * match the records. The cost of a change does not depend on the number of records.
 */
import { recordDigest } from '../crypto/record-digest.ts';
import type { StoreTotals } from '../domain/figures.ts';
import { compareAppIds } from './app-id-text.ts';
import { bucketOf, rootDigest } from './digest.ts';
import { HeldRecord } from './held-record.ts';
import { Namespace, type PresentTotals } from './namespace.ts';
import { APP_BYTES, storeBytes } from './memory-cost.ts';
import { QuotedKeys } from './quoted-keys.ts';
import { toWireRecord, type StoredRecord } from './record.ts';
import { SortedTexts } from './sorted-texts.ts';

/** What the store knows about a record besides its content. */
export interface Standing {
  readonly presence: 'present' | 'absent';
  /** Whether the record is a tombstone that this node wrote. */
  readonly ownTombstone: boolean;
}

export class Contents {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #appIds = new SortedTexts(compareAppIds);
  readonly #present: PresentTotals = { keys: 0, bytes: 0, namespaces: 0 };
  readonly #quotedKeys = new QuotedKeys();
  #bytes = 0;
  #lastPlace = 0;
  #root: string | null = null;
  /** Number of records visited, as a measure of the cost of an operation. */
  visits = 0;

  /** How many bytes of `MAX_STORE_BYTES` all records and apps use. */
  get bytes(): number {
    return this.#bytes + this.#namespaces.size * APP_BYTES;
  }

  /** Number of apps with at least one record. */
  get apps(): number {
    return this.#namespaces.size;
  }

  /** Number of tombstones held. */
  get tombstones(): number {
    let count = 0;
    for (const { tombstones } of this.#namespaces.values()) count += tombstones;
    return count;
  }

  /** Totals over the records that are counted as present. */
  get totals(): StoreTotals {
    const { keys: totalKeys, bytes: totalBytes, namespaces } = this.#present;
    return { namespaces, totalKeys, totalBytes };
  }

  find(appId: string, key: string): HeldRecord | undefined {
    this.visits += 1;
    return this.#namespaces.get(appId)?.get(key);
  }

  namespace(appId: string): Namespace | undefined {
    return this.#namespaces.get(appId);
  }

  /** Ids of the apps with at least one record, ascending. */
  appIds(): readonly string[] {
    return this.#appIds.between(() => false, () => true);
  }

  add(appId: string, record: StoredRecord, standing: Standing): HeldRecord {
    this.#lastPlace += 1;
    const held = new HeldRecord(appId, bucketOf(record.key), this.#lastPlace, record);
    const namespace = this.#namespaceOf(appId);
    namespace.insert(held);
    this.#include(namespace, held, standing);
    return held;
  }

  replace(held: HeldRecord, record: StoredRecord, standing: Standing): void {
    const namespace = this.#namespaces.get(held.appId)!;
    this.#exclude(namespace, held);
    held.replaceWith(record);
    this.#include(namespace, held, standing);
  }

  /** Treats the record as absent from now on. */
  expire(held: HeldRecord): void {
    this.#namespaces.get(held.appId)!.expire(held);
  }

  remove(held: HeldRecord): void {
    const namespace = this.#namespaces.get(held.appId)!;
    this.#exclude(namespace, held);
    namespace.remove(held);
    if (namespace.size > 0) return;
    this.#namespaces.delete(held.appId);
    this.#appIds.remove(held.appId);
  }

  /** Whether nothing has changed since the root digest was computed. */
  get isRootKnown(): boolean {
    return this.#root !== null;
  }

  /** The digest of the whole store, as 32 hex digits. The digests of apps that have not changed are reused. */
  rootDigest(): string {
    this.#root ??= rootDigest(this.appIds().map((appId) => [appId, this.#namespaces.get(appId)!.digest()]));
    return this.#root;
  }

  #include(namespace: Namespace, held: HeldRecord, { presence, ownTombstone }: Standing): void {
    const { high, low } = recordDigest(toWireRecord(held));
    held.digestHigh = high;
    held.digestLow = low;
    held.ownTombstone = ownTombstone;
    namespace.include(held, presence);
    this.#bytes += storeBytes(held);
    this.#root = null;
  }

  #exclude(namespace: Namespace, held: HeldRecord): void {
    namespace.exclude(held);
    this.#bytes -= storeBytes(held);
    this.#root = null;
  }

  #namespaceOf(appId: string): Namespace {
    let namespace = this.#namespaces.get(appId);
    if (namespace === undefined) {
      namespace = new Namespace(this.#present, this.#quotedKeys);
      this.#namespaces.set(appId, namespace);
      this.#appIds.add(appId);
    }
    return namespace;
  }
}
