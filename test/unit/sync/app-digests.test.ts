/** Digests of many apps (protocol.md §10, Comparison and Bounds) are sent in pages, and their computation yields to requests. */
import { describe, expect, test } from '@jest/globals';
import { digestRequest } from '../../../src/sync/messages.ts';
import { APPS_A_PAGE, appDigestsPage, rootDigestOf } from '../../../src/sync/app-digests.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { bytesOf, openStore, START_MS } from '../store/open-store.ts';

/** A store with these apps. Reading the digest of an app takes 1 ms. */
function start(appIds: readonly string[]) {
  const clock = new ManualClock();
  const { store } = openStore('a');
  for (const appId of appIds) store.put(appId, 'k', bytesOf(28), 0, START_MS);
  const turns: number[] = [];
  let looked = 0;
  const modules = {
    clock: { monotonicMs: () => clock.monotonicMs() + looked },
    yieldNow: async (): Promise<void> => void turns.push(looked),
    store: {
      appIds: () => store.appIds(),
      rootDigest: () => store.rootDigest(),
      appDigest: (appId: string) => {
        looked += 1;
        return store.appDigest(appId);
      },
    },
  };
  return { store, turns, modules };
}

const range = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1));

async function allPages(modules: Parameters<typeof appDigestsPage>[1]): Promise<Readonly<Record<string, string>>[]> {
  const pages: Readonly<Record<string, string>>[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await appDigestsPage(cursor, modules);
    pages.push(page.apps);
    if (page.nextCursor === null) return pages;
    cursor = page.nextCursor;
  }
}

describe('pages of apps', () => {
  test.each<[number, readonly number[]]>([
    [0, [0]],
    [1, [1]],
    [APPS_A_PAGE, [APPS_A_PAGE]],
    [APPS_A_PAGE + 1, [APPS_A_PAGE, 1]],
    [2 * APPS_A_PAGE + 5, [APPS_A_PAGE, APPS_A_PAGE, 5]],
  ])('have the expected sizes (number of apps: %i, apps per page: %j)', async (count, sizes) => {
    const { store, modules } = start(range(count));
    const pages = await allPages(modules);
    expect(pages.map((page) => Object.keys(page).length)).toEqual(sizes);
    expect(Object.assign({}, ...pages)).toEqual(Object.fromEntries(range(count).map((appId) => [appId, store.appDigest(appId)])));
  });

  test('continue after the app in the cursor, even if that app is gone', async () => {
    const { store, modules } = start(['2', '10', '300']);
    expect(Object.keys((await appDigestsPage('2', modules)).apps)).toEqual(['10', '300']);
    store.forget('10', 'k');
    expect(Object.keys((await appDigestsPage('10', modules)).apps)).toEqual(['300']);
    expect(Object.keys((await appDigestsPage('300', modules)).apps)).toEqual([]);
  });

  test.each(['', '0', '-1', '1x', '../1', '9'.repeat(17)])('cannot be requested with the cursor %j', (cursor) => {
    expect(digestRequest.safeParse({ apps: true, cursor }).success).toBe(false);
  });
});

test('computing the root and the pages of many apps yields to requests every few milliseconds', async () => {
  const { turns, modules } = start(range(1_000));
  await rootDigestOf(modules);
  expect(turns.length).toBeGreaterThan(50);
  turns.length = 0;
  await appDigestsPage(undefined, modules);
  expect(turns.length).toBeGreaterThan(50);
});

test('the computed root matches the store at the end of the computation, even if the store changes during the computation', async () => {
  const { store, modules } = start(range(100));
  let written = 0;
  const yieldNow = async (): Promise<void> => void store.put('7', `later ${(written += 1)}`, bytesOf(28), 0, START_MS);
  expect(await rootDigestOf({ ...modules, yieldNow })).toBe(store.rootDigest());
  expect(written).toBeGreaterThan(0);
});
