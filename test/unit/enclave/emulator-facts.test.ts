/** Observed behaviour of the platform's enclave API (protocol.md §7), as tables. The emulator is exactly as strict as the platform. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decode } from 'cborg';
import fc from 'fast-check';
import { parseTransaction, recoverTransactionAddress } from 'viem';
import { ENCLAVE_BODY_BYTES } from '../../../src/domain/limits.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { parseStrictJson } from '../../../src/enclave/emulator/strict-json.ts';
import { OdynClient } from '../../../src/enclave/odyn-client.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { hasMisreadName } from '../../support/misread-names.ts';
import { runningEmulator, type RunningEmulator } from '../../support/running-emulator.ts';

let api: RunningEmulator;
let older: RunningEmulator;
let app: RunningEmulator;

beforeAll(async () => {
  api = await runningEmulator('api', true);
  older = await runningEmulator('older', false, { info: 'enclaver-ecdh-aes256gcm-v1' });
  app = await runningEmulator('app');
});

afterAll(async () => {
  await Promise.all([api.close(), older.close(), app.close()]);
});

const TRANSACTION = {
  kind: 'structured',
  chain_id: '0x14a34',
  nonce: '0x5',
  max_priority_fee_per_gas: '0x1',
  max_fee_per_gas: '0x2540be400',
  gas_limit: '0x493e0',
};

const sign = (payload: object) => api.request('POST', '/v1/eth/sign-tx', { payload });

/** A message that the app's enclave has sealed for the API's enclave, in the form that the API can decrypt. */
async function sealed(plaintext: string) {
  const { json } = await app.request('POST', '/v1/encryption/encrypt', { plaintext, client_public_key: `0x${api.enclave.teePubkey}` });
  return { nonce: json['nonce'] as string, client_public_key: json['enclave_public_key'] as string, encrypted_data: json['encrypted_data'] as string };
}

const decrypt = (body: unknown) => api.request('POST', '/v1/encryption/decrypt', body);

