/** The emulator of the enclave API over HTTP (protocol.md §7): every route, and which requests it refuses. */
import { createPublicKey, verify } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decode } from 'cborg';
import { parseTransaction, recoverTransactionAddress, keccak256 } from 'viem';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { ENCLAVE_BODY_BYTES } from '../../../src/domain/limits.ts';
import { claimCalldata } from '../../../src/registry/claim-sender.ts';
import type { Hash32 } from '../../../src/domain/ids.ts';
import { runningEmulator, type RunningEmulator } from '../../support/running-emulator.ts';

let app: RunningEmulator;
let node: RunningEmulator;

beforeAll(async () => {
  app = await runningEmulator('app');
  node = await runningEmulator('node');
});

afterAll(async () => {
  await app.close();
  await node.close();
});

/** A message that the app's enclave has sealed for the node's enclave, in the form that the node can decrypt. */
async function sealedForNode(plaintext: string) {
  const { json } = await app.request('POST', '/v1/encryption/encrypt', { plaintext, client_public_key: `0x${node.enclave.teePubkey}` });
  return {
    nonce: json['nonce'] as string,
    client_public_key: json['enclave_public_key'] as string,
    encrypted_data: json['encrypted_data'] as string,
  };
}

describe('the wallet', () => {
  test('is returned together with its public key', async () => {
    const { status, json } = await node.request('GET', '/v1/eth/address');
    expect(status).toBe(200);
    expect(json).toEqual({ address: node.enclave.wallet, public_key: expect.stringMatching(/^0x04[0-9a-f]{128}$/) as unknown });
  });

  test('signs a message as personal_sign does', async () => {
    const { json } = await node.request('POST', '/v1/eth/sign', { message: 'NovaKMS:Auth:x', include_attestation: false });
    expect(json).toMatchObject({ address: node.enclave.wallet, attestation: null });
    expect(recoverEip191('NovaKMS:Auth:x', json['signature'] as string)).toBe(node.enclave.wallet);
  });

  const payload = {
    kind: 'structured',
    chain_id: '0x14a34',
    nonce: '0x5',
    max_priority_fee_per_gas: '0x1',
    max_fee_per_gas: '0x2540be400',
    gas_limit: '0x493e0',
    to: `0x${'6a'.repeat(20)}`,
    value: '0x0',
    data: claimCalldata(`0x${'ab'.repeat(32)}` as Hash32),
  };

  test('signs a structured transaction, and its hash and its sender are right', async () => {
    const { status, json } = await node.request('POST', '/v1/eth/sign-tx', { payload });
    expect(status).toBe(200);
    const raw = json['raw_transaction'] as `0x02${string}`;
    expect(json['transaction_hash']).toBe(keccak256(raw));
    expect((await recoverTransactionAddress({ serializedTransaction: raw })).toLowerCase()).toBe(node.enclave.wallet);
    expect(parseTransaction(raw)).toMatchObject({
      chainId: 84_532,
      nonce: 5,
      maxFeePerGas: 10_000_000_000n,
      maxPriorityFeePerGas: 1n,
      gas: 300_000n,
      to: payload.to,
      data: payload.data,
    });
  });

  test.each<[string, object]>([
    ['of an unknown kind', { payload: { ...payload, kind: 'raw' } }],
    ['without a kind', { payload: { ...payload, kind: undefined } }],
    ['with a number that is not a hex string', { payload: { ...payload, nonce: 5 } }],
    ['without its wrapper', payload],
  ])('refuses a transaction %s (§9.20)', async (_, body) => {
    expect((await node.request('POST', '/v1/eth/sign-tx', body)).status).toBe(400);
  });
});

describe('randomness', () => {
  test('is 32 bytes, which are different each time', async () => {
    const [first, second] = await Promise.all([node.request('GET', '/v1/random'), node.request('GET', '/v1/random')]);
    expect(first.json['random_bytes']).toMatch(/^0x[0-9a-f]{64}$/);
    expect(first.json['random_bytes']).not.toBe(second.json['random_bytes']);
  });
});

