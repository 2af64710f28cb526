/**
 * Digests of a store's apps for anti-entropy (protocol.md §10, Comparison and Bounds): the root, and the apps in pages. Where many
 * apps have changed, working them out gives way to requests.
 */
import { createPacer, type PacerModules } from './pacer.ts';
import type { SyncStore } from './ports.ts';

/** Apps on a page. */
export const APPS_A_PAGE = 4_096;

export interface AppDigestsModules extends PacerModules {
  readonly store: Pick<SyncStore, 'appIds' | 'appDigest' | 'rootDigest'>;
}

export interface AppDigestsPage {
  /** 32 hex digits by app id. */
  readonly apps: Readonly<Record<string, string>>;
  /** Where the next page starts; null when nothing is left. */
  readonly nextCursor: string | null;
}

/** 32 hex digits over all apps. */
export async function rootDigestOf(modules: AppDigestsModules): Promise<string> {
  const { store } = modules;
  const pause = createPacer(modules);
  // Those that have not changed are kept, and cost nothing at the end.
  for (const appId of store.appIds()) {
    store.appDigest(appId);
    await pause();
  }
  return store.rootDigest();
}

/** @param cursor the last app of the page before; undefined: from the start */
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
    // It may be gone by now.
    const digest = store.appDigest(appId);
    if (digest === null) continue;
    apps[appId] = digest;
    count += 1;
    last = appId;
  }
  return { apps, nextCursor: null };
}

/** Of two app ids without leading zeros: the longer is the larger. */
function isAfter(appId: string, other: string): boolean {
  return appId.length === other.length ? appId > other : appId.length > other.length;
}
