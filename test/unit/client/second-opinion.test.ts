/** A node does not sign its refusals (protocol.md §2), so the client asks a second node before it believes a refusal. */
import { describe, expect, test } from '@jest/globals';
import type { ErrorCode } from '../../../src/domain/errors.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { AttemptError, KmsClientError } from '../../../src/client/errors.ts';
import { FailOver } from '../../../src/client/fail-over.ts';
import type { KmsRequest } from '../../../src/client/node-exchange.ts';
import { NodeList, type KmsNode } from '../../../src/client/node-list.ts';
import type { CallOptions } from '../../../src/client/options.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/members.ts';

const KEY = 'aa' as TeePubkey;
const REQUEST = {} as KmsRequest<string>;
const refused = (status: number, code: ErrorCode): KmsClientError =>
  new KmsClientError('refused', `the node refused the request: ${status} ${code}`, { status, serverCode: code });

const NOT_FOUND = refused(404, 'not_found');
const FORBIDDEN = refused(403, 'forbidden');
const UNAUTHORIZED = refused(403, 'unauthorized');
const BAD_REQUEST = refused(400, 'bad_request');
const TOO_LARGE = refused(413, 'payload_too_large');
const UNREADY = new AttemptError('unready', { status: 503, retryAfterMs: 60_000 });
const LYING = new AttemptError('bad_answer_signature', { status: 200 });
/** How a node behaves: a string is its answer, an error makes the exchange fail, and `hangs` means that it never answers. */
type Behaviour = string | Error;
const HANGS = 'hangs';

function start(...behaviours: readonly Behaviour[]) {
  const clock = new ManualClock();
  const members = behaviours.map((_, at) => memberOf(`0x${String(at).repeat(40)}` as Wallet, KEY, `https://node-${at}.test`));
  const asked: number[] = [];
  const placeOf = (node: KmsNode): number => members.findIndex(({ wallet }) => wallet === node.wallet);
  const exchange = {
    request: async <Answer>(node: KmsNode, _: KmsRequest<Answer>, signal: AbortSignal): Promise<Answer> => {
      const place = placeOf(node);
      asked.push(place);
      const behaviour = behaviours[place]!;
      if (behaviour === HANGS) await new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      if (behaviour instanceof Error) throw behaviour;
      return behaviour as Answer;
    },
  };
  const nodes = new NodeList({ ttlMs: 60_000 }, { clock, source: { readMembership: async () => ({ members }) }, closing: new AbortController().signal });
  const failOver = new FailOver({ timeoutMs: 30_000, maxAttempts: 16 }, { clock, random: { bytes: () => new Uint8Array(), unit: () => 0 }, nodes, exchange });
  const call = (options: CallOptions = {}) =>
    failOver.call(REQUEST, options).then(
      ({ answer }) => ({ answer }),
      (error: unknown) => {
        expect(error).toBeInstanceOf(KmsClientError);
        const { code, status, serverCode, attempts } = error as KmsClientError;
        return { code, status, serverCode, failures: attempts.map(({ failure }) => failure) };
      },
    );
  return { clock, asked, call };
}

describe('when a node refuses and the next node answers,', () => {
  test.each([NOT_FOUND, FORBIDDEN, UNAUTHORIZED, BAD_REQUEST, TOO_LARGE].map((error) => [error.serverCode, error] as const))('the call returns the answer from the next node (the refusal was %s)', async (_, error) => {
    const { call, asked } = start(error, 'the answer');
    expect(await call()).toEqual({ answer: 'the answer' });
    expect(asked).toEqual([0, 1]);
  });

  test('the node that refused is asked last for a while', async () => {
    const { call, asked } = start('first', FORBIDDEN, 'third');
    await call();
    await call();
    expect(asked).toEqual([0, 1, 2]);
    await call();
    await call();
    await call();
    expect(asked).not.toContain(undefined);
    expect(asked.filter((place) => place === 1)).toEqual([1]);
  });
});

describe('a refusal is final', () => {
  test.each([NOT_FOUND, FORBIDDEN, UNAUTHORIZED, BAD_REQUEST, TOO_LARGE].map((error) => [error.serverCode, error] as const))(
    'when a second node refuses with the same code: %s',
    async (_, error) => {
      const { call, asked } = start(error, error, 'never asked');
      expect(await call()).toEqual({ code: 'refused', status: error.status, serverCode: error.serverCode, failures: ['refused'] });
      expect(asked).toEqual([0, 1]);
    },
  );

  test('when a third node repeats the code of one of two different refusals', async () => {
    const { call, asked } = start(BAD_REQUEST, FORBIDDEN, FORBIDDEN, 'never asked');
    expect(await call()).toMatchObject({ code: 'refused', serverCode: 'forbidden', failures: ['refused', 'refused'] });
    expect(asked).toEqual([0, 1, 2]);
  });

  test.each<[string, Behaviour, readonly string[]]>([
    ['there is no other node', NOT_FOUND, ['refused']],
    ['the other nodes are not ready, and the client does not wait for them', UNREADY, ['refused', 'unready']],
    ['the answers from the other nodes have wrong signatures', LYING, ['refused', 'bad_answer_signature']],
  ])('when %s', async (_, other, failures) => {
    const { call, asked } = other === NOT_FOUND ? start(NOT_FOUND) : start(NOT_FOUND, other);
    expect(await call()).toEqual({ code: 'refused', status: 404, serverCode: 'not_found', failures });
    expect(asked).toHaveLength(failures.length);
  });

  test('when the timeout of the call is reached before a second node has answered', async () => {
    const { clock, call } = start(FORBIDDEN, HANGS);
    const ended = call();
    await clock.advance(30_000);
    expect(await ended).toMatchObject({ code: 'refused', serverCode: 'forbidden' });
  });

  test('immediately when the caller specified the node', async () => {
    const { call, asked } = start('never asked', FORBIDDEN);
    expect(await call({ node: 'https://node-1.test' })).toMatchObject({ code: 'refused', serverCode: 'forbidden' });
    expect(asked).toEqual([1]);
  });

  test.each<[ErrorCode, number]>([
    ['not_replicated', 504],
    ['insufficient_storage', 507],
  ])('immediately when its code is %s: the write is not sent to a second node', async (code, status) => {
    const { call, asked } = start(refused(status, code), 'never asked');
    expect(await call()).toMatchObject({ code: 'refused', status, serverCode: code });
    expect(asked).toEqual([0]);
  });
});
