/** When `/readyz` reports that the enclave API is failing: which calls count as failures, and how many failures in a row are needed. */
import { describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { EnclaveWatch } from '../../../src/node/enclave-watch.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const DOWN = new DependencyError('enclave', 'unreachable', 'the enclave API cannot be reached');
const REFUSED = new DependencyError('enclave', 'refused', 'the enclave API answered 400');
const CALLED_OFF = new DependencyError('enclave', 'aborted', 'the caller no longer waits for the call');

type Call = 'answers' | DependencyError | readonly [DependencyError, Error];

async function after(calls: readonly Call[]): Promise<string | null> {
  let next: Error | null = null;
  const sign = async (): Promise<string> => {
    if (next !== null) throw next;
    return '0x';
  };
  const watch = new EnclaveWatch({ clock: new ManualClock(), enclave: { sign, address: async () => `0x${'0a'.repeat(20)}` as Wallet } as unknown as Enclave });
  for (const call of calls) {
    const [error, why] = call === 'answers' ? [null, null] : call instanceof DependencyError ? [call, null] : call;
    next = error;
    const signal = why === null ? undefined : AbortSignal.abort(why);
    const outcome = await watch.sign('a message', signal).catch((thrown: unknown) => thrown);
    expect(outcome).toBe(error ?? '0x');
  }
  return watch.figures().failing;
}

const TOO_SLOW: Call = [CALLED_OFF, new DeadlineError('the enclave API', 3_000)];
const NOT_WANTED: Call = [CALLED_OFF, new Error('the node stops')];

describe('the enclave API', () => {
  test.each<readonly [string, readonly Call[], string | null]>([
    ['is failing before its first answer', [], 'the enclave API has not answered a call yet'],
    ['is failing before its first answer, and the reason is the error of the last call', [DOWN], DOWN.message],
    ['is not failing after its first answer', ['answers'], null],
    ['is not failing after an answer that follows failures', [DOWN, DOWN, DOWN, 'answers'], null],
    ['is not failing after two failed calls in a row', ['answers', DOWN, DOWN], null],
    ['is failing after three failed calls in a row', ['answers', DOWN, DOWN, DOWN], DOWN.message],
    ['is not failing when one of the calls was refused, because a refusal is an answer', ['answers', DOWN, DOWN, REFUSED, DOWN], null],
    ['is failing after three calls in a row that took too long', ['answers', TOO_SLOW, TOO_SLOW, TOO_SLOW], 'the enclave API took longer than 3000 ms'],
    ['is not failing after calls that the node itself aborted', ['answers', NOT_WANTED, NOT_WANTED, NOT_WANTED], null],
  ])('%s', async (_, calls, failing) => {
    expect(await after(calls)).toBe(failing);
  });
});
