/** Early ticks (protocol.md §10): when the next node_tick begins after a tick whose verdict was not `node.prepared`. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { REASONS } from '../../../src/domain/reasons.ts';
import { earlyTickDelayMs, nextBackoff, NO_BACKOFF, type TickEnding } from '../../../src/machines/early-tick.ts';

const BEAT_MS = 60_000;

describe('an early tick', () => {
  test.each([
    [0, 1_000],
    [1, 2_000],
    [2, 4_000],
    [5, 32_000],
    [6, 60_000],
    [1_000, 60_000],
  ])('begins after a delay that grows with the number of attempts without progress: attempts %i, delay %i ms', (attempt, delayMs) => {
    expect(earlyTickDelayMs({ attempt }, BEAT_MS, 0)).toBe(delayMs);
  });

  test('always begins after a delay of at least 1 s and at most one regular interval', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, unit) => {
        const delayMs = earlyTickDelayMs({ attempt }, BEAT_MS, unit);
        expect(delayMs).toBeGreaterThanOrEqual(1_000);
        expect(delayMs).toBeLessThanOrEqual(BEAT_MS);
      }),
    );
  });

});

const RANK = { ineligible: 0, bootstrapping: 1, syncing: 2 };
const waiting = (progress = ''): TickEnding => ({ text: REASONS.awaitingHash, progress, rank: RANK.bootstrapping });
const unreadable: TickEnding = { text: REASONS.cannotReadHash, progress: '', rank: RANK.bootstrapping };
const lost: TickEnding = { text: REASONS.peerCacheRefreshFailed, progress: '', rank: RANK.ineligible };
const refused: TickEnding = { text: REASONS.failedToSetHash, progress: '', rank: RANK.bootstrapping };

function attemptsOf(...endings: readonly TickEnding[]): readonly number[] {
  let backoff = NO_BACKOFF;
  return endings.map((ending) => (backoff = nextBackoff(backoff, ending)).attempt);
}

describe('the backoff', () => {
  test.each<[string, readonly TickEnding[], readonly number[]]>([
    ['grows while the ticks end with the same reason', [waiting(), waiting(), waiting()], [0, 1, 2]],
    ['starts again when the head has moved', [waiting('head 7'), waiting('head 7'), waiting('head 7'), waiting('head 8')], [0, 1, 2, 0]],
    ['starts again when a new transaction was sent', [waiting('0x1'), waiting('0x1'), waiting('0x2')], [0, 1, 0]],
    ['starts again when the node reaches a better state', [lost, lost, lost, waiting()], [0, 1, 2, 0]],
    ['is halved when the reason is new', [waiting(), waiting(), waiting(), waiting(), waiting(), unreadable], [0, 1, 2, 3, 4, 2]],
    ['keeps growing when two reasons alternate', [waiting(), unreadable, waiting(), unreadable, waiting(), unreadable], [0, 0, 1, 2, 3, 4]],
    ['keeps growing when two states alternate', [lost, waiting(), lost, waiting(), lost, waiting(), lost], [0, 0, 0, 1, 2, 3, 4]],
    ['keeps growing when the head is still the same after other failures', [waiting('head 7'), lost, waiting('head 7'), lost, waiting('head 7')], [0, 0, 1, 2, 3]],
    ['keeps growing when only the reasons change, even if there are many', [waiting(), unreadable, refused, waiting(), unreadable, refused], [0, 0, 0, 1, 2, 3]],
  ])('%s', (_, endings, attempts) => {
    expect(attemptsOf(...endings)).toEqual(attempts);
  });
});
