/** What a node remembers about each peer (protocol.md §10, Nonces between nodes; §8, PEER_BLACKLIST_DURATION_SECONDS). */
import { describe, expect, test } from '@jest/globals';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { MAX_MEMBERS } from '../../../src/domain/limits.ts';
import { PeerBook } from '../../../src/sync/peer-book.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/members.ts';

const BLACKLIST_MS = 600_000;

function peer(number: number, teePubkey = 'aa') {
  return memberOf(`0x${number.toString(16).padStart(40, '0')}` as Wallet, teePubkey as TeePubkey);
}

const PEER = peer(1);

function startBook() {
  const clock = new ManualClock();
  return { clock, book: new PeerBook({ blacklistMs: BLACKLIST_MS }, { clock }) };
}

describe('requests for nonces', () => {
  test('are sent in a burst of five, and after that one by one, every 3 s', () => {
    const { book } = startBook();
    const waits = Array.from({ length: 8 }, () => book.reserveNonceRequest(PEER));
    expect(waits).toEqual([0, 0, 0, 0, 0, 3_000, 6_000, 9_000]);
  });

  test('are sent in bursts of at most five, even after a long pause', async () => {
    const { clock, book } = startBook();
    await clock.advance(3_600_000);
    const waits = Array.from({ length: 6 }, () => book.reserveNonceRequest(PEER));
    expect(waits).toEqual([0, 0, 0, 0, 0, 3_000]);
  });

  test('are allowed again one by one, every 3 s, after a burst', async () => {
    const { clock, book } = startBook();
    for (let count = 0; count < 5; count += 1) book.reserveNonceRequest(PEER);
    await clock.advance(2_999);
    expect(book.reserveNonceRequest(PEER)).toBe(1);
    await clock.advance(3_001);
    expect(book.reserveNonceRequest(PEER)).toBe(0);
  });

  test('never exceed 30 in any minute, even if the node keeps asking', async () => {
    const { clock, book } = startBook();
    const sentAt: number[] = [];
    while (clock.monotonicMs() < 300_000) {
      await clock.advance(book.reserveNonceRequest(PEER));
      sentAt.push(clock.monotonicMs());
    }
    const busiest = Math.max(...sentAt.map((start) => sentAt.filter((at) => at >= start && at < start + 60_000).length));
    expect(busiest).toBeLessThanOrEqual(30);
  });

  test('to a peer pause for as long as that peer requested; requests to other peers do not pause', async () => {
    const { clock, book } = startBook();
    book.stateOf(PEER).notBeforeMs = clock.monotonicMs() + 17_000;
    expect(book.reserveNonceRequest(PEER)).toBe(17_000);
    expect(book.reserveNonceRequest(peer(2))).toBe(0);
    await clock.advance(17_000);
    expect(book.reserveNonceRequest(PEER)).toBe(0);
  });
});

describe('a nonce from a peer', () => {
  test.each([
    [0, 'n'],
    [59_999, 'n'],
    [60_000, null],
  ])('can be taken for less than 60 s after its arrival (after %i ms, the result is %j)', async (afterMs, taken) => {
    const { clock, book } = startBook();
    book.stateOf(PEER).nextNonce = { text: 'n', givenAtMs: clock.monotonicMs() };
    await clock.advance(afterMs);
    expect(book.takeNonce(PEER)).toBe(taken);
  });

  test('is used only once', () => {
    const { clock, book } = startBook();
    book.stateOf(PEER).nextNonce = { text: 'n', givenAtMs: clock.monotonicMs() };
    expect([book.takeNonce(PEER), book.takeNonce(PEER)]).toEqual(['n', null]);
  });

  test('is not used for another peer', () => {
    const { clock, book } = startBook();
    book.stateOf(PEER).nextNonce = { text: 'n', givenAtMs: clock.monotonicMs() };
    expect(book.takeNonce(peer(2))).toBeNull();
  });
});

describe('a reserved request that is released', () => {
  test('makes room for the next request', () => {
    const { book } = startBook();
    for (let count = 0; count < 5; count += 1) book.reserveNonceRequest(PEER);
    expect(book.reserveNonceRequest(PEER)).toBe(3_000);
    book.releaseNonceRequest(PEER);
    expect(book.reserveNonceRequest(PEER)).toBe(3_000);
  });

  test('does not make the burst larger', () => {
    const { book } = startBook();
    book.releaseNonceRequest(PEER);
    const waits = Array.from({ length: 6 }, () => book.reserveNonceRequest(PEER));
    expect(waits).toEqual([0, 0, 0, 0, 0, 3_000]);
  });
});

describe('a peer that did not answer', () => {
  test('is treated as silent for only one minute', async () => {
    const { clock, book } = startBook();
    expect(book.standingOf(PEER)).toBe('good');
    book.noteSilent(PEER);
    await clock.advance(59_999);
    expect(book.standingOf(PEER)).toBe('silent');
    await clock.advance(1);
    expect(book.standingOf(PEER)).toBe('good');
  });

  test('is no longer treated as silent after it has answered', () => {
    const { book } = startBook();
    book.noteSilent(PEER);
    book.noteAnswered(PEER);
    expect(book.standingOf(PEER)).toBe('good');
  });

  test('and also proved wrong is still treated as wrong after it answers', () => {
    const { book } = startBook();
    book.noteWrong(PEER);
    book.noteSilent(PEER);
    expect(book.standingOf(PEER)).toBe('wrong');
    book.noteAnswered(PEER);
    expect(book.standingOf(PEER)).toBe('wrong');
  });
});

describe('a peer that proved wrong', () => {
  test('is treated as wrong only for the blacklist duration', async () => {
    const { clock, book } = startBook();
    expect(book.isWrong(PEER)).toBe(false);
    book.noteWrong(PEER);
    await clock.advance(BLACKLIST_MS - 1);
    expect(book.isWrong(PEER)).toBe(true);
    await clock.advance(1);
    expect(book.isWrong(PEER)).toBe(false);
  });

  test('is treated as a different peer after its teePubkey has changed', () => {
    const { book } = startBook();
    book.noteWrong(PEER);
    expect(book.isWrong(peer(1, 'bb'))).toBe(false);
  });
});

describe('the book of peers', () => {
  test('forgets peers that are no longer members', () => {
    const { book } = startBook();
    book.noteWrong(PEER);
    book.noteWrong(peer(2));
    book.keepOnly([peer(2)]);
    expect([book.isWrong(PEER), book.isWrong(peer(2))]).toEqual([false, true]);
  });

  test('never has more peers than the maximum number of members', () => {
    const { book } = startBook();
    book.noteWrong(PEER);
    for (let number = 2; number <= MAX_MEMBERS + 1; number += 1) book.stateOf(peer(number));
    expect(book.isWrong(PEER)).toBe(false);
  });
});
