/** The authenticator (protocol.md §3): which headers are accepted in which mode, and what happens when the registry cannot be read. */
import { describe, expect, test } from '@jest/globals';
import { Authenticator } from '../../../src/auth/authenticator.ts';
import { NonceBook } from '../../../src/auth/nonce-book.ts';
import { appAuthMessage, peerAuthMessage } from '../../../src/crypto/messages.ts';
import { signEip191, walletOfPrivateKey } from '../../../src/crypto/signature.ts';
import { DeadlineError } from '../../../src/domain/deadline.ts';
import { DependencyError, InvariantError } from '../../../src/domain/errors.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { AppRecord, Member } from '../../../src/domain/membership.ts';
import { PeerCache } from '../../../src/registry/peer-cache.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, memberOf } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const KEY = Buffer.alloc(32, 0x42);
const WALLET = walletOfPrivateKey(KEY);
const NODE = `0x${'0b'.repeat(20)}` as Wallet;
const PUBKEY = 'aa'.repeat(120) as TeePubkey;

/** Runs both steps: the proof, then the authorization. */
async function askApp(authenticator: Authenticator, headers: Record<string, string>, node: Wallet) {
  return authenticator.authorizeApp(authenticator.proveApp(headers, node));
}

interface Given {
  readonly inEnclave?: boolean;
  readonly lookup?: (wallet: Wallet) => Promise<AppRecord>;
  readonly members?: readonly Member[] | null;
}

function start({ inEnclave = true, lookup = async (wallet) => authorizedRecord(100n, wallet, PUBKEY), members = [memberOf(WALLET, PUBKEY)] }: Given = {}) {
  const clock = new ManualClock();
  const nonces = new NonceBook({ ttlSeconds: 120 }, { clock, random: new SeededRandom('authenticator') });
  const asked: Wallet[] = [];
  const directory = new PeerCache({ clock });
  if (members !== null) directory.update({ block: 1n, members, dropped: [] });
  const appRegistry = {
    lookup: (wallet: Wallet) => {
      asked.push(wallet);
      return lookup(wallet);
    },
  };
  const authenticator = new Authenticator({ inEnclave, windowSeconds: 120 }, { clock, nonces, appRegistry, directory });
  const prove = (kind: 'app' | 'peer'): Record<string, string> => {
    const nonce = nonces.issue();
    const timestamp = String(Math.floor(clock.nowMs() / 1000));
    const message = kind === 'app' ? appAuthMessage : peerAuthMessage;
    const prefix = kind === 'app' ? 'x-app-' : 'x-kms-';
    return {
      [`${prefix}signature`]: signEip191(KEY, message(nonce, NODE, timestamp)),
      [`${prefix}nonce`]: nonce,
      [`${prefix}timestamp`]: timestamp,
    };
  };
  return { authenticator, prove, asked };
}

describe('an app', () => {
  test('with a valid proof is identified by its record in the registry', async () => {
    const { authenticator, prove, asked } = start();
    const headers = prove('app');
    expect(await askApp(authenticator, headers, NODE)).toEqual({
      appId: 100,
      wallet: WALLET,
      teePubkey: PUBKEY,
      signature: headers['x-app-signature'],
      nonce: headers['x-app-nonce'],
    });
    expect(asked).toEqual([WALLET]);
  });

  test.each<[string, boolean, Record<string, string>]>([
    ['sends no proof headers to a node in an enclave', true, {}],
    ['sends a wallet without a proof to a node in an enclave', true, { 'x-tee-wallet': WALLET }],
    ['sends no proof headers in development', false, {}],
    ['sends an invalid wallet in development', false, { 'x-tee-wallet': '0x12' }],
    ['sends a wallet and half a proof in development', false, { 'x-tee-wallet': WALLET, 'x-app-nonce': 'AAAA' }],
    ['sends a wallet and an empty proof header in development', false, { 'x-tee-wallet': WALLET, 'x-app-wallet': '' }],
    ['sends the proof of a peer', true, { 'x-kms-signature': '0x', 'x-kms-nonce': 'AAAA', 'x-kms-timestamp': '1' }],
  ])('that %s is unauthorized, and the registry is not read', async (_, inEnclave, headers) => {
    const { authenticator, asked } = start({ inEnclave });
    await expect(askApp(authenticator, headers, NODE)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(asked).toEqual([]);
  });

  test('may send its wallet without a proof in development, but it still needs authorization, and its answer is not signed', async () => {
    const { authenticator } = start({ inEnclave: false });
    expect(await askApp(authenticator, { 'x-tee-wallet': WALLET }, NODE)).toMatchObject({ wallet: WALLET, signature: null });
    const stopped = start({
      inEnclave: false,
      lookup: async (wallet) => {
        const record = authorizedRecord(100n, wallet, PUBKEY);
        return { ...record, instance: { ...record.instance, status: 'STOPPED' } };
      },
    });
    await expect(askApp(stopped.authenticator, { 'x-tee-wallet': WALLET }, NODE)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('without a teePubkey is forbidden, because nothing can be encrypted to it', async () => {
    const { authenticator, prove } = start({ lookup: async (wallet) => authorizedRecord(100n, wallet, '') });
    await expect(askApp(authenticator, prove('app'), NODE)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test.each<[string, Error]>([
    ['the chain refuses the call', new DependencyError('chain', 'refused', 'the chain RPC at a.test:443 answered 401')],
    ['the chain does not answer', new DeadlineError('the registry lookup', 1)],
  ])('gets the underlying error instead of a refusal when %s', async (_, failure) => {
    const { authenticator, prove } = start({ lookup: () => Promise.reject(failure) });
    await expect(askApp(authenticator, prove('app'), NODE)).rejects.toBe(failure);
  });

  test('gets the underlying error instead of a refusal when an invariant is broken', async () => {
    const { authenticator, prove } = start({ lookup: () => Promise.reject(new InvariantError('two apps at once')) });
    await expect(askApp(authenticator, prove('app'), NODE)).rejects.toThrow(InvariantError);
  });
});

describe('a peer', () => {
  test('is identified by its entry in the peer cache, and the chain is not read', () => {
    const { authenticator, prove, asked } = start();
    const headers = prove('peer');
    const peer = authenticator.peer(headers, NODE);
    expect(peer).toMatchObject({ teePubkey: PUBKEY, signature: headers['x-kms-signature'], member: { wallet: WALLET } });
    expect(asked).toEqual([]);
  });

  test.each<[string, readonly Member[] | null]>([
    ['is not a member', []],
    ['calls before the first refresh of the peer cache', null],
    ['has no teePubkey', [memberOf(WALLET, '')]],
  ])('that %s is forbidden', (_, members) => {
    const { authenticator, prove } = start({ members });
    expect(() => authenticator.peer(prove('peer'), NODE)).toThrow(expect.objectContaining({ code: 'forbidden' }));
  });

  test.each<[string, Record<string, string>]>([
    ['sends no proof headers', {}],
    ['sends only a wallet', { 'x-kms-wallet': WALLET }],
    ['sends a wallet as apps do in development', { 'x-tee-wallet': WALLET }],
  ])('that %s is unauthorized in every mode', (_, headers) => {
    for (const inEnclave of [true, false]) {
      const { authenticator } = start({ inEnclave });
      expect(() => authenticator.peer(headers, NODE)).toThrow(expect.objectContaining({ code: 'unauthorized' }));
    }
  });
});
