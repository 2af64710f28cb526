/**
 * Gives a node random answers from a member. The node may fail only with expected errors. It must never install a secret, because no answer
 * contains the secret whose hash the chain shows.
 */
import fc from 'fast-check';
import type { TransportAnswer } from '../../src/domain/ports.ts';
import { MAX_PAGES } from '../../src/sync/page-request.ts';
import { SecretFetch } from '../../src/sync/secret-fetch.ts';
import { startAskingNode } from '../../test/support/asking-node.ts';
import { PeerSide } from '../../test/support/peer-side.ts';
import { expected } from './expected.ts';
import { anyJson, changed, changes, jsonOf, tears, torn } from './hostile.ts';
import { target } from './target.ts';

const RECORD = { key: 'k', value: 'ab'.repeat(40), version: { 'a/1': 5 }, updated_at_ms: 1, tombstone: false, ttl_ms: 0 };
const DIGEST = '00'.repeat(16);
const GOOD: Readonly<Record<string, object>> = {
  delta: { merged: 1, total: 1, rejected: 0, rejections: [{ app_id: '1', key: 'k', reason: 'malformed' }] },
  snapshot_request: { data: { '100': [RECORD] }, complete: true, next_cursor: 'x', store_id: '00'.repeat(8) },
  digest_request: { root: DIGEST, apps: { '100': DIGEST }, buckets: Array.from({ length: 256 }, () => '00'.repeat(8)) },
  master_secret_request: { sealed: { ephemeral_pubkey: '00', encrypted_data: '00', nonce: '00' } },
};

const cases = fc.record({
  type: fc.constantFrom(...Object.keys(GOOD)),
  inner: changes,
  other: fc.option(anyJson, { freq: 6 }),
  /** The next four fields change the answer after the peer has sealed it. */
  status: fc.oneof({ weight: 8, arbitrary: fc.constant(200) }, fc.integer({ min: 100, max: 599 })),
  envelope: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, changes),
  tears: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, tears),
  headers: fc.oneof({ weight: 8, arbitrary: fc.constant({}) }, fc.dictionary(fc.constantFrom('x-kms-peer-signature', 'retry-after', 'content-type'), fc.string({ maxLength: 140 }), { maxKeys: 2 })),
  nonce: fc.option(anyJson, { freq: 6 }),
});

export const peerAnswers = target({
  name: 'peer-answers',
  cases,
  batch: 200,
  async start() {
    return {
      async check({ type, inner, other, status, envelope, tears: rips, headers, nonce }) {
        const peer = new PeerSide('peer');
        const node = startAskingNode([peer], { holdsSecret: type !== 'master_secret_request' });
        peer.behaviour.answer = () => changed(GOOD[type], inner);
        if (nonce !== null) peer.behaviour.nonce = () => ({ status, headers: {}, body: Buffer.from(jsonOf({ nonce })) });
        peer.behaviour.bend = async (answer, received): Promise<TransportAnswer> => {
          const whole = other === null ? answer : await peer.sealedAnswer(received, other);
          const body = changed(JSON.parse(Buffer.from(whole.body).toString()), envelope);
          return { status, headers: { ...whole.headers, ...headers }, body: torn(Buffer.from(jsonOf(body)), rips) };
        };
        const { signal } = new AbortController();
        const exchange = node.conversation.exchange.bind(node.conversation);
        if (type === 'master_secret_request') {
          const fetching = new SecretFetch(node).fetchMasterSecret([peer.member], signal);
          const outcome = await expected('fetching the secret', () => fetching);
          if (outcome?.kind === 'installed') throw new Error('the node installed a secret that no member has');
        } else {
          await expected(type, () => exchange(peer.member, { type }, { timeoutMs: 1_000, maxAnswerBytes: MAX_PAGES * 1_000, signal }));
        }
      },
      close: async () => undefined,
    };
  },
});
