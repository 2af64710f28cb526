/** Figures about peers (protocol.md §1, step 1): a slow peer does not delay the others, and former members are forgotten. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import type { Member } from '../../../src/domain/membership.ts';
import type { TransportAnswer, TransportRequest } from '../../../src/domain/ports.ts';
import { PeerProbe } from '../../../src/sync/probe.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/members.ts';

const MEMBERS = Array.from({ length: 20 }, (_, number) =>
  memberOf(`0x${number.toString(16).padStart(40, '0')}` as Wallet, '', `https://peer-${number}.test/`),
);
const signal = new AbortController().signal;

function start() {
  const clock = new ManualClock();
  const requests: (TransportRequest & PromiseWithResolvers<TransportAnswer>)[] = [];
  const probe = new PeerProbe({
    clock,
    transport: {
      request: (request) => {
        const pending = Promise.withResolvers<TransportAnswer>();
        requests.push({ ...request, ...pending });
        return pending.promise;
      },
    },
  });
  return { clock, requests, probe };
}

const answer = (status: number): TransportAnswer => ({ status, headers: {}, body: new Uint8Array() });

describe('a probe', () => {
  test.each([200, 503, 404])('of a peer that answers with the status %i notes the status and the duration', async (status) => {
    const { clock, requests, probe } = start();
    const done = probe.probePeers(MEMBERS.slice(0, 1), signal);
    await clock.advance(42);
    requests[0]!.resolve(answer(status));
    await done;
    expect(requests[0]).toMatchObject({ method: 'GET', url: 'https://peer-0.test/status', timeoutMs: 3_000, maxAnswerBytes: 65_536 });
    expect(probe.figuresOf(MEMBERS[0]!.wallet)).toEqual({ reachable: true, httpCode: status, durationMs: 42, checkedAtMs: clock.nowMs() });
  });

  test('of a peer that does not answer notes that the peer is unreachable', async () => {
    const { clock, requests, probe } = start();
    const done = probe.probePeers(MEMBERS.slice(0, 1), signal);
    requests[0]!.reject(new DependencyError('peer', 'timeout', 'the peer took longer than 3000 ms'));
    await done;
    expect(probe.figuresOf(MEMBERS[0]!.wallet)).toEqual({ reachable: false, httpCode: null, durationMs: null, checkedAtMs: clock.nowMs() });
  });

  test('of a peer whose answer is larger than the limit notes that the peer is reachable', async () => {
    const { clock, requests, probe } = start();
    const done = probe.probePeers(MEMBERS.slice(0, 1), signal);
    await clock.advance(7);
    requests[0]!.reject(new DependencyError('peer', 'too_large', 'the answer is longer than 65536 bytes'));
    await done;
    expect(probe.figuresOf(MEMBERS[0]!.wallet)).toEqual({ reachable: true, httpCode: null, durationMs: 7, checkedAtMs: clock.nowMs() });
  });

  test('that is aborted at the end of its round is ignored, and the figures do not change', async () => {
    const { requests, probe } = start();
    const [before, never] = MEMBERS as [Member, Member];
    const first = probe.probePeers([before], signal);
    requests[0]!.resolve(answer(200));
    await first;
    const figures = probe.figuresOf(before.wallet);
    const controller = new AbortController();
    const second = probe.probePeers([before, never], controller.signal);
    await settle();
    controller.abort();
    for (const request of requests.slice(1)) request.reject(new DependencyError('peer', 'aborted', 'the request was aborted'));
    await second;
    expect(requests).toHaveLength(3);
    expect(probe.figuresOf(before.wallet)).toBe(figures);
    expect(probe.figuresOf(never.wallet)).toBeNull();
  });

  test('does not wait for other probes: up to 16 probes run at the same time', async () => {
    const { requests, probe } = start();
    const done = probe.probePeers(MEMBERS, signal);
    await settle();
    expect(requests).toHaveLength(16);
    for (let at = 0; at < MEMBERS.length; at += 1) {
      requests[at]!.resolve(answer(200));
      await settle();
    }
    await done;
    expect(MEMBERS.every(({ wallet }) => probe.figuresOf(wallet)?.reachable)).toBe(true);
  });

  test('forgets peers that are no longer members', async () => {
    const { requests, probe } = start();
    const first = probe.probePeers(MEMBERS.slice(0, 2), signal);
    await settle();
    for (const request of requests.splice(0)) request.resolve(answer(200));
    await first;
    const second = probe.probePeers(MEMBERS.slice(1, 2), signal);
    await settle();
    requests[0]!.resolve(answer(200));
    await second;
    expect(probe.figuresOf(MEMBERS[0]!.wallet)).toBeNull();
    expect(probe.figuresOf(MEMBERS[1]!.wallet)).not.toBeNull();
  });

  test('does not start after the round has been aborted', async () => {
    const { requests, probe } = start();
    const controller = new AbortController();
    const done = probe.probePeers(MEMBERS, controller.signal);
    await settle();
    controller.abort();
    for (const request of requests) request.resolve(answer(200));
    await done;
    expect(requests).toHaveLength(16);
  });
});
