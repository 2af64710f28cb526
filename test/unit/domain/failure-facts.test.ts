/** The parts of an error that may be logged (docs/decisions/0021): this project's messages, codes and source lines, but no other text. */
import { describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { DependencyError, InvariantError, RefusalError } from '../../../src/domain/errors.ts';
import { causeCode, describeFailure, failureFacts, failureLogFacts } from '../../../src/domain/failure-facts.ts';

const SECRET = 'c0ffee'.repeat(8);

const coded = (code: string, cause?: Error): Error => Object.assign(new Error(SECRET, { cause }), { code });

describe('an expected failure', () => {
  test.each<[string, Error, object]>([
    ['of a dependency', new DependencyError('chain', 'refused', 'the chain RPC at rpc.test:443 answered 401', { status: 401, call: 'eth_call', endpoint: 'rpc.test:443' }), { code: 'chain_refused', why: 'the chain RPC at rpc.test:443 answered 401', call: 'eth_call', endpoint: 'rpc.test:443', cause: 'HTTP 401' }],
    ['of a connection', new DependencyError('peer', 'unreachable', 'why', { cause: coded('UND_ERR_SOCKET', coded('ECONNRESET')) }), { code: 'peer_unreachable', why: 'why', cause: 'ECONNRESET' }],
    ['that is a refusal', new RefusalError('forbidden', 'not you'), { code: 'forbidden', why: 'not you' }],
    ['that was caused by a dependency', new RefusalError('service_unavailable', 'not now', 1, { cause: new DependencyError('chain', 'timeout', 'slow', { call: 'eth_call', endpoint: 'a:1' }) }), { code: 'service_unavailable', why: 'not now', call: 'eth_call', endpoint: 'a:1' }],
    ['that is a timeout', new DeadlineError('the call', 5), { code: 'deadline_passed', why: 'the call took longer than 5 ms' }],
  ])('%s is logged with its message, its call and the code of its cause, without a stack', (_, error, told) => {
    expect(failureLogFacts(failureFacts(error))).toEqual(told);
    expect(JSON.stringify(failureFacts(error))).not.toContain(SECRET);
  });
});

describe('a broken assumption', () => {
  function readField(): never {
    throw new TypeError(`cannot read ${SECRET}`);
  }

  test('is logged with the class of its error and the source line that threw it, but without the message of the error', () => {
    const error = thrownBy(readField);
    const facts = failureFacts(error);
    expect(facts).toMatchObject({ code: 'TypeError', isExpected: false, why: null });
    expect(facts.frames[0]).toMatch(/^\w+ test\/unit\/domain\/failure-facts\.test\.ts:\d+$/);
    expect((error as Error).stack).toContain(SECRET);
    expect(JSON.stringify(facts)).not.toContain(SECRET);
    expect(describeFailure(error)).toBe('unexpected failure (TypeError)');
  });

  test('whose message looks like stack frames is logged without any line of that message', () => {
    const error = new TypeError(`x\n    at ${SECRET} (/srv/src/vault.ts:1:1)\n    at again (/srv/src/vault.ts:2:2)`);
    const { frames } = failureFacts(error);
    expect(frames.length).toBeGreaterThan(0);
    expect(JSON.stringify(frames)).not.toMatch(/c0ffee|again/);
  });

  test('whose message was changed after the throw is logged without frames, because the stack still starts with the old message', () => {
    const error = new TypeError(`${SECRET}\n    at ${SECRET} (/srv/src/vault.ts:1:1)`);
    // The stack is created when it is first read, so it contains the old message.
    expect(error.stack).toContain(SECRET);
    for (const message of ['another', '']) expect(failureFacts(Object.assign(error, { message })).frames).toEqual([]);
  });

  test('that is an InvariantError is logged with its message and its frames', () => {
    expect(failureFacts(new InvariantError('two secrets serve'))).toMatchObject({ code: 'InvariantError', isExpected: false, why: 'two secrets serve' });
    expect(failureFacts(new InvariantError('two secrets serve')).frames).not.toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['a string', SECRET, 'thrown string'],
    ['undefined', undefined, 'thrown undefined'],
    ['an object', { toString: () => SECRET }, 'thrown object'],
    ['an error whose name is not an identifier', Object.assign(new Error(SECRET), { name: `E ${SECRET}` }), 'Error'],
  ])('that was thrown as %s is logged with its kind, but without its content', (_, thrown, code) => {
    expect(failureFacts(thrown).code).toBe(code);
    expect(JSON.stringify(failureFacts(thrown))).not.toContain(SECRET);
  });
});

describe('the code of a cause', () => {
  test.each<[string, unknown, string | null]>([
    ['is the code of the innermost cause', new Error('fetch failed', { cause: coded('UND_ERR_SOCKET', coded('ENOTFOUND')) }), 'ENOTFOUND'],
    ['is found inside an AggregateError (from several attempts to connect)', new AggregateError([coded('ECONNREFUSED')]), 'ECONNREFUSED'],
    ['is null when it does not look like a code', coded(SECRET), null],
    ['is null when the cause is not an error', { code: 'ENOTFOUND' }, null],
  ])('%s', (_, error, code) => {
    expect(causeCode(error)).toBe(code);
  });

  test('is found even if the causes form a circle', () => {
    const error = coded('EPIPE');
    error.cause = error;
    expect(causeCode(error)).toBe('EPIPE');
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
