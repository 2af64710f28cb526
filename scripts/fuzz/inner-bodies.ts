/** Sends almost valid messages from apps and peers, in envelopes that are usually valid. A refused message must change nothing. */
import fc from 'fast-check';
import { parseEnvelope, toWireEnvelope } from '../../src/domain/envelope.ts';
import { parseStrictJson } from '../../src/enclave/emulator/strict-json.ts';
import type { NodeOverHttp } from '../../test/support/node-over-http.ts';
import { checkAnswer, checkNode, caller, headersOf, startNodeUnderTest } from './node-under-test.ts';
import { anyJson, changed, changes, jsonOf, tears, torn } from './hostile.ts';
import { target } from './target.ts';

const RECORD = { key: 'k', value: 'ab'.repeat(40), version: { '0xab/00': 5 }, updated_at_ms: 1_790_000_000_000, tombstone: false, ttl_ms: 0 };
const GRAVE = { ...RECORD, value: null, tombstone: true };

/** Valid messages. */
const GOOD = [
  { method: 'POST', path: '/kms/derive', inner: { path: 'p', context: 'c', length: 32 } },
  { method: 'PUT', path: '/kms/data', inner: { key: 'k', value: 'dmFsdWU=', ttl_ms: 1_000, acks: 0, timeout_ms: 10 } },
  { method: 'DELETE', path: '/kms/data', inner: { key: 'k' } },
  { method: 'POST', path: '/sync', inner: { type: 'delta', data: { '100': [RECORD, GRAVE] } } },
  { method: 'POST', path: '/sync', inner: { type: 'snapshot_request', max_bytes: 65_536, cursor: '', app: '100', buckets: [1, 2] } },
  { method: 'POST', path: '/sync', inner: { type: 'master_secret_request', ecdh_pubkey: caller.emulated.teePubkey } },
  { method: 'POST', path: '/sync', inner: { type: 'digest_request', apps: true, app: '100' } },
] as const;

const cases = fc.record({
  message: fc.constantFrom(...GOOD),
  changes,
  /** If not null, this value is sent instead of the changed inner body. */
  other: fc.option(anyJson, { freq: 6 }),
  tears: fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, tears),
  envelope: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, changes),
});

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

async function send(node: NodeOverHttp, { message, changes: list, other, tears: rips, envelope: bends }: Case) {
  const text = torn(Buffer.from(jsonOf(other ?? changed(message.inner, list))), rips).toString('utf8').toWellFormed();
  const good = toWireEnvelope(await caller.encrypt(text, node.identity.teePubkey));
  const envelope = changed(good, bends);
  const headers = await headersOf(node, message.path === '/sync', envelope);
  return fetch(node.url + message.path, { method: message.method, headers, body: jsonOf(envelope) });
}

export const innerBodies = target({
  name: 'inner-bodies',
  cases,
  batch: 200,
  async start() {
    const node = await startNodeUnderTest();
    return {
      async check(given) {
        const before = node.store.lastSequenceNumber;
        let answered = false;
        const asking = send(node, given).finally(() => (answered = true));
        // Moves the node's clock until the answer arrives. Otherwise a write that waits for other nodes would never reach its timeout.
        const passing = (async () => {
          while (!answered) {
            await node.clock.advance(1_000);
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
        const [answer] = await Promise.all([asking, passing]);
        const text = await answer.text();
        checkAnswer(answer.status, text);
        checkNode(node);
        if (answer.status === 200) {
          const sealed = parseEnvelope(JSON.parse(text));
          if (sealed === null) throw new Error('the answer is not an envelope');
          // Callers in other languages may use strict JSON parsers.
          parseStrictJson(Buffer.from(await caller.decrypt(sealed)));
        } else if (answer.status < 500 && node.store.lastSequenceNumber !== before) {
          throw new Error(`a refusal (${answer.status}) wrote to the store`);
        }
      },
      close: () => node.close(),
    };
  },
});
