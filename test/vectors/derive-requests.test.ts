/** protocol.md §3, the inner body of POST /kms/derive, sent to the real handler over real HTTP. */
import { afterAll, beforeAll, expect } from '@jest/globals';
import { toWireEnvelope } from '../../src/domain/envelope.ts';
import { inProcessEnclave } from '../support/in-process-enclave.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../support/node-over-http.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface DeriveCase extends VectorCase {
  readonly app_id: string;
  readonly body_json: string;
  readonly expect: { readonly status: number | number[]; readonly inner?: Record<string, unknown> };
}

const INFO = 'enclaver-ecdh-aes256gcm-v1';

/** Decisions for open cases: a string of digits is not an integer, and JavaScript cannot distinguish 32.0 and 1e2 from 32 and 100. */
const DECIDED_STATUS: Readonly<Record<string, number>> = { 'length "32"': 400, 'length 32.0': 200, 'length 1e2': 200 };

describeVectors<{ derive_requests: { secret: string; cases: DeriveCase[] } }>('kdf.json', ({ file, cases }) => {
  const app = inProcessEnclave({ info: INFO }, { random: new SeededRandom('app'), clock: new ManualClock() });
  let node: NodeOverHttp;
  let appId = '0';

  beforeAll(async () => {
    node = await startNodeOverHttp({
      secret: file.derive_requests.secret,
      info: INFO,
      inEnclave: false,
      lookup: async (wallet) => authorizedRecord(BigInt(appId), wallet, app.emulated.teePubkey),
    });
  });
  afterAll(() => node.close());

  cases(file.derive_requests.cases, 'derive request', async (vector) => {
    appId = vector.app_id;
    const sealed = await app.encrypt(vector.body_json, node.identity.teePubkey);
    const answer = await fetch(`${node.url}/kms/derive`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-tee-wallet': app.emulated.wallet },
      body: JSON.stringify(toWireEnvelope(sealed)),
    });
    const body = (await answer.json()) as Record<string, string>;
    const wanted = (vector.open === true ? DECIDED_STATUS[vector.name!] : undefined) ?? vector.expect.status;
    expect([wanted].flat()).toContain(answer.status);
    if (answer.status === 200 && vector.expect.inner !== undefined) {
      const inner = await app.decrypt({
        senderPubkey: node.identity.teePubkey,
        nonce: body['nonce']!,
        encryptedData: body['encrypted_data']!,
      });
      expect(JSON.parse(inner)).toEqual(vector.expect.inner);
    } else if (answer.status !== 200) {
      expect(Object.keys(body).sort()).toEqual(['code', 'message']);
    }
  });
});
