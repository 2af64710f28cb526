/** Pages of a snapshot (protocol.md §10, Pages): each page contains as many records as fit, and every record appears exactly once. */
import { describe, expect, test } from '@jest/globals';
import type { WireRecords } from '../../../src/domain/records.ts';
import { snapshotPage, type SnapshotPage } from '../../../src/sync/snapshot-page.ts';
import { APP, startNodes } from '../../support/replicating-nodes.ts';

function start() {
  const { clock, nodes } = startNodes('a');
  const [node] = nodes;
  const modules = { clock, store: node.store, yieldNow: async (): Promise<void> => undefined };
  /** Reads all pages, each of at most this size. */
  const pages = async (maxBytes: number, between: (page: number) => void = () => undefined): Promise<SnapshotPage[]> => {
    const all: SnapshotPage[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await snapshotPage({ cursor }, maxBytes, modules);
      all.push(page);
      if (page.nextCursor === null) return all;
      cursor = page.nextCursor;
      between(all.length);
    }
  };
  return { clock, node, modules, pages };
}

function keysOf(...pages: readonly { readonly data: WireRecords }[]): string[] {
  return pages.flatMap(({ data }) => Object.values(data).flatMap((records) => records.map(({ key }) => key)));
}

describe('pages', () => {
  test('of an empty store consist of a single empty page', async () => {
    const { pages } = start();
    expect(await pages(1_000)).toEqual([{ data: {}, nextCursor: null }]);
  });

  test.each([1_000, 5_000, 100_000])('of at most %d bytes contain every record of every app exactly once, including tombstones', async (maxBytes) => {
    const { node, pages } = start();
    for (let index = 0; index < 150; index += 1) node.put(`k${index}`, 'x'.repeat(index), { app: String(1 + (index % 3)) });
    node.put('gone', 'value');
    node.delete('gone');
    const all = await pages(maxBytes);
    expect(keysOf(...all).sort()).toEqual([...Array.from({ length: 150 }, (_, index) => `k${index}`), 'gone'].sort());
    for (const { data } of all) expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThanOrEqual(maxBytes);
    const [first, second] = all;
    if (second !== undefined) {
      const [appId, records] = Object.entries(second.data)[0]!;
      const fuller = { ...first!.data, [appId]: [...(first!.data[appId] ?? []), records[0]!] };
      expect(Buffer.byteLength(JSON.stringify(fuller))).toBeGreaterThan(maxBytes);
    }
  });

  test('contain a single record when that record is larger than a page', async () => {
    const { node, pages } = start();
    for (const key of ['a', 'large', 'b', 'c']) node.put(key, 'x'.repeat(key === 'large' ? 5_000 : 10));
    const all = await pages(1_000);
    expect(keysOf(...all).sort()).toEqual(['a', 'b', 'c', 'large']);
    expect(all.map((page) => keysOf(page))).toContainEqual(['large']);
  });

  test('neither repeat nor miss a record that existed from the start, even if the store changes between two pages', async () => {
    const { clock, node, pages } = start();
    for (let index = 0; index < 100; index += 1) node.put(`k${index}`, 'value');
    await clock.advance(5);
    const all = await pages(2_000, (page) => {
      node.put(`new ${page}`, 'value');
      node.put('k50', `value ${page}`);
      node.store.forget(APP, 'new 1');
    });
    const keys = keysOf(...all);
    expect(all.length).toBeGreaterThan(3);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual(expect.arrayContaining(Array.from({ length: 100 }, (_, index) => `k${index}`)));
  });

  test('can be limited to one app and some of its buckets', async () => {
    const { node, modules } = start();
    for (let index = 0; index < 100; index += 1) {
      node.put(`k${index}`, 'value');
      node.put(`k${index}`, 'value', { app: '7' });
    }
    const wanted = [0, 17, 128, 255];
    const page = await snapshotPage({ app: '7', buckets: wanted }, 1_000_000, modules);
    const all = [...node.store.walk({ app: '7' })];
    const expected = all.filter(({ cursor }) => wanted.includes(Number(cursor.split('.')[2]))).map(({ record }) => record.key);
    expect([Object.keys(page.data), keysOf(page)]).toEqual([expected.length === 0 ? [] : ['7'], expected]);
  });

  test.each(['x', '', '0', 'ffffffffffffffff.100.0.0'])('are refused for a cursor that is malformed or belongs to another store: %j', async (cursor) => {
    const { node, modules } = start();
    node.put('k', 'value');
    await expect(snapshotPage({ cursor }, 1_000, modules)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('are made in steps, with other requests in between, when a page takes a long time', async () => {
    const { node, modules } = start();
    for (let index = 0; index < 320; index += 1) node.put(`k${index}`, 'value');
    let elapsedMs = 0;
    let yielded = 0;
    const clock = { monotonicMs: () => (elapsedMs += 2.5) };
    await snapshotPage({}, 1_000_000, { ...modules, clock, yieldNow: async () => void (yielded += 1) });
    expect(yielded).toBeGreaterThanOrEqual(8);
  });
});
