/**
 * A walk through the store (protocol.md §10, Pages): the records one by one, app by app and bucket by bucket. A record that exists during
 * the whole walk is returned exactly once, regardless of other changes.
 */
import { RefusalError } from '../domain/errors.ts';
import type { StoreId } from '../domain/ids.ts';
import type { WalkRequest } from '../domain/records.ts';
import { compareAppIds } from './app-id-text.ts';
import type { Contents } from './contents.ts';
import { BUCKETS } from './digest.ts';
import type { HeldRecord } from './held-record.ts';

/** The position of a walk: the walk continues after this place in this bucket. */
interface Position {
  readonly appId: string;
  readonly bucket: number;
  readonly place: number;
}

/** @throws RefusalError bad_request for a cursor that is not from this store */
export function* walk(contents: Contents, storeId: StoreId, request: WalkRequest): Generator<HeldRecord> {
  const start = readCursor(request.cursor, storeId);
  const wanted = request.buckets === undefined ? null : new Set(request.buckets);
  for (const appId of request.app === undefined ? contents.appIds() : [request.app]) {
    if (start !== null && compareAppIds(appId, start.appId) < 0) continue;
    const from = start?.appId === appId ? start : { bucket: 0, place: 0 };
    for (let bucket = from.bucket; bucket < BUCKETS; bucket += 1) {
      if (wanted !== null && !wanted.has(bucket)) continue;
      let held = contents.namespace(appId)?.firstAfter(bucket, bucket === from.bucket ? from.place : 0) ?? null;
      while (held !== null) {
        contents.visits += 1;
        yield held;
        held = held.presence === 'gone' ? (contents.namespace(appId)?.firstAfter(bucket, held.place) ?? null) : held.next;
      }
    }
  }
}

/** The cursor with which a walk continues after a record. */
export function cursorAfter(storeId: StoreId, { appId, bucket, place }: Position): string {
  return `${storeId}.${appId}.${bucket}.${place}`;
}

function readCursor(cursor: string | undefined, storeId: StoreId): Position | null {
  if (cursor === undefined) return null;
  const match = /^([0-9a-f]{16})\.(\d{1,16})\.(\d{1,3})\.(\d{1,15})$/.exec(cursor);
  if (match?.[1] !== storeId) throw new RefusalError('bad_request', 'the cursor belongs to a different store');
  return { appId: match[2]!, bucket: Number(match[3]), place: Number(match[4]) };
}
