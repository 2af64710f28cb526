/** Which records the next push contains, and what the answer to it means (protocol.md §4, Sizes; §10, Rejections). Pure. */
import { SNAPSHOT_PAGE_BYTES } from '../domain/limits.ts';
import type { MergeRefusal, Rejection, WireRecord, WireRecords } from '../domain/records.ts';
import { quotedKey } from './merge-batch.ts';
import { deltaAnswer } from './messages.ts';

/** Nodes that are written in Rust refuse request bodies over 2 MiB. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** Size of an envelope without its inner text. Each byte of the inner text is written as two hex digits. */
const ENVELOPE_BYTES = 1_024;
/** Size of the message without the records: type, sender, ids. */
const MESSAGE_BYTES = 512;
/** Size of the JSON around the records of one app. */
const APP_BYTES = 24;
const MAX_INNER_BYTES = innerBytes(MAX_BODY_BYTES);
/**
 * Maximum size of the records in one push, unless a single record is larger. It is the size of a page that this node requests. After a node
 * has received larger bodies, it uses more memory, because the strings and records of these bodies outlive several garbage collections.
 */
export const BATCH_BYTES = innerBytes(SNAPSHOT_PAGE_BYTES);
/** Maximum number of records in one push, so that its answer comes soon. */
export const MAX_RECORDS = 4_096;

export interface DeltaBatch<Entry extends Sent> {
  readonly entries: readonly Entry[];
  readonly data: WireRecords;
  /** Whether the batch consists of one record that is larger than `MAX_INNER_BYTES`. Some peers do not accept such a batch. */
  readonly oversized: boolean;
}

/** A record to be sent. */
export interface Sent {
  readonly appId: string;
  readonly record: WireRecord;
}

function innerBytes(bodyBytes: number): number {
  return (bodyBytes - ENVELOPE_BYTES) / 2 - MESSAGE_BYTES;
}

/** The next batch of `entries`, in order; null if there are none. A record above `BATCH_BYTES` is alone in its batch. */
export function planDelta<Entry extends Sent>(entries: Iterable<Entry>, maxRecords = MAX_RECORDS): DeltaBatch<Entry> | null {
  const planned: Entry[] = [];
  const data: Record<string, WireRecord[]> = {};
  let bytes = 2;
  for (const entry of entries) {
    const size = Buffer.byteLength(JSON.stringify(entry.record)) + 1 + (data[entry.appId] === undefined ? APP_BYTES : 0);
    if (planned.length > 0 && (bytes + size > BATCH_BYTES || planned.length >= maxRecords)) break;
    (data[entry.appId] ??= []).push(entry.record);
    planned.push(entry);
    bytes += size;
  }
  return planned.length === 0 ? null : { entries: planned, data, oversized: bytes > MAX_INNER_BYTES };
}

/** What a peer did with the records of a batch, as far as its answer says. */
export type AccountedOutcome<Entry extends Sent> =
  | {
      readonly kind: 'told';
      /** The records that the peer merged or skipped. */
      readonly taken: readonly Entry[];
      /** The records to be sent again later, because the peer's clock is behind or its store is full. */
      readonly later: readonly Entry[];
      /** The records that the peer refused permanently. */
      readonly refused: readonly { readonly entry: Entry; readonly reason: string }[];
    }
  /** The peer reports only how many records it merged, or its counts do not cover all records of the batch. */
  | { readonly kind: 'counted'; readonly allMerged: boolean };

/** `unlisted`: the peer refused more records than it lists, so it is unknown which records it refused. */
export type DeltaOutcome<Entry extends Sent> = AccountedOutcome<Entry> | { readonly kind: 'unlisted' };

/** Temporary refusals. The record is valid, but the refusing node's clock is behind or its store is full. */
const PASSING: ReadonlySet<string> = new Set<MergeRefusal>(['too_far_ahead', 'store_full']);

export const isPassing = (reason: string): boolean => PASSING.has(reason);

/** Returns null if the answer does not say what happened to the records. */
export function judgeDeltaAnswer<Entry extends Sent>(entries: readonly Entry[], answer: unknown): DeltaOutcome<Entry> | null {
  const parsed = deltaAnswer.safeParse(answer);
  if (!parsed.success) return null;
  const { merged, total, rejected, rejections } = parsed.data;
  const counts = total === undefined || total === entries.length;
  // A peer's counts may omit a record that the peer cannot read. Such a record must not block the others.
  if (rejected === undefined || !counts || (rejected > 0 && rejections === undefined)) {
    return { kind: 'counted', allMerged: counts && merged === entries.length };
  }
  const listed: readonly Rejection[] = rejections ?? [];
  if (listed.length < rejected) return { kind: 'unlisted' };
  // Answers shorten long keys. If two keys are equal after shortening, both records count as rejected, because the answer may mean either.
  const reasonOf = new Map(listed.map((rejection) => [`${rejection.app_id} ${quotedKey(rejection.key)}`, rejection.reason]));
  const taken: Entry[] = [];
  const later: Entry[] = [];
  const refused: { entry: Entry; reason: string }[] = [];
  for (const entry of entries) {
    const reason = reasonOf.get(`${entry.appId} ${quotedKey(entry.record.key)}`);
    if (reason === undefined) taken.push(entry);
    else if (isPassing(reason)) later.push(entry);
    else refused.push({ entry, reason });
  }
  return { kind: 'told', taken, later, refused };
}
