/** A record that peers must refuse is never held (protocol.md §10, Bounds), so a local write of it is refused. */
import { describe, expect, test } from '@jest/globals';
import type { RefusalError } from '../../../src/domain/errors.ts';
import { MAX_HELD_KEY_BYTES } from '../../../src/domain/limits.ts';
import { bytesOf, LIMITS, openStore, START_MS } from './open-store.ts';

const APP = '7';

describe('a local write that no other node would take is refused, and changes nothing', () => {
  test.each<[string, string, number, number]>([
    ['an empty key', '', 28, 0],
    ['a key above 64 KiB', 'k'.repeat(MAX_HELD_KEY_BYTES + 1), 28, 0],
    ['a key with half of a pair', 'k\ud800', 28, 0],
    ['a lifetime that JSON cannot hold', 'k', 28, 2 ** 53],
    ['a lifetime below 0', 'k', 28, -1],
    ['a value that is too short to be encrypted', 'k', 27, 0],
    ['a value above the limit and its slack', 'k', LIMITS.maxValueBytes + 129, 0],
  ])('%s', (_, key, bytes, ttlMs) => {
    const { store } = openStore('a');
    let refusal: unknown;
    try {
      store.put(APP, key, bytesOf(bytes), ttlMs, START_MS);
    } catch (error) {
      refusal = error;
    }
    expect([(refusal as RefusalError).code, store.lastSequenceNumber, store.heldBytes]).toEqual(['bad_request', 0, 0]);
  });
});
