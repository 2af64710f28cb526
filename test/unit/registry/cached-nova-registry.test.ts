/** The cache of app authorization (protocol.md §6): one read per wallet at a time, limited age and size, no cached failures. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import type { AppRecord } from '../../../src/domain/membership.ts';
import { CachedNovaRegistry } from '../../../src/registry/cached-nova-registry.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { authorizedRecord } from '../../support/members.ts';

const TTL_MS = 180_000;
const APP = wallet(1);

function wallet(number: number): Wallet {
  return `0x${number.toString(16).padStart(40, '0')}` as Wallet;
}

function known(of: Wallet): AppRecord {
  return authorizedRecord(100n, of, '');
}

function unknown(of: Wallet): AppRecord {
  return { instance: { ...known(of).instance, id: 0n }, app: null, version: null };
}

/** A registry whose reads the test answers one by one. */
function startRegistry(ttlMs = TTL_MS) {
  const clock = new ManualClock();
  const reads: (PromiseWithResolvers<AppRecord> & { readonly wallet: Wallet; readonly signal: AbortSignal })[] = [];
  const registry = new CachedNovaRegistry(
    { ttlMs },
    {
      clock,
      reader: {
        read: (of, signal) => {
          const pending = Promise.withResolvers<AppRecord>();
          reads.push({ ...pending, wallet: of, signal });
          return pending.promise;
        },
      },
    },
  );
  const lookUp = async (record: AppRecord): Promise<AppRecord> => {
    const before = reads.length;
    const found = registry.lookup(record.instance.wallet);
    await settle();
    reads[before]?.resolve(record);
    return found;
  };
  return { clock, reads, registry, lookUp };
}

describe('a wallet', () => {
  test.each([
    ['that is registered is read again only after the time to live', known(APP), TTL_MS],
    ['that is not registered is read again after 10 s', unknown(APP), 10_000],
  ])('%s', async (_, record, keptMs) => {
    const { clock, reads, lookUp } = startRegistry();
    await lookUp(record);
    await clock.advance(keptMs - 1);
    expect(await lookUp(record)).toEqual(record);
    expect(reads).toHaveLength(1);
    await clock.advance(2);
    await lookUp(record);
    expect(reads).toHaveLength(2);
  });

  test('is read again after the machine has slept longer than the time to live, although the monotonic clock did not advance', async () => {
    const { clock, reads, lookUp } = startRegistry();
    await lookUp(known(APP));
    const unixMs = clock.nowMs.bind(clock);
    clock.nowMs = () => unixMs() + 28_800_000;
    await lookUp(known(APP));
    expect(reads).toHaveLength(2);
  });

  test('that is not registered is read again after the time to live if that is shorter than 10 s', async () => {
    const { clock, reads, lookUp } = startRegistry(2_000);
    await lookUp(unknown(APP));
    await clock.advance(2_001);
    await lookUp(unknown(APP));
    expect(reads).toHaveLength(2);
  });

  test('is read at every lookup when the time to live is 0', async () => {
    const { reads, lookUp } = startRegistry(0);
    await lookUp(known(APP));
    await lookUp(known(APP));
    expect(reads).toHaveLength(2);
  });

  test('that has many simultaneous lookups is read once', async () => {
    const { reads, registry } = startRegistry();
    const all = Array.from({ length: 50 }, () => registry.lookup(APP));
    await settle();
    reads[0]!.resolve(known(APP));
    expect(await Promise.all(all)).toEqual(all.map(() => known(APP)));
    expect(reads).toHaveLength(1);
  });

  test('is cached separately from other wallets', async () => {
    const { reads, lookUp } = startRegistry();
    await lookUp(known(APP));
    expect((await lookUp(known(wallet(2)))).instance.wallet).toBe(wallet(2));
    expect(reads.map((read) => read.wallet)).toEqual([APP, wallet(2)]);
  });
});

describe('a failure of the chain', () => {
  test('makes all waiting lookups fail, and is not cached', async () => {
    const { reads, registry, lookUp } = startRegistry();
    const both = [registry.lookup(APP), registry.lookup(APP)].map(async (lookup) =>
      expect(lookup).rejects.toMatchObject({ dependency: 'chain', failure: 'unreachable' }),
    );
    await settle();
    reads[0]!.reject(new DependencyError('chain', 'unreachable', 'the RPC cannot be reached'));
    await Promise.all(both);
    expect(await lookUp(known(APP))).toEqual(known(APP));
    expect(reads).toHaveLength(2);
  });

  test('is assumed after 10 s without an answer: the lookup fails, and the next lookup reads again', async () => {
    const { clock, reads, registry, lookUp } = startRegistry();
    const silent = expect(registry.lookup(APP)).rejects.toMatchObject({ name: 'DeadlineError' });
    await clock.advance(10_000);
    await silent;
    expect(reads[0]!.signal.aborted).toBe(true);
    expect(await lookUp(known(APP))).toEqual(known(APP));
  });
});

describe('the cache', () => {
  test('allows 256 simultaneous lookups, and refuses a further lookup without reading the chain', async () => {
    const { reads, registry } = startRegistry();
    const flights = Array.from({ length: 256 }, (_, number) => registry.lookup(wallet(number)));
    await expect(registry.lookup(wallet(256))).rejects.toMatchObject({ dependency: 'chain', failure: 'unreachable' });
    expect(reads).toHaveLength(256);
    for (const read of reads) read.resolve(known(read.wallet));
    await Promise.all(flights);
    const next = registry.lookup(wallet(257));
    await settle();
    reads.at(-1)!.resolve(known(wallet(257)));
    expect((await next).instance.wallet).toBe(wallet(257));
  });

  test('holds at most 10,000 wallets: when one more is added, the least recently used wallet is dropped', async () => {
    const { reads, lookUp } = startRegistry();
    for (let number = 0; number <= 10_000; number += 1) await lookUp(known(wallet(number)));
    const readsBefore = reads.length;
    await lookUp(known(wallet(10_000)));
    expect(reads).toHaveLength(readsBefore);
    await lookUp(known(wallet(0)));
    expect(reads).toHaveLength(readsBefore + 1);
  });
});
