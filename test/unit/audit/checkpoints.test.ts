/** When a node signs a checkpoint, which covers all earlier entries of its audit log (docs/audit.md). No request waits for a checkpoint. */
import { describe, expect, test } from '@jest/globals';
import { CHECKPOINT_ENTRIES, CHECKPOINT_MS, planCheckpoint, type CheckpointPlan, type CheckpointState } from '../../../src/audit/checkpoint-plan.ts';
import { Checkpoints } from '../../../src/audit/checkpoints.ts';
import { AUDIT_LIMITS, AuditTrail } from '../../../src/audit/trail.ts';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { derived, readAll, verify } from './audit-of.ts';

describe('the plan for the next checkpoint', () => {
  const IDLE: CheckpointState = { unsigned: 0, isSigning: false, failures: 0, unit: 0 };
  test.each<[string, Partial<CheckpointState>, CheckpointPlan]>([
    ['to do nothing when all entries are signed', {}, { kind: 'nothing' }],
    ['to sign a minute after the first unsigned entry', { unsigned: 1 }, { kind: 'in', delayMs: CHECKPOINT_MS }],
    ['to sign immediately when a thousand entries are unsigned', { unsigned: CHECKPOINT_ENTRIES }, { kind: 'now' }],
    ['to do nothing while the enclave is signing', { unsigned: CHECKPOINT_ENTRIES, isSigning: true }, { kind: 'nothing' }],
    ['to try again a second after a failure', { unsigned: 1, failures: 1 }, { kind: 'in', delayMs: 1_000 }],
    ['to wait longer after more failures, regardless of the number of unsigned entries', { unsigned: 5_000, failures: 3 }, { kind: 'in', delayMs: 4_000 }],
    ['to wait at most one minute plus jitter', { unsigned: 1, failures: 99, unit: 1 }, { kind: 'in', delayMs: 75_000 }],
  ])('is %s', (_, state, plan) => {
    expect(planCheckpoint({ ...IDLE, ...state })).toEqual(plan);
  });
});

function start(signing: (real: Enclave) => Enclave['sign'] = (real) => (message) => real.sign(message)) {
  const clock = new ManualClock();
  const random = new SeededRandom('checkpoints');
  const real = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random, clock });
  const state = { wallet: real.emulated.wallet as typeof real.emulated.wallet | null, failures: [] as unknown[] };
  const trail = new AuditTrail(AUDIT_LIMITS, { clock, random, tagOf: () => null, onUnsigned: () => checkpoints.noteUnsigned() });
  const checkpoints = new Checkpoints({ clock, random, enclave: { sign: signing(real) }, wallet: () => state.wallet, trail, onFailure: (error) => state.failures.push(error) });
  const signed = (): unknown[] => readAll(trail).filter(({ op }) => op === 'checkpoint').map(({ of }) => of);
  const record = (count: number): void => {
    for (let number = 0; number < count; number += 1) trail.record(derived(number));
  };
  return { clock, real, trail, checkpoints, state, signed, record };
}

test('a checkpoint is made a minute after the first unsigned entry and covers all entries', async () => {
  const { clock, trail, signed, record, state } = start();
  record(3);
  await clock.advance(CHECKPOINT_MS - 1);
  expect(signed()).toEqual([]);
  await clock.advance(1);
  expect(signed()).toEqual([4]);
  expect(verify(readAll(trail), [state.wallet!])).toMatchObject({ unsigned: 0, problems: [] });
  await clock.advance(10 * CHECKPOINT_MS);
  expect(signed()).toEqual([4]);
});

test('a checkpoint is made immediately when a thousand entries are unsigned, but only one checkpoint is signed at a time', async () => {
  const held = Promise.withResolvers<undefined>();
  const { signed, record } = start((real) => async (message) => {
    await held.promise;
    return real.sign(message);
  });
  record(5_000);
  expect(signed()).toEqual([]);
  held.resolve(undefined);
  await settle(4);
  // While the first signature was awaited, enough entries were added for a second checkpoint.
  expect(signed()).toEqual([1_000, 5_002]);
});

test.each<[string, (real: Enclave) => Enclave['sign'], object]>([
  ['an enclave that fails', () => async () => Promise.reject(new DependencyError('enclave', 'unreachable', 'gone')), new DependencyError('enclave', 'unreachable', 'gone')],
  ['an enclave that does not answer', () => () => new Promise(() => undefined), new DeadlineError('the signature of an audit checkpoint', 5_000)],
  ['an enclave that signs with the wrong wallet', () => async () => `0x${'11'.repeat(64)}1b`, new DependencyError('enclave', 'malformed', 'an audit checkpoint was signed by a different wallet')],
])('%s is asked to sign again, with backoff, and no entry is lost', async (_, broken, failure) => {
  let isBroken = true;
  const { clock, state, signed, record, trail } = start((real) => (message, signal) => (isBroken ? broken(real)(message, signal) : real.sign(message, signal)));
  record(1_000);
  await clock.advance(20_000);
  expect(state.failures[0]).toEqual(failure);
  expect(state.failures.length).toBeGreaterThan(1);
  expect(state.failures.length).toBeLessThan(7);
  isBroken = false;
  await clock.advance(CHECKPOINT_MS);
  expect(signed()).toEqual([1_001]);
  expect(verify(readAll(trail)).problems).toEqual([]);
});

test('a node makes no checkpoint before it knows its wallet', async () => {
  const { clock, state, signed, record, real } = start();
  state.wallet = null;
  record(1);
  await clock.advance(CHECKPOINT_MS);
  expect(signed()).toEqual([]);
  state.wallet = real.emulated.wallet;
  await clock.advance(CHECKPOINT_MS);
  expect(signed()).toEqual([2]);
});

describe('the last checkpoint of a node that stops', () => {
  test('covers all entries even if a checkpoint is already being signed, and no checkpoint is made after it', async () => {
    const { clock, checkpoints, signed, record } = start();
    record(1_100);
    expect(await checkpoints.end()).toBe(true);
    expect(signed()).toEqual([1_000, 1_102]);
    record(2_000);
    await clock.advance(CHECKPOINT_MS);
    expect(signed()).toEqual([1_000, 1_102]);
  });

  test('is not made when the enclave fails', async () => {
    const { checkpoints, record } = start(() => async () => Promise.reject(new DependencyError('enclave', 'unreachable', 'gone')));
    record(1);
    expect(await checkpoints.end()).toBe(false);
  });
});
