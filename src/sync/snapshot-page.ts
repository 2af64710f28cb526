/** One page of a snapshot (protocol.md §10, Pages): as many records as fit. A record larger than a page is alone on its page. */
import type { WalkRequest, WireRecord, WireRecords } from '../domain/records.ts';
import { createPacer, type PacerModules } from './pacer.ts';
import type { SyncStore } from './ports.ts';

export interface SnapshotPage {
  readonly data: WireRecords;
  /** Where the next page starts; null when nothing is left. */
  readonly nextCursor: string | null;
}

/** Size of the JSON around the records of an app, without the app's id. Bytes. */
const APP_OVERHEAD_BYTES = 6;

/**
 * @param maxBytes maximum length of the page's JSON text, inside the envelope
 * @throws RefusalError bad_request for a cursor that is not from this store
 */
export async function snapshotPage(
  request: WalkRequest,
  maxBytes: number,
  modules: PacerModules & { readonly store: Pick<SyncStore, 'walk'> },
): Promise<SnapshotPage> {
  const pause = createPacer(modules);
  const data: Record<string, WireRecord[]> = {};
  let bytes = 2;
  let last: string | null = null;
  for (const { appId, record, cursor } of modules.store.walk(request)) {
    const isNewApp = data[appId] === undefined;
    const size = Buffer.byteLength(JSON.stringify(record)) + 1 + (isNewApp ? appId.length + APP_OVERHEAD_BYTES : 0);
    if (last !== null && bytes + size > maxBytes) return { data, nextCursor: last };
    (data[appId] ??= []).push(record);
    bytes += size;
    last = cursor;
    await pause();
  }
  return { data, nextCursor: null };
}
