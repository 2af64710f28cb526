/**
 * How a first snapshot and anti-entropy request pages of records (protocol.md §10, Pages). A page is never larger
 * than the largest answer that this node accepts, because otherwise no page would ever arrive.
 */
import { describe, expect, test } from '@jest/globals';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { SNAPSHOT_PAGE_BYTES } from '../../../src/domain/limits.ts';
import { requestPage } from '../../../src/sync/page-request.ts';
import { PeerError } from '../../../src/sync/peer-error.ts';
import { memberOf } from '../../support/members.ts';
import { Network } from '../../support/replicating-nodes.ts';

const { signal } = new AbortController();
const MEMBER = memberOf(`0x${'a1'.repeat(20)}` as Wallet, 'aabb' as TeePubkey, 'https://a.test');

/** Requests a page, and returns the request that was sent and the page that was read from the answer. */
async function ask(answer: object, cursor: string | null = null, maxAnswerBytes = 52_428_800) {
  const asked: unknown[] = [];
  const conversation = {
    exchange: async (_: unknown, message: object, options: object) => {
      asked.push(message, options);
      return answer as Record<string, unknown>;
    },
  };
  const page = await requestPage(MEMBER, { part: { app: '7', buckets: [3, 5] }, cursor }, { maxAnswerBytes, signal }, { conversation });
  return { asked, page };
}

describe('a page', () => {
  test.each([
    [52_428_800, SNAPSHOT_PAGE_BYTES],
    [SNAPSHOT_PAGE_BYTES + 1, SNAPSHOT_PAGE_BYTES],
    [SNAPSHOT_PAGE_BYTES, SNAPSHOT_PAGE_BYTES],
    [SNAPSHOT_PAGE_BYTES - 1, SNAPSHOT_PAGE_BYTES - 1],
    [20_480, 20_480],
  ])('has a size limit: a node that accepts answers of up to %i bytes requests pages of at most %i bytes', async (maxAnswerBytes, maxBytes) => {
    const { asked } = await ask({ data: {} }, 'x', maxAnswerBytes);
    expect(asked).toEqual([
      { type: 'snapshot_request', app: '7', buckets: [3, 5], max_bytes: maxBytes, cursor: 'x' },
      { maxAnswerBytes, signal, timeoutMs: 30_000 },
    ]);
  });

  test.each([
    ['the last page', { data: { '7': [] } }, { data: { '7': [] }, complete: true, sure: false, nextCursor: null }],
    ['a page that is not the last', { data: { '7': ['r'] }, complete: true, next_cursor: 'y' }, { data: { '7': ['r'] }, complete: true, sure: false, nextCursor: 'y' }],
    ['a page from a member that lacks its own first snapshot', { data: {}, complete: false, next_cursor: null }, { data: {}, complete: false, sure: false, nextCursor: null }],
    ['a page from a member that is sure', { data: {}, sure: true }, { data: {}, complete: true, sure: true, nextCursor: null }],
  ])('is read correctly: %s', async (_, answer, page) => {
    expect((await ask(answer)).page).toEqual(page);
    expect((await ask(answer, 'x')).page).toEqual(page);
  });

  test.each([
    ['without `data`', {}],
    ['whose `data` is not an object', { data: [] }],
    ['whose cursor is empty', { data: {}, next_cursor: '' }],
    ['whose cursor leads back to the same page', { data: { '7': ['r'] }, next_cursor: 'x' }],
    ['that is empty but has a next page', { data: {}, next_cursor: 'y' }],
    ['that has only empty lists but has a next page', { data: { '7': [], '8': 'no list' }, next_cursor: 'y' }],
  ])('%s is a bad answer', async (_, answer) => {
    const error = await ask(answer, 'x').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PeerError);
    expect((error as PeerError).failure).toBe('bad_answer');
  });
});

describe('a node that accepts only answers smaller than a page', () => {
  /** The largest answer that the node accepts. The 40 records that it lacks are about five times as large on the wire. */
  const SMALL_BYTES = 100_000;

  function start() {
    const network = new Network();
    const a = network.add('a', { maxSyncPayloadBytes: SMALL_BYTES });
    const b = network.add('b');
    for (let index = 0; index < 40; index += 1) b.put(`k${index}`, Buffer.alloc(3_000));
    return { network, a, b };
  }

  test('still gets a first snapshot', async () => {
    const { a, b } = start();
    expect(await a.fetchSnapshot()).toEqual({ asked: 1, answered: 1, completeFrom: b.member.wallet });
    expect(a.store.rootDigest()).toBe(b.store.rootDigest());
    expect(b.types().length).toBeGreaterThan(4);
  });

  test('is still repaired by anti-entropy', async () => {
    const { a, b } = start();
    await a.compareWith(b);
    expect(a.store.rootDigest()).toBe(b.store.rootDigest());
  });
});