describe('the encryption key', () => {
  test('is returned as DER in hex with 0x, and as PEM', async () => {
    const { json } = await node.request('GET', '/v1/encryption/public_key');
    expect(json['public_key_der']).toBe(`0x${node.enclave.teePubkey}`);
    const key = createPublicKey(json['public_key_pem'] as string);
    expect(key.asymmetricKeyDetails).toEqual({ namedCurve: 'secp384r1' });
    expect(key.export({ type: 'spki', format: 'der' }).toString('hex')).toBe(node.enclave.teePubkey);
    expect(() => verify('sha384', Buffer.from('x'), key, Buffer.alloc(96))).not.toThrow();
  });

  test('is different at every boot', async () => {
    const again = await runningEmulator('node, booted again');
    expect(again.enclave.teePubkey).not.toBe(node.enclave.teePubkey);
    await again.close();
  });
});

describe('a message that one enclave has sealed', () => {
  test.each(['', 'plain', '{"key":"ä€𝄞"}', '\ufeffmark'])('can be decrypted by the receiving enclave: %j', async (plaintext) => {
    const sealed = await sealedForNode(plaintext);
    expect(sealed.nonce).toMatch(/^[0-9a-f]{24}$/);
    expect(sealed.client_public_key).toBe(app.enclave.teePubkey);
    expect(await node.request('POST', '/v1/encryption/decrypt', sealed)).toMatchObject({ status: 200, type: 'application/json', json: { plaintext } });
  });

  test('can also be decrypted with 0x before each field', async () => {
    const sealed = await sealedForNode('prefixed');
    const prefixed = Object.fromEntries(Object.entries(sealed).map(([name, value]) => [name, `0x${value}`]));
    expect((await node.request('POST', '/v1/encryption/decrypt', prefixed)).json).toEqual({ plaintext: 'prefixed' });
  });

  test('can be decrypted with a legacy nonce of 32 bytes, of which the first 12 are used', async () => {
    const sealed = await sealedForNode('legacy');
    const legacy = { ...sealed, nonce: sealed.nonce + '77'.repeat(20) };
    expect((await node.request('POST', '/v1/encryption/decrypt', legacy)).json).toEqual({ plaintext: 'legacy' });
  });

  test('can be decrypted once: the same key and nonce are refused afterwards', async () => {
    const sealed = await sealedForNode('once');
    expect((await node.request('POST', '/v1/encryption/decrypt', sealed)).status).toBe(200);
    expect((await node.request('POST', '/v1/encryption/decrypt', sealed)).status).toBe(400);
    const other = { ...sealed, nonce: sealed.nonce + '00'.repeat(20) };
    expect((await node.request('POST', '/v1/encryption/decrypt', other)).status).toBe(400);
  });

  test('cannot be decrypted after a failed attempt', async () => {
    const sealed = await sealedForNode('burnt');
    const tampered = { ...sealed, encrypted_data: `${sealed.encrypted_data.slice(0, -2)}${sealed.encrypted_data.endsWith('00') ? '01' : '00'}` };
    expect((await node.request('POST', '/v1/encryption/decrypt', tampered)).status).toBe(400);
    expect((await node.request('POST', '/v1/encryption/decrypt', sealed)).status).toBe(400);
  });

  test.each<[string, (sealed: Awaited<ReturnType<typeof sealedForNode>>) => object]>([
    ['when it seems to come from another sender', (sealed) => ({ ...sealed, client_public_key: node.enclave.teePubkey })],
    ['with an invalid key', (sealed) => ({ ...sealed, client_public_key: '00'.repeat(120) })],
    ['with a key that is not on the curve', (sealed) => ({ ...sealed, client_public_key: `${sealed.client_public_key.slice(0, -4)}0000` })],
    ['with a nonce of the wrong length', (sealed) => ({ ...sealed, nonce: 'ab'.repeat(11) })],
    ['with fewer bytes than a tag', (sealed) => ({ ...sealed, encrypted_data: 'ab'.repeat(15) })],
    ['when it is not valid hex', (sealed) => ({ ...sealed, encrypted_data: 'zz'.repeat(20) })],
    ['without a nonce', (sealed) => ({ ...sealed, nonce: undefined })],
  ])('is refused %s', async (_, change) => {
    const answer = await node.request('POST', '/v1/encryption/decrypt', change(await sealedForNode('refused')));
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('refused');
  });

  test('cannot be made for a receiver with an invalid key: the request to seal it is refused', async () => {
    const body = { plaintext: 'x', client_public_key: '0xabcd' };
    expect((await app.request('POST', '/v1/encryption/encrypt', body)).status).toBe(400);
  });
});