describe('a signature', () => {
  test.each([
    ['capsule', () => api, [0, 1]],
    ['enclaver', () => older, [27, 28]],
  ] as const)('from an enclave of generation %s ends with one of the two values of v that this generation uses', async (_, emulator, vs) => {
    const seen = new Set<number>();
    for (let count = 0; seen.size < 2 && count < 200; count += 1) {
      const { json } = await emulator().request('POST', '/v1/eth/sign', { message: `message ${count}`, include_attestation: false });
      const signature = json['signature'] as string;
      expect(signature).toMatch(/^0x[0-9a-f]{130}$/);
      expect(recoverEip191(`message ${count}`, signature)).toBe(emulator().enclave.wallet);
      seen.add(Number.parseInt(signature.slice(-2), 16));
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(vs);
  });

  test.each([
    ['capsule', () => api],
    ['enclaver', () => older],
  ] as const)('from an enclave of generation %s is accepted by the client of the node', async (_, emulator) => {
    const client = new OdynClient({ baseUrl: emulator().url }, { clock: new ManualClock() });
    expect(recoverEip191('hello', await client.sign('hello'))).toBe(emulator().enclave.wallet);
    await client.close();
  });
});

describe('an error', () => {
  test.each<[string, string, string, unknown, number]>([
    ['an empty message', 'POST', '/v1/eth/sign', { message: '' }, 400],
    ['a message that is a number', 'POST', '/v1/eth/sign', { message: 7 }, 400],
    ['no body', 'POST', '/v1/eth/sign', '', 400],
    ['a body that is not valid JSON', 'POST', '/v1/eth/sign', 'hello', 400],
    ['a duplicate field', 'POST', '/v1/eth/sign', '{"message":"a","message":"b"}', 400],
    ['a duplicate field whose name is written with an escape the second time', 'POST', '/v1/eth/sign', '{"message":"a","m\\u0065ssage":"b"}', 400],
    ['a duplicate nested field', 'POST', '/v1/eth/sign-tx', '{"payload":{"kind":"structured","kind":"structured"}}', 400],
    ['an unpaired surrogate', 'POST', '/v1/eth/sign', '{"message":"\\ud800"}', 400],
    ['an unpaired surrogate in a plaintext', 'POST', '/v1/encryption/encrypt', '{"plaintext":"\\udc00","client_public_key":"00"}', 400],
    ['bytes that are not valid UTF-8', 'POST', '/v1/eth/sign', Buffer.from('{"message":"\xff"}', 'latin1'), 400],
    ['a byte order mark', 'POST', '/v1/eth/sign', '\ufeff{"message":"a"}', 400],
    ['chain id 0', 'POST', '/v1/eth/sign-tx', { payload: { ...TRANSACTION, chain_id: '0x0' } }, 400],
    ['an unknown kind of transaction', 'POST', '/v1/eth/sign-tx', { payload: { ...TRANSACTION, kind: 'raw' } }, 400],
    ['an invalid key', 'POST', '/v1/encryption/encrypt', { plaintext: 'a', client_public_key: '0xabcd' }, 400],
    ['an attestation nonce that is not valid base64', 'POST', '/v1/attestation', { nonce: '{}' }, 400],
    ['user data that is a string', 'POST', '/v1/attestation', { user_data: 'text' }, 400],
    ['user data that is a list', 'POST', '/v1/attestation', { user_data: [] }, 400],
    ['a public key that is not valid PEM', 'POST', '/v1/attestation', { public_key: 'abcd' }, 400],
    ['a body above 10 MiB', 'POST', '/v1/eth/sign', 'x'.repeat(ENCLAVE_BODY_BYTES + 1), 413],
  ])('for %s is plain text without a content type', async (_, method, path, body, status) => {
    const answer = await api.request(method, path, body);
    expect({ status: answer.status, type: answer.type }).toEqual({ status, type: null });
    expect(answer.text).toMatch(/^[a-z]\w[^{}]*$/);
  });

  test.each([
    ['an unknown route', 'GET', '/v1/nothing', 404],
    ['the wrong method', 'GET', '/v1/eth/sign', 405],
    ['the wrong method for a read', 'POST', '/v1/random', 405],
  ])('for %s has an empty body', async (_, method, path, status) => {
    expect(await api.request(method, path, method === 'POST' ? {} : undefined)).toEqual({ status, type: null, text: '', json: null });
  });

  test.each(['inside', 'requested'])('that happens inside the API, or is requested as a fault, closes the connection without an answer (%s)', async (where) => {
    const broken = await runningEmulator('broken', true);
    if (where === 'inside') broken.enclave.random32 = () => { throw new RangeError('none left'); };
    else await broken.request('POST', '/emulator/fault', { route: '/v1/random', kind: 'close', times: 1 });
    await expect(broken.request('GET', '/v1/random')).rejects.toThrow('fetch failed');
    expect((await broken.request('GET', '/v1/eth/address')).status).toBe(200);
    await broken.close();
  });
});

describe('a ciphertext', () => {
  const isOpened = async (body: unknown): Promise<boolean> => (await decrypt(body)).status === 200;

  test('that was opened can be opened again only after the API has seen 4,096 other pairs of key and nonce, from any client', async () => {
    const first = await sealed('first');
    expect(await isOpened(first)).toBe(true);
    const burn = (number: number) => {
      // A ciphertext that is too short uses up its nonce.
      expect(() => api.enclave.decrypt({ nonce: number.toString(16).padStart(24, '0'), senderPubkey: app.enclave.teePubkey, encryptedData: 'ab' })).toThrow('too short');
    };
    for (let number = 0; number < 4_095; number += 1) burn(number);
    expect(await isOpened(first)).toBe(false);
    burn(4_095);
    burn(4_096);
    expect(await isOpened(first)).toBe(true);
  });

  test('that is too short uses up its nonce', async () => {
    const good = await sealed('burnt');
    expect(await isOpened({ ...good, encrypted_data: good.encrypted_data.slice(0, 30) })).toBe(false);
    expect(await isOpened(good)).toBe(false);
  });

  test('in a malformed body does not use up its nonce', async () => {
    const good = await sealed('kept');
    expect(await isOpened({ ...good, encrypted_data: 'zz' })).toBe(false);
    expect(await isOpened(good)).toBe(true);
  });
});

describe('sign-tx', () => {
  const to = `0x${'6a'.repeat(20)}`;
  const entry = { address: `0x${'6b'.repeat(20)}`, storage_keys: [`0x${'01'.repeat(32)}`] };

  test.each<[string, object, object]>([
    ['without to, value, data and access_list', {}, { chainId: 84_532 }],
    ['with null for to, value, data and access_list', { to: null, value: null, data: null, access_list: null }, { chainId: 84_532 }],
    ['with values for to, value, data and access_list', { to, value: '0x7', data: '0xabcd', access_list: [entry] }, { to, value: 7n, data: '0xabcd', accessList: [{ address: entry.address, storageKeys: entry.storage_keys }] }],
    ['with unknown fields', { to, gas_price: '0x1' }, { to }],
    ['in hex without 0x', { to: to.slice(2), value: '7', data: 'abcd', nonce: '5' }, { to, value: 7n, data: '0xabcd', nonce: 5 }],
  ])('accepts a transaction %s', async (_, change, expected) => {
    const { status, json } = await sign({ ...TRANSACTION, ...change });
    expect(status).toBe(200);
    const raw = json['raw_transaction'] as `0x02${string}`;
    expect(parseTransaction(raw)).toMatchObject(expected);
    expect((await recoverTransactionAddress({ serializedTransaction: raw })).toLowerCase()).toBe(api.enclave.wallet);
    expect(json['signature']).toMatch(/^0x[0-9a-f]{128}0[01]$/);
  });

  test('returns the signature that is in the transaction', async () => {
    const { json } = await sign({ ...TRANSACTION, to });
    const { r, s, yParity } = parseTransaction(json['raw_transaction'] as `0x02${string}`);
    const padded = (text: string | undefined): string => text!.slice(2).padStart(64, '0');
    expect(json['signature']).toBe(`0x${padded(r)}${padded(s)}0${yParity!}`);
  });
});

describe('an attestation', () => {
  const document = async (body: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${api.url}/v1/attestation`, { method: 'POST', body: JSON.stringify(body) });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/cbor']);
    return decode(new Uint8Array(await answer.arrayBuffer())) as Record<string, unknown>;
  };
  const userData = (held: Record<string, unknown>): unknown => JSON.parse(Buffer.from(held['user_data'] as Uint8Array).toString());

  test.each([{}, { nonce: null, public_key: null, user_data: null }])('without data from the caller contains only facts about the enclave: %j', async (body) => {
    const held = await document(body);
    expect([held['nonce'], userData(held)]).toEqual([null, { eth_addr: api.enclave.wallet }]);
    expect(Buffer.from(held['public_key'] as Uint8Array).toString('hex')).toBe(api.enclave.teePubkey);
  });

  test('contains the nonce, key and object of the caller, and adds the wallet of the enclave to the object', async () => {
    const held = await document({ nonce: 'bm9uY2U=', public_key: app.enclave.teePubkeyPem, user_data: { a: 1, eth_addr: 'mine' } });
    expect(Buffer.from(held['nonce'] as Uint8Array).toString()).toBe('nonce');
    expect(Buffer.from(held['public_key'] as Uint8Array).toString('hex')).toBe(app.enclave.teePubkey);
    expect(userData(held)).toEqual({ a: 1, eth_addr: api.enclave.wallet });
  });
});

test('JSON without duplicate names is parsed exactly as JSON.parse parses it', () => {
  const named = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue());
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), named, fc.array(named)), fc.constantFrom(undefined, 2), (value, spaces) => {
      const text = JSON.stringify(value, null, spaces);
      if (!text.isWellFormed() || /\\ud[89a-f]/.test(text) || hasMisreadName(text)) return;
      expect(parseStrictJson(Buffer.from(text))).toEqual(JSON.parse(text));
    }),
  );
});
