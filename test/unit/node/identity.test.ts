/** The identity of this node (protocol.md §1, step 2): the enclave reports it, and the membership contains it. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { Membership } from '../../../src/domain/membership.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { STEP_TIMEOUT_MS } from '../../../src/machines/limits.ts';
import { NodeIdentity } from '../../../src/node/identity.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/node-over-http.ts';

const OWN = `0x${'0a'.repeat(20)}` as Wallet;
const PEER = `0x${'0b'.repeat(20)}` as Wallet;
const PUBKEY = 'aa'.repeat(120) as TeePubkey;
const SIGNAL = new AbortController().signal;
const MEMBERSHIP: Membership = { block: 94n, members: [memberOf(OWN, PUBKEY), memberOf(PEER, PUBKEY)], dropped: [] };

function identityOf(enclave: Partial<Pick<Enclave, 'address' | 'publicKey'>> = {}) {
  const clock = new ManualClock();
  const others: Wallet[][] = [];
  const identity = new NodeIdentity({
    clock,
    enclave: { address: async () => OWN, publicKey: async () => PUBKEY, ...enclave },
    onOtherWallet: (before, now) => others.push([before, now]),
  });
  return { clock, identity, others };
}

/** A call to the enclave that ends only when its signal aborts. */
function hanging(signal?: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal?.addEventListener('abort', () => reject(new DependencyError('enclave', 'aborted', 'the call was aborted')));
  return promise;
}

describe('the identity of this node', () => {
  test('is unknown until the enclave has answered, and until then all members are treated as other nodes', () => {
    const { identity } = identityOf();
    expect([identity.current(), identity.wallet(), identity.ownEntry(MEMBERSHIP)]).toEqual([null, null, undefined]);
    expect(identity.others(MEMBERSHIP)).toEqual(MEMBERSHIP.members);
  });

  test("distinguishes this node's entry in a membership from the other entries", async () => {
    const { identity } = identityOf();
    expect(await identity.refresh(SIGNAL)).toEqual({ wallet: OWN, teePubkey: PUBKEY });
    expect(identity.ownEntry(MEMBERSHIP)?.wallet).toBe(OWN);
    expect(identity.others(MEMBERSHIP).map(({ wallet }) => wallet)).toEqual([PEER]);
    expect([identity.ownEntry(null), identity.others(null)]).toEqual([undefined, []]);
  });

  test('has the teePubkey that the enclave reported last', async () => {
    let key = PUBKEY;
    const { identity } = identityOf({ publicKey: async () => key });
    await identity.refresh(SIGNAL);
    key = 'bb'.repeat(120) as TeePubkey;
    await identity.refresh(SIGNAL);
    expect(identity.current()).toEqual({ wallet: OWN, teePubkey: key });
  });
});

test('a node whose wallet changes counts as a different node, and the change is reported once', async () => {
  let wallet = OWN;
  const { identity, others } = identityOf({ address: async () => wallet });
  await identity.refresh(SIGNAL);
  expect(others).toEqual([]);
  wallet = PEER;
  for (let tick = 0; tick < 2; tick += 1) await identity.refresh(SIGNAL);
  expect(others).toEqual([[OWN, PEER]]);
  expect([identity.wallet(), identity.others(MEMBERSHIP).map((member) => member.wallet)]).toEqual([PEER, [OWN]]);
});

describe('a request to the enclave', () => {
  test.each<[string, number, boolean]>([
    ['succeeds at the third attempt after two failures', 2, true],
    ['fails after three failures in a row', 3, false],
  ])('%s', async (_, failures, outlives) => {
    let calls = 0;
    const { identity, clock } = identityOf({
      publicKey: async () => ((calls += 1) <= failures ? Promise.reject(new DependencyError('enclave', 'timeout', 'silent')) : Promise.resolve(PUBKEY)),
    });
    const asked = identity.refresh(SIGNAL);
    const settled = outlives ? expect(asked).resolves.toMatchObject({ wallet: OWN }) : expect(asked).rejects.toThrow('silent');
    await clock.advance(5_000);
    await settled;
    expect(calls).toBe(3);
    expect(identity.current() === null).toBe(!outlives);
  });

  test.each<[string, Partial<Enclave>]>([
    ['address', { address: hanging }],
    ['public key', { publicKey: hanging }],
  ])('for the %s is attempted three times within the timeout of its step if every attempt hangs', async (_, enclave) => {
    const asked: (AbortSignal | undefined)[] = [];
    const counted = Object.fromEntries(
      Object.entries(enclave).map(([name, hang]) => [name, (signal?: AbortSignal) => (asked.push(signal), (hang as typeof hanging)(signal))]),
    );
    const { identity, clock } = identityOf(counted);
    const failed = expect(identity.refresh(SIGNAL)).rejects.toThrow('the enclave API took longer than 3000 ms');
    await clock.advance(STEP_TIMEOUT_MS.checkingEligibility - 1);
    await failed;
    expect(asked.map((signal) => signal?.aborted)).toEqual([true, true, true]);
  });

  test('that fails leaves the previous identity in place', async () => {
    let answers = true;
    const { identity, clock } = identityOf({ publicKey: async () => (answers ? PUBKEY : Promise.reject(new DependencyError('enclave', 'timeout', 'silent'))) });
    await identity.refresh(SIGNAL);
    answers = false;
    const failed = expect(identity.refresh(SIGNAL)).rejects.toThrow('silent');
    await clock.advance(5_000);
    await failed;
    expect(identity.current()).toEqual({ wallet: OWN, teePubkey: PUBKEY });
  });

  test('that was aborted changes nothing', async () => {
    const { identity } = identityOf();
    await expect(identity.refresh(AbortSignal.abort(new Error('the step has ended')))).rejects.toThrow('the step has ended');
    expect(identity.current()).toBeNull();
  });
});
