/** The gate and the error table (protocol.md §2): how an unready node answers, and how each failure is reported to the caller. */
import { describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { DependencyError, InvariantError, RefusalError, type ErrorCode } from '../../../src/domain/errors.ts';
import type { ReadinessState, ReadinessView } from '../../../src/domain/readiness.ts';
import { REASONS, reason, type Reason } from '../../../src/domain/reasons.ts';
import { errorAnswer } from '../../../src/http/error-table.ts';
import { assertReady, assertSecretConfirmed } from '../../../src/http/gate.ts';
import { READY } from '../../support/node-over-http.ts';

const WAITING: Reason = reason(REASONS.hashNotDeepEnough, 'claimed here');

describe('the gate', () => {
  const states: ReadinessState[] = ['ineligible', 'bootstrapping', 'syncing-secret', 'ready'];

  test.each(
    states.flatMap((state) =>
      [true, false].map((secretConfirmed): [ReadinessState, boolean, { readonly kms: boolean; readonly sync: boolean }] => [
        state,
        secretConfirmed,
        { kms: state === 'ready', sync: secretConfirmed },
      ]),
    ),
  )('in the state %s (secret confirmed: %s) admits requests as follows: %j', (state, secretConfirmed, open) => {
    const view: ReadinessView = { ...READY, state, secretConfirmed, reason: state === 'ready' ? null : WAITING };
    for (const [isOpen, enter] of [[open.kms, assertReady], [open.sync, assertSecretConfirmed]] as const) {
      if (isOpen) expect(() => enter(view)).not.toThrow();
      else expect(() => enter(view)).toThrow(expect.objectContaining({ code: 'service_unavailable' }));
    }
  });

  test.each<[string, number, number | null]>([
    ['the next node_tick is due in 30 s', 30, 30_000],
    ['the next node_tick is due in 1 ms', 1, 1],
    ['the next node_tick is due now', 0, 0],
    ['a node_tick is running', 1, null],
  ])('refuses with the reason; when %s, the Retry-After is %i s', (_, retryAfterSeconds, nextTickInMs) => {
    const view: ReadinessView = { ...READY, state: 'bootstrapping', reason: WAITING, nextTickInMs };
    expect(() => assertReady(view)).toThrow(
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
  ])('answers %s with %i (with Retry-After: %s)', (code, status, retries) => {
    expect(errorAnswer(new RefusalError(code, 'why'))).toEqual({ status, retryAfterSeconds: retries ? 1 : null, body: { code, message: 'why' } });
  });

  test.each<[number, number]>([
    [0, 1],
    [0.2, 1],
    [2.1, 3],
    [60, 60],
  ])('rounds a wait of %d s up to whole seconds, at least one: %i', (seconds, retryAfterSeconds) => {
    expect(errorAnswer(new RefusalError('rate_limited', 'why', seconds))).toMatchObject({ retryAfterSeconds });
  });

  test.each<[string, Error, number, string]>([
    ['a failure of the chain', new DependencyError('chain', 'timeout', 'the chain RPC at a.test:443 answered 401'), 5, 'the app registry cannot be read: the chain RPC at a.test:443 answered 401'],
    ['a failure of the enclave API', new DependencyError('enclave', 'malformed', 'it failed'), 2, 'it failed'],
    ['a failure of a peer', new DependencyError('peer', 'unreachable', 'it failed'), 2, 'it failed'],
    ['a timeout', new DeadlineError('the chain read', 5_000), 1, 'the chain read took longer than 5000 ms'],
  ])('answers %s with 503 and a message that this node has written', (_, thrown, retryAfterSeconds, message) => {
    expect(errorAnswer(thrown)).toEqual({ status: 503, retryAfterSeconds, body: { code: 'service_unavailable', message } });
  });

  test.each<[string, unknown]>([
    ['an unexpected error', new TypeError('cannot read key deadbeef of /srv/app.ts')],
    ['a broken invariant', new InvariantError('secret deadbeef')],
    ['a thrown string', 'deadbeef'],
    ['a thrown undefined', undefined],
  ])('reveals only "internal error" about %s', (_, thrown) => {
    expect(errorAnswer(thrown)).toEqual({ status: 500, retryAfterSeconds: null, body: { code: 'internal_error', message: 'internal error' } });
  });
});
