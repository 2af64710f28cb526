/**
 * Digests for anti-entropy (protocol.md §10, Comparison and Bounds): the root digest over all apps, and the digests of single apps in
 * pages. Computing the digests of many changed apps takes a long time, so this work pauses to let requests run.
 */
import { createPacer, type PacerModules } from './pacer.ts';
import type { SyncStore } from './ports.ts';

/** Maximum number of apps on a page. */
export const APPS_A_PAGE = 4_096;

export interface AppDigestsModules extends PacerModules {
  readonly store: Pick<SyncStore, 'appIds' | 'appDigest' | 'rootDigest'>;
}

export interface AppDigestsPage {
  /** The digest of each app, 32 hex digits, by app id. */
  readonly apps: Readonly<Record<string, string>>;
  /** The cursor of the next page; null if this is the last page. */
  readonly nextCursor: string | null;
}

/** The digest over all apps, 32 hex digits. */
export async function rootDigestOf(modules: AppDigestsModules): Promise<string> {
  const { store } = modules;
  const pause = createPacer(modules);
  // Computes the digests of all changed apps, with pauses, so that `rootDigest` does not have to compute them without a pause.
  for (const appId of store.appIds()) {
    store.appDigest(appId);
    await pause();
  }
  return store.rootDigest();
}

/** @param cursor the last app of the previous page; undefined for the first page */
export async function appDigestsPage(cursor: string | undefined, modules: AppDigestsModules): Promise<AppDigestsPage> {
  const { store } = modules;
  const pause = createPacer(modules);
  const apps: Record<string, string> = {};
  let count = 0;
  let last: string | null = null;
  for (const appId of store.appIds()) {
    if (cursor !== undefined && !isAfter(appId, cursor)) continue;
    if (count === APPS_A_PAGE) return { apps, nextCursor: last };
    await pause();
    // The app may have disappeared during the pause.
    const digest = store.appDigest(appId);
    if (digest === null) continue;
    apps[appId] = digest;
    count += 1;
    last = appId;
  }
  return { apps, nextCursor: null };
}

/** App ids have no leading zeros, so the longer id is the larger number. */
function isAfter(appId: string, other: string): boolean {
  return appId.length === other.length ? appId > other : appId.length > other.length;
}
