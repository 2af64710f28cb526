/**
 * How the node answers its caller when the enclave API refuses a request of the node (protocol.md §2, §7), over real HTTP. A refusal to
 * decrypt can be the fault of the caller. A refusal to sign is always a failure of the node.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { appAuthMessage } from '../../../src/crypto/messages.ts';
import { toWireEnvelope } from '../../../src/domain/envelope.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const app = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('app'), clock: new ManualClock() });
const { teePubkey } = app.emulated;

let node: NodeOverHttp;
afterEach(() => node.close());

/** Sends a derive request to a node whose enclave uses the given functions instead of the real ones. */
async function derive(broken: Partial<Enclave>): Promise<{ status: number; code: string; retryAfter: string | null }> {
  node = await startNodeOverHttp({ lookup: async (of) => authorizedRecord(100n, of, teePubkey), enclave: (real) => ({ ...real, ...broken }) });
  const nonce = node.nonces.issue();
  const timestamp = String(Math.floor(node.clock.nowMs() / 1000));
  const answer = await fetch(`${node.url}/kms/derive`, {
    method: 'POST',
    headers: {
      'x-app-signature': await app.sign(appAuthMessage(nonce, node.identity.wallet, timestamp)),
      'x-app-nonce': nonce,
      'x-app-timestamp': timestamp,
    },
    body: JSON.stringify(toWireEnvelope(await app.encrypt('{"path":"p"}', node.identity.teePubkey))),
  });
  const { code } = (await answer.json()) as { code: string };
  return { status: answer.status, code, retryAfter: answer.headers.get('retry-after') };
}

const refusing = (status: number) => () => Promise.reject(new DependencyError('enclave', 'refused', 'refused', { status }));

describe('when the enclave API refuses to decrypt', () => {
  test.each([
    [400, { status: 400, code: 'bad_request', retryAfter: null }],
    [413, { status: 413, code: 'payload_too_large', retryAfter: null }],
    [401, { status: 503, code: 'service_unavailable', retryAfter: '2' }],
    [404, { status: 503, code: 'service_unavailable', retryAfter: '2' }],
    [429, { status: 503, code: 'service_unavailable', retryAfter: '2' }],
  ])('with the status %i, the caller gets this answer: %j', async (status, answer) => {
    expect(await derive({ decrypt: refusing(status) })).toEqual(answer);
  });
});

describe('when the enclave API refuses to sign', () => {
  test.each([400, 404, 413])('with the status %i, the node has failed, so the caller gets 503', async (status) => {
    expect(await derive({ sign: refusing(status) })).toEqual({ status: 503, code: 'service_unavailable', retryAfter: '2' });
  });
});
