/** The message about a failed dependency says what failed and at which endpoint, without words that callers misread (protocol.md §10). */
import { describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { malformedAnswer, noAnswer, statusFailure, tooLargeAnswer, type DependencyCall } from '../../../src/domain/dependency-failures.ts';
import { endpointOf } from '../../../src/domain/endpoint.ts';
import type { DependencyError } from '../../../src/domain/errors.ts';

const CALL: DependencyCall = { dependency: 'chain', endpoint: 'rpc.example:443', call: 'eth_call', setting: 'NODE_URL' };
/** Callers search the body of an error for these words, in upper or lower case. */
const STUMBLED_ON = /timeout|timed out|connection refused|connection reset|broken pipe|dns error|not found/i;

const coded = (code: string): Error => new TypeError('fetch failed', { cause: Object.assign(new Error('foreign'), { code }) });

const SAID: readonly [string, DependencyError, string, string][] = [
  ['401', statusFailure(CALL, 401), 'refused', 'the chain RPC at rpc.example:443 answered 401'],
  ['500', statusFailure({ ...CALL, dependency: 'enclave', endpoint: '127.0.0.1:18000' }, 500), 'unreachable', 'the enclave API at 127.0.0.1:18000 answered 500'],
  [
    'a redirect',
    statusFailure(CALL, 308, 'https://user:pass@other.example/v2/key?token=1'),
    'refused',
    'the chain RPC at rpc.example:443 answered 308, a redirect to other.example:443: NODE_URL must be the address that the redirect leads to',
  ],
  ['a redirect to an invalid address', statusFailure({ dependency: 'peer', endpoint: 'rpc.example:443', call: 'GET' }, 302, '::'), 'refused', 'the peer at rpc.example:443 answered 302, a redirect'],
  ['no answer', noAnswer(CALL, new DeadlineError('it', 5_000), false), 'timeout', 'the chain RPC at rpc.example:443 gave no answer in 5 s'],
  ['an aborted call', noAnswer(CALL, new Error('foreign'), true), 'aborted', 'the chain RPC at rpc.example:443 had not answered when the call was cancelled'],
  ['an unknown host name', noAnswer(CALL, coded('ENOTFOUND'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached: its name is not known (ENOTFOUND)'],
  ['a closed port', noAnswer(CALL, coded('ECONNREFUSED'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached: nothing listens there (ECONNREFUSED)'],
  ['a cut connection', noAnswer(CALL, coded('ECONNRESET'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached: it closed the connection (ECONNRESET)'],
  ['a broken pipe', noAnswer(CALL, coded('EPIPE'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached: it closed the connection (EPIPE)'],
  ['a connection that hangs', noAnswer(CALL, coded('ETIMEDOUT'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached: it does not accept the connection (ETIMEDOUT)'],
  [
    'a certificate for a different name',
    noAnswer(CALL, coded('ERR_TLS_CERT_ALTNAME_INVALID'), false),
    'unreachable',
    'the chain RPC at rpc.example:443 cannot be reached: its certificate is for a different name (ERR_TLS_CERT_ALTNAME_INVALID)',
  ],
  ['an unknown code', noAnswer(CALL, coded('EHOSTDOWN'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached (EHOSTDOWN)'],
  ['an error without a code', noAnswer(CALL, new Error('foreign'), false), 'unreachable', 'the chain RPC at rpc.example:443 cannot be reached'],
  ['a malformed answer', malformedAnswer(CALL, 'gave an answer that is not JSON'), 'malformed', 'the chain RPC at rpc.example:443 gave an answer that is not JSON'],
  ['an answer that is too large', tooLargeAnswer(CALL, 1_024), 'too_large', 'the chain RPC at rpc.example:443 gave an answer of more than 1024 bytes'],
];

test.each(SAID)('the message for %s contains the endpoint, but none of the words that callers search for', (_, error, failure, message) => {
  expect({ failure: error.failure, message: error.message }).toEqual({ failure, message });
  expect(error.message).not.toMatch(STUMBLED_ON);
});

test('an error that already has such a message is returned unchanged', () => {
  const error = statusFailure(CALL, 401);
  expect(noAnswer(CALL, error, true)).toBe(error);
});

describe('the endpoint', () => {
  test.each<[string, string]>([
    ['https://user:pass@rpc.example/v2/KEY?token=1#x', 'rpc.example:443'],
    ['http://rpc.example', 'rpc.example:80'],
    ['http://127.0.0.1:8545/', '127.0.0.1:8545'],
    ['https://[2001:db8::1]:444/a', '[2001:db8::1]:444'],
    ['no url', 'an address that is not valid'],
  ])('of "%s" is "%s"', (url, endpoint) => {
    expect(endpointOf(url)).toBe(endpoint);
  });
});