describe('the attestation', () => {
  test('is CBOR that contains the key and is marked as emulated', async () => {
    const answer = await fetch(`${node.url}/v1/attestation`, { method: 'POST', body: JSON.stringify({ nonce: 'bm9uY2U=' }) });
    expect(answer.headers.get('content-type')).toBe('application/cbor');
    const document = decode(new Uint8Array(await answer.arrayBuffer())) as Record<string, unknown>;
    expect(document).toMatchObject({ emulated: true });
    expect(Buffer.from(document['public_key'] as Uint8Array).toString('hex')).toBe(node.enclave.teePubkey);
  });
});

describe('a request', () => {
  test.each<['GET' | 'POST', string, unknown, number]>([
    ['POST', '/v1/eth/sign', 'no json', 400],
    ['POST', '/v1/eth/sign', [], 400],
    ['POST', '/v1/eth/sign', { message: 17 }, 400],
    ['POST', '/v1/eth/address', {}, 405],
    ['GET', '/v1/eth/sign', undefined, 405],
    ['GET', '/v1/nothing', undefined, 404],
    ['GET', '/__proto__', undefined, 404],
    ['POST', '/emulator/fault', { route: '*', kind: 'fail' }, 404],
  ])('%s %s with %j is refused with status %i', async (method, path, body, status) => {
    expect((await node.request(method, path, body)).status).toBe(status);
  });

  test('of 10 MiB is accepted', async () => {
    const frame = JSON.stringify({ message: '' }).length;
    const answer = await node.request('POST', '/v1/eth/sign', { message: 'x'.repeat(ENCLAVE_BODY_BYTES - frame) });
    expect(answer.status).toBe(200);
  });

  test('of more than 10 MiB is answered with 413, whether or not it announces its length', async () => {
    const body = JSON.stringify({ message: 'x'.repeat(ENCLAVE_BODY_BYTES) });
    expect((await node.request('POST', '/v1/eth/sign', body)).status).toBe(413);
    const stream = new Blob([body]).stream();
    const answer = await fetch(`${node.url}/v1/eth/sign`, { method: 'POST', body: stream, duplex: 'half' });
    expect(answer.status).toBe(413);
  });

  test('that is not HTTP does not stop the server', async () => {
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1');
    socket.end('\x16\x03\x01 garbage\r\n\r\n');
    await new Promise((resolve) => socket.resume().once('close', resolve));
    expect((await node.request('GET', '/v1/random')).status).toBe(200);
  });
});

describe('an emulator that allows faults', () => {
  let faulty: RunningEmulator;

  beforeAll(async () => {
    faulty = await runningEmulator('faulty', true);
  });

  afterAll(async () => {
    await faulty.close();
  });

  test('fails the requested number of times, and only on the requested route', async () => {
    await faulty.request('POST', '/emulator/fault', { route: '/v1/random', kind: 'fail', times: 2 });
    const statuses: number[] = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await faulty.request('GET', '/v1/random')).status);
    expect(statuses).toEqual([500, 500, 200]);
    expect((await faulty.request('GET', '/v1/eth/address')).status).toBe(200);
  });

  test('fails on every route until the fault is cleared', async () => {
    await faulty.request('POST', '/emulator/fault', { route: '*', kind: 'fail' });
    expect((await faulty.request('GET', '/v1/random')).status).toBe(500);
    expect((await faulty.request('GET', '/v1/eth/address')).status).toBe(500);
    await faulty.request('POST', '/emulator/fault', { route: '*', kind: 'none' });
    expect((await faulty.request('GET', '/v1/random')).status).toBe(200);
  });
});
