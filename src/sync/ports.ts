/** What this room needs from the store and the rest of the node. */
import type { StoreId } from '../domain/ids.ts';
import type { MergeReport, SnapshotPage, SnapshotPageRequest } from '../domain/records.ts';

export interface SyncStore {
  readonly storeId: StoreId;
  /** Judges each record of `{"<app id>": [record, ..]}` on its own. Throws RefusalError bad_request when it is no such object. */
  mergeBatch(data: unknown): Promise<MergeReport>;
  snapshotPage(request: SnapshotPageRequest): Promise<SnapshotPage>;
}
