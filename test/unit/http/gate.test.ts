/** The gate and the error table (protocol.md §2): what an unready node says, and what every failure looks like on the wire. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError, InvariantError, RefusalError, type ErrorCode } from '../../../src/domain/errors.ts';
import type { ReadinessState, ReadinessView } from '../../../src/domain/readiness.ts';
import { REASONS, reason, type Reason } from '../../../src/domain/reasons.ts';
import { replyForError } from '../../../src/http/error-table.ts';
import { assertOpen, type Gate } from '../../../src/http/gate.ts';
import { READY } from '../../support/node-over-http.ts';

const WAITING: Reason = reason(REASONS.hashNotDeepEnough, 'claimed here');

describe('the gate', () => {
  const states: ReadinessState[] = ['ineligible', 'bootstrapping', 'syncing-secret', 'ready'];

  test.each(
    states.flatMap((state) =>
      [true, false].map((secretConfirmed): [ReadinessState, boolean, Record<Gate, boolean>] => [
        state,
        secretConfirmed,
        { none: true, ready: state === 'ready', 'secret confirmed': secretConfirmed },
      ]),
    ),
  )('in %s with a confirmed secret %s is open for %j', (state, secretConfirmed, open) => {
    const view: ReadinessView = { ...READY, state, secretConfirmed, reason: state === 'ready' ? null : WAITING };
    for (const [gate, isOpen] of Object.entries(open) as [Gate, boolean][]) {
      const enter = (): void => assertOpen(gate, view);
      if (isOpen) expect(enter).not.toThrow();
      else expect(enter).toThrow(expect.objectContaining({ code: 'service_unavailable' }));
    }
  });

  test.each<[number | null, number]>([
    [30_000, 30],
    [1, 1],
    [0, 0],
    [null, 1],
  ])('says why, and with %s ms to the next node_tick, when to come back: %i s', (nextTickInMs, retryAfterSeconds) => {
    const view: ReadinessView = { ...READY, state: 'bootstrapping', reason: WAITING, nextTickInMs };
    expect(() => assertOpen('ready', view)).toThrow(
      expect.objectContaining({ message: 'master secret hash not deep enough: claimed here', retryAfterSeconds }),
    );
  });
});

describe('the error table', () => {
  test.each<[ErrorCode, number, boolean]>([
    ['bad_request', 400, false],
    ['unauthorized', 403, false],
    ['forbidden', 403, false],
    ['not_found', 404, false],
    ['method_not_allowed', 405, false],
    ['payload_too_large', 413, false],
    ['rate_limited', 429, true],
    ['internal_error', 500, false],
    ['service_unavailable', 503, true],
    ['not_replicated', 504, false],
    ['insufficient_storage', 507, false],
  ])('answers %s with %i, Retry-After: %s', (code, status, retries) => {
    expect(replyForError(new RefusalError(code, 'why'))).toEqual({
      status,
      headers: retries ? { 'retry-after': '1' } : {},
      body: { code, message: 'why' },
    });
  });

  test.each<[number, string]>([
    [0, '1'],
    [0.2, '1'],
    [2.1, '3'],
    [60, '60'],
  ])('writes %d s to wait as whole seconds, at least one: %s', (seconds, header) => {
    expect(replyForError(new RefusalError('rate_limited', 'why', seconds)).headers).toEqual({ 'retry-after': header });
  });

  test.each<[string, unknown]>([
    ['an error nobody foresaw', new TypeError('cannot read key deadbeef of /srv/app.ts')],
    ['a broken invariant', new InvariantError('secret deadbeef')],
    ['a dependency', new DependencyError('enclave', 'malformed', 'deadbeef')],
    ['a text', 'deadbeef'],
    ['nothing', undefined],
  ])('says no more than internal error about %s', (_, thrown) => {
    expect(replyForError(thrown)).toEqual({ status: 500, headers: {}, body: { code: 'internal_error', message: 'internal error' } });
  });
});
