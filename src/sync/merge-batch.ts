/** Merges the records that a peer sent (protocol.md §4). Each record is judged separately; the answer counts the outcomes. */
import { RefusalError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';
import type { MergeReport, MergeSkip, MergeVerdict, Rejection } from '../domain/records.ts';
import { createPacer, type PacerModules } from './pacer.ts';
import type { SyncStore } from './ports.ts';

/** Maximum number of rejections that an answer lists. */
export const MAX_REJECTIONS_LISTED = 100;
/** Maximum length of a key and of an app id in the list of rejections. Longer ones are cut. Characters. */
const MAX_QUOTED_KEY_CHARS = 1_024;
const MAX_QUOTED_APP_CHARS = 32;
/** Reasons why a valid record does not replace the stored one. */
const SKIPS: ReadonlySet<string> = new Set<MergeSkip>(['ignored_existing_newer_version', 'ignored_existing_newer_time', 'ignored_identical']);

export interface MergeModules extends PacerModules {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly store: Pick<SyncStore, 'storeId' | 'merge'>;
  /** Called after each record has been judged. A record that is not rejected is well-formed. */
  readonly onVerdict?: (appId: string, wire: unknown, verdict: MergeVerdict) => void;
}

/**
 * @param data `{"<app id>": [record, ..]}`
 * @throws RefusalError bad_request when `data` is not an object; service_unavailable when the store is emptied during the merge
 */
export async function mergeBatch(data: unknown, modules: MergeModules): Promise<MergeReport> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new RefusalError('bad_request', 'data must be an object with a list of records for each app id');
  }
  const { store, clock, onVerdict } = modules;
  const { storeId } = store;
  const reasons: Record<string, number> = {};
  const rejections: Rejection[] = [];
  const counts = { total: 0, merged: 0, skipped: 0, rejected: 0 };
  const pause = createPacer(modules);
  for (const [appId, records] of Object.entries(data as Record<string, unknown>)) {
    // Pauses once per app too, because even an app without records takes time.
    await pause();
    for (const wire of Array.isArray(records) ? (records as unknown[]) : []) {
      await pause();
      // If the store was emptied during the pause, the secret has changed, and these records belong to the old secret.
      if (store.storeId !== storeId) throw new RefusalError('service_unavailable', 'the store was emptied');
      const verdict = store.merge(appId, wire, clock.nowMs());
      onVerdict?.(appId, wire, verdict);
      counts.total += 1;
      counts[verdict.kind] += 1;
      if (verdict.kind === 'merged') continue;
      reasons[verdict.why] = (reasons[verdict.why] ?? 0) + 1;
      if (verdict.kind === 'rejected' && rejections.length < MAX_REJECTIONS_LISTED) {
        rejections.push({ app_id: appId.slice(0, MAX_QUOTED_APP_CHARS).toWellFormed(), key: keyOf(wire), reason: verdict.why });
      }
    }
  }
  return { ...counts, skip_reasons: reasons, rejections };
}

/** Number of rejected records in a batch, by reason. */
export function leftOutOf({ skip_reasons: reasons }: MergeReport): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(reasons).filter(([reason]) => !SKIPS.has(reason)));
}

/**
 * A key as an answer shows it: cut off if it is too long. If this splits a surrogate pair, the remaining half is replaced, because nodes
 * cannot read it.
 */
export const quotedKey = (key: string): string => key.slice(0, MAX_QUOTED_KEY_CHARS).toWellFormed();

function keyOf(wire: unknown): string {
  const key = typeof wire === 'object' && wire !== null ? (wire as Record<string, unknown>)['key'] : undefined;
  return typeof key === 'string' ? quotedKey(key) : '';
}
