/** A record that peers must refuse is never stored (protocol.md §10, Bounds), so a local write of such a record is refused. */
import { describe, expect, test } from '@jest/globals';
import type { RefusalError } from '../../../src/domain/errors.ts';
import { MAX_HELD_KEY_BYTES } from '../../../src/domain/limits.ts';
import { bytesOf, LIMITS, openStore, START_MS } from './open-store.ts';

const APP = '7';

describe('a local write that all other nodes would refuse is refused, and changes nothing:', () => {
  test.each<[string, string, number, number]>([
    ['an empty key', '', 28, 0],
    ['a key above 64 KiB', 'k'.repeat(MAX_HELD_KEY_BYTES + 1), 28, 0],
    ['a key with an unpaired surrogate', 'k\ud800', 28, 0],
    ['a lifetime that is too large for JSON', 'k', 28, 2 ** 53],
    ['a lifetime below 0', 'k', 28, -1],
    ['a stored value that is too short to be a ciphertext', 'k', 27, 0],
    ['a value above the limit plus its tolerance', 'k', LIMITS.maxValueBytes + 129, 0],
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
