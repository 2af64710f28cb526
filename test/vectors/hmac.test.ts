/** protocol.md §3 "HMAC": canonical JSON and x-sync-signature. */
import { expect } from '@jest/globals';
import { canonicalJson } from '../../src/crypto/canonical-json.ts';
import { parseJson } from '../../src/crypto/json.ts';
import { Vault } from '../../src/crypto/vault.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface HmacCase extends VectorCase {
  readonly op: 'canonical' | 'verify';
  readonly body: string;
  readonly x_sync_signature?: string | null;
  readonly expect: { readonly canonical?: string; readonly hmac?: string; readonly any_of?: string[]; readonly accept?: boolean | null };
}

/** The canonical strings of this node where other implementations disagree: UTF-8, keys sorted by code units, numbers as in JavaScript. */
const DECIDED_CANONICAL: Readonly<Record<string, string>> = {
  'non-ASCII value': '{"k":"café"}',
  'escaped non-ASCII value': '{"k":"café"}',
  'non-ASCII key': '{"z":2,"é":1}',
  'float 1.0': '{"k":1}',
  'float 1e3': '{"k":1000}',
  'minus zero': '{"k":0}',
};
/** All nodes write lower case, so only lower case is accepted. */
const DECIDED_ACCEPT: Readonly<Record<string, boolean>> = { 'upper case': false };

describeVectors<{ secret: string; cases: HmacCase[] }>('hmac.json', ({ file, cases }) => {
  const vault = new Vault({ random: new SeededRandom('hmac') });
  const secret = Uint8Array.from(Buffer.from(file.secret, 'hex'));
  vault.serve(vault.hold(secret));
  vault.installSyncKey();

  cases(file.cases, 'x-sync-signature', (vector) => {
    const canonical = canonicalJson(parseJson(vector.body));
    if (vector.op === 'verify') {
      const accepted = vault.verifySyncHmac(canonical, vector.x_sync_signature ?? '');
      const decided = vector.open === true ? DECIDED_ACCEPT[vector.name!] : vector.expect.accept;
      expect(accepted).toBe(decided ?? accepted);
      return;
    }
    if (vector.open === true) {
      expect(canonical).toBe(DECIDED_CANONICAL[vector.name!] ?? canonical);
      expect(vault.verifySyncHmac(canonical, vault.syncHmac(canonical))).toBe(true);
      return;
    }
    expect(canonical).toBe(vector.expect.canonical);
    expect(vault.syncHmac(canonical)).toBe(vector.expect.hmac);
  });
});
