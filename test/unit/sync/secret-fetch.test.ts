/**
 * Fetching the master secret (protocol.md §5; §9.1, §9.5): the node installs only the secret whose hash is the chain hash. Silent members
 * do not block the fetch.
 */
import { describe, expect, test } from '@jest/globals';
import { keccak256 } from '../../../src/crypto/hash.ts';
import { p384FromScalar } from '../../../src/crypto/p384.ts';
import { sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { REASONS } from '../../../src/domain/reasons.ts';
import { SecretFetch } from '../../../src/sync/secret-fetch.ts';
import { SECRET, SECRET_HASH, startAskingNode } from '../../support/asking-node.ts';
import { settle } from '../../support/manual-clock.ts';
import { answerOf, never, PeerSide, type PeerBehaviour, type SyncRequest } from '../../support/peer-side.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const WRONG_SECRET = new Uint8Array(32).fill(0x66);

/** A peer with a vault that seals this secret, as on a real node. */
function source(secret: Uint8Array): PeerBehaviour {
  const vault = new Vault({ random: new SeededRandom('source') });
  vault.serve(vault.hold(Uint8Array.from(secret)));
  return { answer: ({ inner }) => ({ sealed: vault.sealMasterSecret(inner['ecdh_pubkey'] as string) }) };
}

/** A peer that seals these bytes. */
function sealing(bytes: Uint8Array): PeerBehaviour {
  const keys = p384FromScalar('01'.repeat(48));
  return { answer: ({ inner }) => ({ sealed: sealSecret(keys, inner['ecdh_pubkey'] as string, new Uint8Array(12), bytes) }) };
}

const SILENT: PeerBehaviour = { nonce: never };
const REFUSING: PeerBehaviour = { bend: () => answerOf(503, { code: 'service_unavailable' }) };

/** Starts a node that does not have the secret. It asks the members in the given order. */
function start(behaviours: Readonly<Record<string, PeerBehaviour>>) {
  const peers = Object.entries(behaviours).map(([name, behaviour]) => new PeerSide(name, behaviour));
  const node = startAskingNode(peers, { holdsSecret: false });
  const random = { bytes: (length: number) => node.random.bytes(length), unit: () => 0 };
  const fetch = new SecretFetch({ ...node, random });
  const controller = new AbortController();
  const outcome = fetch.fetchMasterSecret(peers.map(({ member }) => member), controller.signal);
  outcome.catch(() => undefined);
  return { ...node, peers, controller, outcome };
}

describe('the secret', () => {
  test('is installed when its hash is the chain hash, and the outcome reports which member sent it', async () => {
    const { outcome, vault, peers } = start({ a: source(SECRET) });
    expect(await outcome).toEqual({ kind: 'installed', from: peers[0]!.member.wallet });
    expect(vault.servingHash()).toBe(SECRET_HASH);
  });

  test('is requested with a fresh ephemeral key each time', async () => {
    const { outcome, peers } = start({ a: source(WRONG_SECRET), b: source(SECRET) });
    await outcome;
    const keys = peers.map(({ messages }) => messages[0]!['ecdh_pubkey'] as TeePubkey);
    expect(keys[0]).not.toBe(keys[1]);
    expect(keys.every((key) => /^3076301006072a8648ce3d0201/.test(key))).toBe(true);
  });
});

describe('a peer is skipped', () => {
  test.each<[string, PeerBehaviour, boolean]>([
    ['when it sends a different secret', source(WRONG_SECRET), true],
    ['when its secret is too short', sealing(SECRET.slice(0, 31)), true],
    ['when its secret is longer than 32 bytes, even if the first 32 bytes are right (§9.21)', sealing(new Uint8Array([...SECRET, 0])), true],
    ['when its answer has no sealed secret', { answer: () => ({}) }, true],
    ['when the fields of its sealed secret are not strings', { answer: () => ({ sealed: { ephemeral_pubkey: 1 } }) }, true],
    ['when its sealed secret cannot be opened', { answer: () => ({ sealed: { ephemeral_pubkey: '00', encrypted_data: '00', nonce: '00' } }) }, true],
    ['when its answer is not signed', { bend: (answer) => ({ ...answer, headers: {} }) }, true],
    ['when it does not have the secret', REFUSING, false],
    ['when it does not treat this node as a member', { bend: () => answerOf(403, { code: 'forbidden' }) }, false],
    ['when it is not a KMS node', { nonce: () => answerOf(200, '<html>') }, false],
  ])('%s; the next peer then sends the secret', async (_, behaviour, noted) => {
    const { outcome, peers, book, vault } = start({ a: behaviour, b: source(SECRET) });
    expect(await outcome).toEqual({ kind: 'installed', from: peers[1]!.member.wallet });
    expect(vault.servingHash()).toBe(SECRET_HASH);
    expect(book.isWrong(peers[0]!.member)).toBe(noted);
    expect(book.isWrong(peers[1]!.member)).toBe(false);
  });

  test('when it has not answered for 250 ms; the next peer then sends the secret', async () => {
    const { outcome, clock, peers } = start({ a: SILENT, b: source(SECRET) });
    await clock.advance(249);
    expect(peers[1]!.nonceRequests).toHaveLength(0);
    await clock.advance(1);
    expect(await outcome).toEqual({ kind: 'installed', from: peers[1]!.member.wallet });
  });
});

describe('the fetch', () => {
  test('asks at most four members at a time while no member answers', async () => {
    const { clock, peers, controller, outcome } = start({ a: SILENT, b: SILENT, c: SILENT, d: SILENT, e: SILENT });
    await clock.advance(30_000);
    expect(peers.map(({ nonceRequests }) => nonceRequests.length)).toEqual([1, 1, 1, 1, 0]);
    controller.abort(new Error('the step is over'));
    await expect(outcome).rejects.toThrow('the step is over');
  });

  test('ends at the first good answer: it ignores later answers and asks no more members', async () => {
    const late = Promise.withResolvers<undefined>();
    const slow: PeerBehaviour = { answer: async () => late.promise };
    const { clock, peers, outcome, log } = start({ a: slow, b: source(SECRET), c: source(SECRET), d: source(SECRET) });
    await clock.advance(250);
    expect((await outcome).kind).toBe('installed');
    late.resolve(undefined);
    await clock.advance(60_000);
    expect(peers.map(({ nonceRequests }) => nonceRequests.length)).toEqual([1, 1, 0, 0]);
    expect(log.lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  test('asks the other members before a member that proved wrong', async () => {
    const peers = [new PeerSide('a', source(WRONG_SECRET)), new PeerSide('b', source(SECRET))];
    const node = startAskingNode(peers, { holdsSecret: false });
    node.book.noteWrong(peers[0]!.member);
    const random = { bytes: (length: number) => node.random.bytes(length), unit: () => 0 };
    await new SecretFetch({ ...node, random }).fetchMasterSecret(peers.map(({ member }) => member), new AbortController().signal);
    expect(peers.map(({ nonceRequests }) => nonceRequests.length)).toEqual([0, 1]);
  });
});

describe('nothing is installed', () => {
  test.each<[string, Readonly<Record<string, PeerBehaviour>>, string, string]>([
    ['when there is no other member', {}, REASONS.nobodyHoldsSecret, 'there is no other member'],
    ['when all members refuse', { a: REFUSING, b: REFUSING }, REASONS.nobodyHoldsSecret, 'asked 2: 0 silent, 2 refused, 0 with a different secret, 0 with a bad answer'],
    ['when a member has a different secret', { a: REFUSING, b: source(WRONG_SECRET) }, REASONS.secretHashMismatch, 'asked 2: 0 silent, 1 refused, 1 with a different secret, 0 with a bad answer'],
    ['when an answer is bad', { a: { answer: () => ({ status: 'no' }) } }, REASONS.secretSyncFailed, 'asked 1: 0 silent, 0 refused, 0 with a different secret, 1 with a bad answer'],
  ])('%s', async (_, behaviours, text, detail) => {
    const { outcome, vault } = start(behaviours);
    expect(await outcome).toEqual({ kind: 'failed', reason: { text, detail } });
    expect(vault.servingHash()).toBeNull();
  });

  test('when the chain hash changes before the answer arrives', async () => {
    const changes: (() => void)[] = [];
    const honest = source(SECRET);
    const peer = new PeerSide('a', {
      answer: (request: SyncRequest) => {
        changes.forEach((change) => change());
        return honest.answer!(request);
      },
    });
    const node = startAskingNode([peer], { holdsSecret: false });
    changes.push(() => node.secret.observe({ type: 'chain.shows', hash: keccak256(WRONG_SECRET), setHere: false }));
    const outcome = await new SecretFetch(node).fetchMasterSecret([peer.member], new AbortController().signal);
    expect(outcome.kind).toBe('failed');
    expect(node.vault.servingHash()).toBeNull();
  });

  test('when the answer arrives after the step was aborted', async () => {
    const late = Promise.withResolvers<undefined>();
    const honest = source(SECRET);
    const { controller, outcome, vault } = start({ a: { answer: async (request) => (await late.promise, honest.answer!(request)) } });
    await settle();
    controller.abort(new Error('the step is over'));
    await expect(outcome).rejects.toThrow('the step is over');
    late.resolve(undefined);
    await settle();
    expect(vault.servingHash()).toBeNull();
  });

  test('from a peer that sends a wrong secret; a warning is logged, but no secret', async () => {
    const { outcome, log } = start({ a: source(WRONG_SECRET), b: sealing(SECRET.slice(0, 31)), c: source(SECRET) });
    await outcome;
    const text = JSON.stringify(log.lines);
    for (const secret of [WRONG_SECRET, SECRET]) expect(text).not.toContain(Buffer.from(secret).toString('hex').slice(0, 16));
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });
});
