/** Rate limits (protocol.md §8): which callers are treated as one client, and how many requests a client may make. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RefusalError } from '../../../src/domain/errors.ts';
import { countedClient } from '../../../src/http/client-address.ts';
import { RateLimit } from '../../../src/http/rate-limit.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function granted(limit: RateLimit, client: string, times: number, factor?: number): number {
  let count = 0;
  for (let time = 0; time < times; time += 1) {
    try {
      limit.take(client, factor);
      count += 1;
    } catch (error) {
      expect(error).toBeInstanceOf(RefusalError);
    }
  }
  return count;
}

describe('a limit per minute', () => {
  test('allows the full number of requests immediately, and is then refilled evenly', async () => {
    const clock = new ManualClock();
    const limit = new RateLimit(120, { clock });
    expect(granted(limit, 'a', 500)).toBe(120);
    await clock.advance(500);
    expect(granted(limit, 'a', 10)).toBe(1);
    await clock.advance(30_000);
    expect(granted(limit, 'a', 500)).toBe(60);
    await clock.advance(3_600_000);
    expect(granted(limit, 'a', 500)).toBe(120);
  });

  test('reports when the next request is allowed, and allows it at that time', async () => {
    const clock = new ManualClock();
    const limit = new RateLimit(30, { clock });
    granted(limit, 'a', 30);
    expect(() => limit.take('a')).toThrow(expect.objectContaining({ code: 'rate_limited', retryAfterSeconds: 2 }));
    await clock.advance(2_000);
    expect(granted(limit, 'a', 2)).toBe(1);
  });

  test('applies to each client separately', () => {
    const limit = new RateLimit(3, { clock: new ManualClock() });
    expect([granted(limit, 'a', 9), granted(limit, 'b', 9)]).toEqual([3, 3]);
  });

  test('is ten times as high for a client with a factor of ten', () => {
    expect(granted(new RateLimit(3, { clock: new ManualClock() }), 'a', 99, 10)).toBe(30);
  });

  test('of 0 limits no client and remembers no client', () => {
    const limit = new RateLimit(0, { clock: new ManualClock() });
    expect(granted(limit, 'a', 10_000)).toBe(10_000);
    expect(limit.size).toBe(0);
  });

  test.each([20_000, 1_024])('remembers at most %i clients', (most) => {
    const limit = most === 20_000 ? new RateLimit(1, { clock: new ManualClock() }) : new RateLimit(1, { clock: new ManualClock() }, most);
    for (let client = 0; client < 30_000; client += 1) limit.take(String(client));
    expect(limit.size).toBe(most);
    expect(granted(limit, '29999', 1)).toBe(0);
  });

  test('never allows more requests in a window than its capacity plus the refill during that window', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(20_000), takes: fc.nat(20) }), { maxLength: 40 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 10), (sequence, perMinute, factor) => {
        let nowMs = 0;
        const limit = new RateLimit(perMinute, { clock: { monotonicMs: () => nowMs } });
        const grants: { atMs: number; count: number }[] = [];
        for (const { waitMs, takes } of sequence) {
          nowMs += waitMs;
          grants.push({ atMs: nowMs, count: granted(limit, 'a', takes, factor) });
        }
        const capacity = perMinute * factor;
        for (const [first, { atMs }] of grants.entries()) {
          let sum = 0;
          for (const grant of grants.slice(first)) {
            sum += grant.count;
            expect(sum).toBeLessThanOrEqual(capacity + ((grant.atMs - atMs) * capacity) / 60_000 + 1e-6);
          }
        }
      }),
    );
  });
});

describe('a caller', () => {
  test.each<[string, boolean, string, number]>([
    ['203.0.113.7', false, '203.0.113.7', 1],
    ['::ffff:203.0.113.7', false, '203.0.113.7', 1],
    ['2001:db8::1', false, '2001:db8:0:0::/64', 1],
    ['2001:0DB8:0::0001', true, '2001:db8:0:0::/64', 1],
    ['2001:db8:0:0:ffff:ffff:ffff:ffff', false, '2001:db8:0:0::/64', 1],
    ['2001:db8:0:1::1', false, '2001:db8:0:1::/64', 1],
    ['127.0.0.1', false, 'loopback', 10],
    ['127.8.9.1', false, 'loopback', 10],
    ['::1', false, 'loopback', 10],
    ['::ffff:127.0.0.1', false, 'loopback', 10],
    ['127.0.0.1', true, '127.0.0.1', 1],
    ['203.0.113.7', true, '203.0.113.7', 1],
    ['203.0.113.7:50001', true, '203.0.113.7', 1],
    ['[2001:db8::1]:443', true, '2001:db8:0:0::/64', 1],
    ['[2001:DB8::1]', true, '2001:db8:0:0::/64', 1],
    ['127.0.0.1:9', false, 'loopback', 10],
    // All values that are not addresses are counted as the same client.
    ['unknown', true, 'unknown', 1],
    ['_hidden:1', true, 'unknown', 1],
    ['203.0.113.7:500011', true, 'unknown', 1],
    ['', false, 'unknown', 1],
  ])('at the address %j (trusted proxies: %s) is counted as the client %j, and its limit is multiplied by %i', (address, trusts, key, factor) => {
    expect(countedClient(address, trusts)).toEqual({ key, factor });
  });
});
