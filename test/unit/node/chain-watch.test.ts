/** Reading the chain for a node (protocol.md §6, Freshness): the effects of a failed read, and how it is reported. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Hash32, TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { ZERO_HASH } from '../../../src/domain/ids.ts';
import type { ChainView, HashReading } from '../../../src/domain/membership.ts';
import { ChainWatch } from '../../../src/node/chain-watch.ts';
import { PeerCache } from '../../../src/registry/peer-cache.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/node-over-http.ts';

const PEER = `0x${'0b'.repeat(20)}` as Wallet;
const SIGNAL = new AbortController().signal;
const LOST = new DependencyError('chain', 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached');
const UNREADABLE: HashReading = { kind: 'unreadable', detail: 'the hash is malformed' };

function start({ maxAgeMs = 120_000, outageMs = 900_000 } = {}) {
  const clock = new ManualClock();
  const peerCache = new PeerCache({ clock });
  const world = { fails: false, hash: { kind: 'read', hash: ZERO_HASH } as HashReading, block: 94n, blockAgeMs: 72_000 };
  const watch = new ChainWatch(
    { peerCacheTtlMs: 180_000, maxAgeMs, outageMs, nodeTickMs: 60_000 },
    {
      clock,
      log: collectingLog(),
      peerCache,
      chain: {
        readView: async (): Promise<ChainView> => {
          if (world.fails) throw LOST;
          const membership = { block: world.block, members: [memberOf(PEER, 'aa'.repeat(120) as TeePubkey)], dropped: [] };
          return { block: world.block, head: world.block + 6n, timestampMs: clock.nowMs() - world.blockAgeMs, membership, hash: world.hash };
        },
        readHash: async () => world.hash,
      },
    },
  );
  const read = async () => {
    const reading = watch.readForTick(SIGNAL).then(() => undefined, () => undefined);
    await clock.advance(1_000);
    await reading;
  };
  return { clock, peerCache, world, watch, read };
}

describe('a read of the chain that fails', () => {
  test.each<[string, (world: ReturnType<typeof start>['world']) => void, string]>([
    ['without an answer', (world) => (world.fails = true), LOST.message],
    ['because the hash cannot be read', (world) => (world.hash = UNREADABLE), 'the hash is malformed'],
  ])('%s leaves the previous view unchanged, and /status reports the reason and the time of the first failure', async (_, fail, why) => {
    const { clock, peerCache, world, watch, read } = start();
    await read();
    fail(world);
    world.block = 95n;
    await clock.advance(9_000);
    const sinceMs = clock.nowMs() + (world.fails ? 0 : 250);
    await read();
    await read();
    expect([watch.view().block, peerCache.membership()?.block]).toEqual([94n, 94n]);
    expect(watch.figures()).toEqual({ viewAgeMs: clock.nowMs() - (clock.nowMs() - 72_000 - 12_000), viewBlockMs: clock.nowMs() - 72_000 - 12_000, failing: { sinceMs, why }, isFresh: true });
  });

  test('is no longer reported after a read has succeeded', async () => {
    const { world, watch, read } = start();
    world.fails = true;
    await read();
    expect(watch.figures()).toMatchObject({ viewAgeMs: null, failing: { why: LOST.message } });
    world.fails = false;
    await read();
    expect(watch.figures()).toMatchObject({ viewAgeMs: 73_000, failing: null });
  });

  test('is reported as a timeout if its step ends before the answer', async () => {
    const { watch } = start();
    const step = new AbortController();
    const reading = watch.readForTick(step.signal);
    step.abort(new Error('the step is over'));
    await expect(reading).rejects.toThrow('the step is over');
    expect(watch.figures().failing?.why).toBe('no answer before the timeout of the step');
  });
});

describe('the master secret', () => {
  test('may be handed out while the view is at most CHAIN_MAX_AGE_SECONDS plus one node_tick old, but not before the first view', async () => {
    const { clock, watch, read } = start();
    expect(watch.mayHandOut()).toBe(false);
    await read();
    await clock.advance(180_000 - 73_000);
    expect(watch.mayHandOut()).toBe(true);
    await clock.advance(1);
    expect(watch.mayHandOut()).toBe(false);
  });

  test.each<[string, HashReading]>([
    ['zero', { kind: 'read', hash: ZERO_HASH }],
    ['a different hash', { kind: 'read', hash: `0x${'22'.repeat(32)}` as Hash32 }],
    ['no hash', { kind: 'shallow' }],
  ])('is withheld until the next node_tick if a read between two node_ticks has shown %s', async (_, hash) => {
    const { clock, world, watch, read } = start();
    world.hash = { kind: 'read', hash: `0x${'11'.repeat(32)}` as Hash32 };
    await read();
    world.hash = hash;
    await clock.advance(180_001);
    await watch.refreshForOutbound(SIGNAL);
    expect(watch.mayHandOut()).toBe(false);
    await read();
    expect(watch.mayHandOut()).toBe(true);
  });

  test('may be handed out regardless of the age of the view if ages are not checked', async () => {
    const { clock, watch, read } = start({ maxAgeMs: 0 });
    await read();
    await clock.advance(10_000_000);
    expect(watch.mayHandOut()).toBe(true);
  });
});

describe('the view', () => {
  test('counts as fresh from the first good read until it is CHAIN_OUTAGE_SECONDS old, even if later reads fail', async () => {
    const { clock, world, watch, read } = start();
    expect(watch.figures().isFresh).toBe(false);
    await read();
    world.fails = true;
    await read();
    await clock.advance(900_000 - 74_000);
    expect(watch.figures().isFresh).toBe(true);
    await clock.advance(1);
    expect(watch.figures().isFresh).toBe(false);
  });

  test('counts as fresh only until the first failed read if CHAIN_OUTAGE_SECONDS is 0', async () => {
    const { clock, world, watch, read } = start({ outageMs: 0 });
    await read();
    await clock.advance(10_000_000);
    expect(watch.figures().isFresh).toBe(true);
    world.fails = true;
    await read();
    expect(watch.figures().isFresh).toBe(false);
  });
});
