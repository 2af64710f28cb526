/**
 * Proof of possession (protocol.md §3): a malformed proof, or one whose timestamp is not accepted, leaves its nonce valid. Any other failure
 * uses the nonce up.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NonceBook } from '../../../src/auth/nonce-book.ts';
import { hasProofHeaders, verifyProof, type Headers, type ProofKind } from '../../../src/auth/proof.ts';
import { appAuthMessage, peerAuthMessage } from '../../../src/crypto/messages.ts';
import { signEip191, walletOfPrivateKey } from '../../../src/crypto/signature.ts';
import { RefusalError } from '../../../src/domain/errors.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const KEY = Buffer.alloc(32, 0x42);
const WALLET = walletOfPrivateKey(KEY);
const NODE = `0x${'0b'.repeat(20)}` as Wallet;
const OTHER_NODE = `0x${'0c'.repeat(20)}` as Wallet;
const WINDOW_SECONDS = 120;
const MESSAGE = { app: appAuthMessage, peer: peerAuthMessage } as const;
const PREFIX = { app: 'x-app-', peer: 'x-kms-' } as const;

type Parts = Partial<Record<'signature' | 'nonce' | 'timestamp' | 'wallet', string | undefined>>;

function startVerifier(kind: ProofKind) {
  const clock = new ManualClock();
  const nonces = new NonceBook({ ttlSeconds: WINDOW_SECONDS }, { clock, random: new SeededRandom('proof') });
  const nonce = nonces.issue();
  const now = Math.floor(clock.nowMs() / 1000);
  const headers = (change: Parts = {}, signedFor: Wallet = NODE): Headers => {
    const timestamp = change.timestamp ?? String(now);
    const signature = signEip191(KEY, MESSAGE[kind](change.nonce ?? nonce, signedFor, timestamp));
    const parts: Parts = { signature, nonce, timestamp, ...change };
    return Object.fromEntries(Object.entries(parts).map(([name, value]) => [`${PREFIX[kind]}${name}`, value]));
  };
  const verify = (given: Headers) => verifyProof(kind, given, NODE, WINDOW_SECONDS, { clock, nonces });
  return { clock, nonces, nonce, now, headers, verify };
}

const UNAUTHORIZED = expect.objectContaining({ code: 'unauthorized' });

describe.each<ProofKind>(['app', 'peer'])('a proof of kind %s', (kind) => {
  test('identifies the wallet that signed it, and its signature is returned exactly as it was sent', () => {
    const { headers, verify } = startVerifier(kind);
    const given = headers({ wallet: WALLET.toUpperCase().replace('0X', '0x') });
    expect(verify(given)).toEqual({ wallet: WALLET, signature: given[`${PREFIX[kind]}signature`], nonce: given[`${PREFIX[kind]}nonce`] });
  });

  test.each<[string, (verifier: ReturnType<typeof startVerifier>) => Headers]>([
    ['has no signature', ({ headers }) => headers({ signature: undefined })],
    ['has an empty signature', ({ headers }) => headers({ signature: ' ' })],
    ['has no timestamp', ({ headers }) => ({ ...headers(), [`${PREFIX[kind]}timestamp`]: undefined })],
    ['has a signature that is too long', ({ headers }) => headers({ signature: 'a'.repeat(257) })],
    ['contains its nonce twice', ({ headers, nonce }) => headers({ nonce: `${nonce}, ${nonce}` })],
    ['has a nonce in URL-safe base64', ({ headers }) => headers({ nonce: '__________-_-w==' })],
    ['has a nonce without padding', ({ headers, nonce }) => headers({ nonce: nonce.replace('==', '') })],
    ['has a timestamp with a leading zero', ({ headers, now }) => headers({ timestamp: `0${now}` })],
    ['has a timestamp with a fraction', ({ headers, now }) => headers({ timestamp: `${now}.0` })],
    ['has a timestamp in hex', ({ headers, now }) => headers({ timestamp: `0x${now.toString(16)}` })],
    ['has a timestamp in milliseconds', ({ headers, now }) => headers({ timestamp: `${now}000` })],
    ['has an invalid wallet', ({ headers }) => headers({ wallet: '0x12' })],
    ['has an empty wallet', ({ headers }) => headers({ wallet: '' })],
    ['is too old for the window', ({ headers, now }) => headers({ timestamp: String(now - 121) })],
    ['is too new for the window', ({ headers, now }) => headers({ timestamp: String(now + 121) })],
  ])('that %s is refused, and its nonce stays valid', (_, make) => {
    const verifier = startVerifier(kind);
    expect(() => verifier.verify(make(verifier))).toThrow(UNAUTHORIZED);
    expect(verifier.verify(verifier.headers()).wallet).toBe(WALLET);
  });

  test.each<[string, (verifier: ReturnType<typeof startVerifier>) => Headers]>([
    ['has an invalid signature', ({ headers }) => headers({ signature: '0x12' })],
    ['is for another node', ({ headers }) => headers({ wallet: WALLET }, OTHER_NODE)],
    ['names a wallet that did not sign it', ({ headers }) => headers({ wallet: OTHER_NODE })],
    ['has a signature for a message of the other kind', ({ nonce, now }) => {
      const other = kind === 'app' ? peerAuthMessage : appAuthMessage;
      return Object.fromEntries(
        Object.entries({ signature: signEip191(KEY, other(nonce, NODE, now)), nonce, timestamp: String(now), wallet: WALLET }).map(
          ([name, value]) => [`${PREFIX[kind]}${name}`, value],
        ),
      );
    }],
  ])('that %s is refused, and its nonce is used up', (_, make) => {
    const verifier = startVerifier(kind);
    expect(() => verifier.verify(make(verifier))).toThrow(UNAUTHORIZED);
    expect(() => verifier.verify(verifier.headers())).toThrow(expect.objectContaining({ message: expect.stringContaining('nonce') }));
  });

  test.each([
    [-121, "the timestamp is 121 s behind this node's clock, outside the window of 120 s"],
    [86_400, "the timestamp is 86400 s ahead of this node's clock, outside the window of 120 s"],
  ])('whose timestamp differs from the clock by %i s is refused with a message that contains the difference', (offset, message) => {
    const { headers, verify, now } = startVerifier(kind);
    expect(() => verify(headers({ timestamp: String(now + offset) }))).toThrow(message);
  });

  test.each([-120, -1, 0, 1, 120])('whose timestamp differs from the clock by %i s is accepted', (offset) => {
    const { headers, now, verify } = startVerifier(kind);
    expect(verify(headers({ timestamp: String(now + offset) })).wallet).toBe(WALLET);
  });

  test('that was made for another node and has no wallet header is not attributed to the wallet that signed it', () => {
    const { headers, verify } = startVerifier(kind);
    expect(verify(headers({}, OTHER_NODE)).wallet).not.toBe(WALLET);
  });

  test('is refused at its second use', () => {
    const { headers, verify } = startVerifier(kind);
    const given = headers();
    verify(given);
    expect(() => verify(given)).toThrow(UNAUTHORIZED);
  });

  test('with an expired nonce is refused', async () => {
    const { clock, headers, now, verify } = startVerifier(kind);
    await clock.advance(121_000);
    expect(() => verify(headers({ timestamp: String(now + 121) }))).toThrow(expect.objectContaining({ message: 'the nonce has expired' }));
  });

  test('made of arbitrary strings never causes an error other than a refusal', () => {
    const header = fc.option(fc.string({ maxLength: 300 }), { nil: undefined });
    fc.assert(
      fc.property(header, header, header, header, (signature, nonce, timestamp, wallet) => {
        const { verify } = startVerifier(kind);
        const given = Object.fromEntries(Object.entries({ signature, nonce, timestamp, wallet }).map(([name, value]) => [`${PREFIX[kind]}${name}`, value]));
        expect(() => verify(given)).toThrow(RefusalError);
      }),
    );
  });
});

describe('proof headers', () => {
  test.each<[Headers, boolean]>([
    [{}, false],
    [{ 'x-tee-wallet': WALLET }, false],
    [{ 'x-app-signature': undefined }, false],
    [{ 'x-app-signature': '' }, true],
    [{ 'x-app-anything': 'x' }, true],
    [{ 'x-kms-nonce': 'x' }, false],
  ])('of an app are searched for in %j, with the result %s', (headers, there) => {
    expect(hasProofHeaders('app', headers)).toBe(there);
  });
});
