/** A cache allocates room for all its entries at once. A node that is idle, or that has many peers, must not pay for caches without entries. */
import { expect, test } from '@jest/globals';
import { AuthorizedWallets } from '../../../src/http/authorized-wallets.ts';
import { RateLimit } from '../../../src/http/rate-limit.ts';
import { CachedNovaRegistry } from '../../../src/registry/cached-nova-registry.ts';
import { AntiEntropyState } from '../../../src/sync/anti-entropy-state.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const clock = new ManualClock();
const COPIES = 64;
/** Limit for each object: far less than a cache with room for 4,096 entries allocates outside the heap. Bytes. */
const MAX_BYTES_EACH = 1_024;
/** Keeps all created objects, because the measurement would be too low if some of them were collected. */
const kept: unknown[] = [];

test.each<[string, () => unknown]>([
  ['the authorized wallets', () => new AuthorizedWallets({ clock })],
  ['the app registry', () => new CachedNovaRegistry({ ttlMs: 1_000 }, { clock, reader: { read: () => Promise.reject(new Error('not read')) } })],
  ['the rate limit', () => new RateLimit(60, { clock })],
  ['the anti-entropy with a peer', () => new AntiEntropyState({ clock, random: new SeededRandom('idle') })],
])('%s allocates no room for entries before it has its first entry', (_, make) => {
  const before = process.memoryUsage().arrayBuffers;
  kept.push(Array.from({ length: COPIES }, make));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(COPIES * MAX_BYTES_EACH);
});
