/** Gives the client of the enclave API random answers. The client must return a value of the correct form or throw an expected error. */
import fc from 'fast-check';
import type { TeePubkey, Wallet } from '../../src/domain/ids.ts';
import { OdynClient } from '../../src/enclave/odyn-client.ts';
import { systemClock } from '../../src/system/system.ts';
import { scriptedServer } from '../../test/support/scripted-server.ts';
import { expected } from './expected.ts';
import { changed, changes, jsonOf, tears, torn } from './hostile.ts';
import { target } from './target.ts';

const KEY = 'ab'.repeat(120) as TeePubkey;
const GOOD: Readonly<Record<string, object>> = {
  address: { address: `0x${'ab'.repeat(20)}`, public_key: '0x04' },
  publicKey: { public_key_der: `0x${KEY}`, public_key_pem: '' },
  random: { random_bytes: `0x${'ab'.repeat(32)}` },
  sign: { signature: `0x${'ab'.repeat(64)}01`, address: `0x${'ab'.repeat(20)}`, attestation: null },
  signTransaction: { raw_transaction: '0x02ab', transaction_hash: `0x${'ab'.repeat(32)}`, signature: `0x${'ab'.repeat(65)}` },
  encrypt: { encrypted_data: 'ab'.repeat(20), enclave_public_key: KEY, nonce: 'ab'.repeat(12) },
  decrypt: { plaintext: '{}' },
};

const cases = fc.record({
  operation: fc.constantFrom(...Object.keys(GOOD)),
  body: changes,
  tears: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, tears),
  status: fc.oneof({ weight: 8, arbitrary: fc.constant(200) }, fc.constantFrom(201, 204, 301, 400, 401, 404, 405, 413, 429, 500, 502, 503)),
  end: fc.oneof({ weight: 8, arbitrary: fc.constant('whole') }, fc.constantFrom('close before', 'close within')),
});

export const enclaveAnswers = target({
  name: 'enclave-answers',
  cases,
  batch: 200,
  async start() {
    let given: { readonly status: number; readonly bytes: Buffer; readonly end: string } = { status: 500, bytes: Buffer.alloc(0), end: 'whole' };
    const server = await scriptedServer((_, response) => {
      const { status, bytes, end } = given;
      if (end === 'close before') response.destroy();
      else if (end === 'close within') response.writeHead(status, { 'content-length': String(bytes.length + 5) }).write(bytes, () => response.destroy());
      else response.writeHead(status).end(status === 204 ? undefined : bytes);
    });
    const client = new OdynClient({ baseUrl: server.url }, { clock: systemClock });
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      address: () => client.address(),
      publicKey: () => client.publicKey(),
      random: () => client.random(),
      sign: () => client.sign('m'),
      signTransaction: () => client.signTransaction({ chainId: 1, nonce: 1, maxPriorityFeePerGas: 1n, maxFeePerGas: 1n, gasLimit: 1n, to: `0x${'ab'.repeat(20)}` as Wallet, value: 0n, data: '0x' }),
      encrypt: () => client.encrypt('p', KEY),
      decrypt: () => client.decrypt({ nonce: 'ab'.repeat(12), senderPubkey: KEY, encryptedData: 'ab'.repeat(20) }),
    };
    return {
      async check({ operation, body, tears: rips, status, end }) {
        const text = jsonOf(changed(GOOD[operation], body));
        given = { status, bytes: torn(Buffer.from(text), rips), end };
        const value = await expected(operation, calls[operation]!);
        if (value instanceof Uint8Array && value.length !== 32) throw new Error('random bytes of the wrong length');
        if (operation === 'address' && value !== null && !/^0x[0-9a-f]{40}$/.test(value as string)) throw new Error('an address in the wrong form');
      },
      async close() {
        await client.close();
        await server.close();
      },
    };
  },
});
