/** Nonces (protocol.md §3): issued by this node, valid once, and stored only after use. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NonceBook } from '../../../src/auth/nonce-book.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

function openBook(ttlSeconds = 120, seed = 'nonces') {
  const clock = new ManualClock();
  return { clock, book: new NonceBook({ ttlSeconds }, { clock, random: new SeededRandom(seed) }) };
}

describe('a nonce', () => {
  test('is base64 of 16 bytes and never repeats', () => {
    const { book } = openBook();
    const nonces = Array.from({ length: 3_000 }, () => book.issue());
    expect(new Set(nonces).size).toBe(3_000);
    for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9+/]{21}[AQgw]==$/);
  });

  test('is valid once', () => {
    const { book } = openBook();
    const nonce = book.issue();
    expect([book.consume(nonce), book.consume(nonce)]).toEqual(['ok', 'unknown']);
  });

  test.each(['', 'AAAAAAAAAAAAAAAAAAAAAA==', '__proto__', 'A'.repeat(10_000)])('that this node did not issue is unknown: %#', (nonce) => {
    expect(openBook().book.consume(nonce)).toBe('unknown');
  });

  test('that another process issued is unknown', () => {
    expect(openBook().book.consume(openBook(120, 'another process').book.issue())).toBe('unknown');
  });

  test('with a changed bit is unknown, and the original stays valid', () => {
    const { book } = openBook();
    const nonce = book.issue();
    const bytes = Buffer.from(nonce, 'base64');
    for (let bit = 0; bit < 128; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(book.consume(changed.toString('base64'))).toBe('unknown');
    }
    expect(book.consume(nonce)).toBe('ok');
  });

  test.each<[string, (nonce: string) => string]>([
    ['without its padding', (nonce) => nonce.replace(/==$/, '')],
    ['with different unused bits after its last byte', (nonce) => `${nonce.slice(0, 21)}${String.fromCharCode(nonce.charCodeAt(21) + 1)}==`],
    ['with a trailing space', (nonce) => `${nonce} `],
    ['in URL-safe base64', (nonce) => nonce.replaceAll('+', '-').replaceAll('/', '_').slice(0, -2)],
  ])('%s is a different string, so it is unknown', (_, change) => {
    const { book } = openBook();
    const nonce = book.issue();
    expect(book.consume(change(nonce))).toBe('unknown');
    expect(book.consume(nonce)).toBe('ok');
  });

  test.each([
    [0, 'ok'],
    [120_000, 'ok'],
    [121_000, 'expired'],
    [10_000_000, 'expired'],
  ])('that is %i ms old is %s when it is first used, and is not accepted a second time', async (ageMs, expected) => {
    const { book, clock } = openBook();
    const nonce = book.issue();
    await clock.advance(ageMs);
    expect(book.consume(nonce)).toBe(expected);
    expect(book.consume(nonce)).not.toBe('ok');
  });

  test('that was added with a given time of issue is valid once, until it expires', async () => {
    const { book, clock } = openBook();
    const now = Math.floor(clock.nowMs() / 1_000);
    book.note('one', now - 60);
    book.note('two', now - 60);
    expect([book.consume('one'), book.consume('one')]).toEqual(['ok', 'unknown']);
    await clock.advance(61_000);
    expect(book.consume('two')).toBe('expired');
  });
});

describe('a node, when a caller requests many nonces,', () => {
  test('needs no memory for unused nonces, and earlier nonces stay valid', () => {
    const { book } = openBook();
    const first = book.issue();
    for (let count = 0; count < 100_000; count += 1) book.issue();
    expect(book.used).toBe(0);
    expect(book.consume(first)).toBe('ok');
  });

  test('remembers each used nonce until its expiry, and no longer', async () => {
    const { book, clock } = openBook();
    const used = Array.from({ length: 5_000 }, () => book.issue());
    for (const nonce of used) book.consume(nonce);
    expect(book.used).toBe(5_000);
    await clock.advance(120_000);
    book.consume(book.issue());
    expect(used.filter((nonce) => book.consume(nonce) === 'ok')).toEqual([]);
    expect(book.used).toBe(5_001);
    await clock.advance(200_000);
    book.consume(book.issue());
    expect(book.used).toBe(1);
  });
});

test('a change of the wall clock does not make a used nonce valid again', () => {
  let nowMs = 1_790_000_000_000;
  const book = new NonceBook({ ttlSeconds: 120 }, { clock: { nowMs: () => nowMs, monotonicMs: () => 5_000 }, random: new SeededRandom('set') });
  const nonce = book.issue();
  expect(book.consume(nonce)).toBe('ok');
  for (const jumpMs of [-86_400_000, 86_400_000]) {
    nowMs += jumpMs;
    expect(book.consume(nonce)).toBe('unknown');
  }
});

test('in any sequence of steps, a nonce is never accepted if it was used before, was not issued or has expired', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('issue' as const) }),
    fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(200) }),
    fc.record({ kind: fc.constant('consume' as const), which: fc.nat(30) }),
    fc.record({ kind: fc.constant('guess' as const), text: fc.base64String({ maxLength: 24 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let monotonicMs = 77_000;
      const book = new NonceBook({ ttlSeconds: 120 }, { clock: { nowMs: () => 0, monotonicMs: () => monotonicMs }, random: new SeededRandom('law') });
      const issued: { readonly nonce: string; readonly atMs: number }[] = [];
      const accepted: string[] = [];
      for (const action of steps) {
        if (action.kind === 'issue') issued.push({ nonce: book.issue(), atMs: monotonicMs });
        if (action.kind === 'wait') monotonicMs += action.seconds * 1_000;
        const known = action.kind === 'consume' ? issued[action.which] : undefined;
        const nonce = known?.nonce ?? (action.kind === 'guess' ? action.text : undefined);
        if (nonce === undefined || book.consume(nonce) !== 'ok') continue;
        accepted.push(nonce);
        expect(monotonicMs - known!.atMs).toBeLessThanOrEqual(120_000);
      }
      expect(new Set(accepted).size).toBe(accepted.length);
    }),
  );
});
