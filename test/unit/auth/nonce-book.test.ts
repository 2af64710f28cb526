/** Nonces (protocol.md §3, §8): issued here, used up by the first look, bounded in number and in life. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NonceBook } from '../../../src/auth/nonce-book.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

function openBook(maxNonces = 4_096, ttlSeconds = 120) {
  const clock = new ManualClock();
  return { clock, book: new NonceBook({ ttlSeconds, maxNonces }, { clock, random: new SeededRandom('nonces') }) };
}

describe('a nonce', () => {
  test('is base64 of 16 bytes and never the same', () => {
    const { book } = openBook();
    const nonces = Array.from({ length: 100 }, () => book.issue());
    expect(new Set(nonces).size).toBe(100);
    for (const nonce of nonces) expect(Buffer.from(nonce, 'base64')).toHaveLength(16);
    for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9+/]{22}==$/);
  });

  test('is good once', () => {
    const { book } = openBook();
    const nonce = book.issue();
    expect([book.consume(nonce), book.consume(nonce)]).toEqual(['ok', 'unknown']);
  });

  test.each(['', 'AAAAAAAAAAAAAAAAAAAAAA==', '__proto__'])('that was not issued here is not known: %j', (nonce) => {
    expect(openBook().book.consume(nonce)).toBe('unknown');
  });

  test('is compared as text, not as the bytes it means', () => {
    const { book } = openBook();
    const nonce = book.issue();
    expect(book.consume(nonce.replace(/==$/, ''))).toBe('unknown');
    expect(book.consume(nonce)).toBe('ok');
  });

  test.each([
    [0, 'ok'],
    [120_000, 'ok'],
    [121_000, 'expired'],
    [10_000_000, 'expired'],
  ])('%i ms after it was issued is %s, and gone', async (ageMs, expected) => {
    const { book, clock } = openBook();
    const nonce = book.issue();
    await clock.advance(ageMs);
    expect(book.consume(nonce)).toBe(expected);
    expect(book.consume(nonce)).toBe('unknown');
    expect(book.size).toBe(0);
  });

  test('makes the oldest one go when there are too many', () => {
    const { book } = openBook(3);
    const nonces = Array.from({ length: 4 }, () => book.issue());
    expect(book.size).toBe(3);
    expect(nonces.map((nonce) => book.consume(nonce))).toEqual(['unknown', 'ok', 'ok', 'ok']);
  });
});

test('whatever happens, no nonce is accepted twice, none that was not issued, and no more are held than allowed', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('issue' as const) }),
    fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: -30, max: 200 }) }),
    fc.record({ kind: fc.constant('consume' as const), which: fc.nat(30) }),
    fc.record({ kind: fc.constant('guess' as const), text: fc.base64String({ maxLength: 24 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 8 }), (steps, maxNonces) => {
      let nowMs = 1_790_000_000_000;
      const book = new NonceBook({ ttlSeconds: 120, maxNonces }, { clock: { nowMs: () => nowMs }, random: new SeededRandom('law') });
      const issued: string[] = [];
      const accepted: string[] = [];
      for (const action of steps) {
        if (action.kind === 'issue') issued.push(book.issue());
        if (action.kind === 'wait') nowMs += action.seconds * 1_000;
        const nonce = action.kind === 'consume' ? issued[action.which] : action.kind === 'guess' ? action.text : undefined;
        if (nonce !== undefined && book.consume(nonce) === 'ok') accepted.push(nonce);
        expect(book.size).toBeLessThanOrEqual(maxNonces);
      }
      expect(new Set(accepted).size).toBe(accepted.length);
      expect(accepted.filter((nonce) => !issued.includes(nonce))).toEqual([]);
    }),
  );
});
