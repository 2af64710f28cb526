/**
 * The floor: the minimum that a request costs in Node. `npm run bench:requests` compares the node with this program, which has the same
 * exchanges with the caller and with the enclave API, and the same cryptography, but nothing else. It uses `node:http` without Express, and
 * the low-level interface of `undici`. It has no rules and no limits. Instead of reading a registry, it knows one caller. Its store is a
 * Map. Never run it as a node, because it does not protect its secret.
 *
 * Environment: FLOOR_ENCLAVE_URL, FLOOR_SECRET (hex), FLOOR_CALLER (wallet), FLOOR_CALLER_KEY (teePubkey), FLOOR_APP_ID, FLOOR_KEYS (the
 * number of keys at the start) and FLOOR_VALUE_BYTES. It prints one JSON line once it is listening, and ends when its standard input ends.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { keccak_256 } from '@noble/hashes/sha3.js';
import secp256k1 from 'secp256k1';
import { Pool } from 'undici';
import { benchKey } from './bench-key.ts';

const environment = (name: string): string => process.env[`FLOOR_${name}`] ?? '';
const secret = Buffer.from(environment('SECRET'), 'hex');
const caller = environment('CALLER');
const callerKey = `0x${environment('CALLER_KEY')}`;
const appId = Number(environment('APP_ID'));
const salt = `nova-kms:app:${appId}`;
const dataKey = Buffer.from(hkdfSync('sha256', secret, salt, 'data_key', 32));
const IV_BYTES = 12;
const TAG_BYTES = 16;
const nonces = new Set<string>();
/** The stored bytes of each key, in the order of the keys. */
const values = new Map<string, Buffer>();
const pool = new Pool(environment('ENCLAVE_URL'), { connections: 8, pipelining: 4, headersTimeout: 10_000, bodyTimeout: 10_000 });
const JSON_TYPE = { 'content-type': 'application/json' };

function ask<Answer>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = 0;
    const request = body === undefined ? { method, path } : { method, path, headers: JSON_TYPE, body: JSON.stringify(body) };
    pool.dispatch(request, {
      onRequestStart: () => undefined,
      onResponseStart: (_, code) => void (status = code),
      onResponseData: (_, chunk) => void chunks.push(chunk),
      onResponseEnd: () => (status === 200 ? resolve(JSON.parse(textOf(chunks)) as Answer) : reject(new Error(`${path} answered ${status}`))),
      onResponseError: (_, error) => reject(error),
    });
  });
}

function textOf(chunks: readonly Buffer[]): string {
  return (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8');
}

function walletThatSigned(message: string, signature: string): string {
  const text = Buffer.from(message);
  const digest = keccak_256(Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${text.length}`), text]));
  const bytes = Buffer.from(signature.slice(2), 'hex');
  const key = secp256k1.ecdsaRecover(bytes.subarray(0, 64), bytes[64]! % 27, digest, false);
  return `0x${Buffer.from(keccak_256(key.subarray(1)).subarray(12)).toString('hex')}`;
}

interface Envelope {
  readonly nonce: string;
  readonly encrypted_data: string;
}

interface Sealed extends Envelope {
  readonly enclave_public_key: string;
}

/** The signature of a valid proof; null when the request has no valid proof from the only known caller. */
function provenSignature({ headers }: IncomingMessage): string | null {
  const { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp } = headers as Record<string, string>;
  const isProven = nonces.delete(nonce!) && walletThatSigned(`NovaKMS:AppAuth:${nonce}:${wallet}:${timestamp}`, signature!) === caller;
  return isProven ? signature! : null;
}

async function open(request: IncomingMessage): Promise<Inner> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const { nonce, encrypted_data: data } = JSON.parse(textOf(chunks)) as Envelope;
  const { plaintext } = await ask<{ plaintext: string }>('POST', '/v1/encryption/decrypt', { nonce, client_public_key: callerKey, encrypted_data: data });
  return JSON.parse(plaintext) as Inner;
}

async function sign(signature: string): Promise<string> {
  const body = { message: `NovaKMS:Response:${signature}:${wallet}`, include_attestation: false };
  return (await ask<{ signature: string }>('POST', '/v1/eth/sign', body)).signature;
}

function seal(inner: object): Promise<Sealed> {
  return ask<Sealed>('POST', '/v1/encryption/encrypt', { plaintext: JSON.stringify(inner), client_public_key: callerKey });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const signature = provenSignature(request);
  if (signature === null) {
    response.writeHead(403).end();
    return;
  }
  // Like the node, this server has the enclave do two things at once: sign the answer, and open the envelope. If the request has no
  // envelope, the enclave seals the answer instead of opening one.
  const opened = request.method === 'GET' ? null : open(request);
  const [signed, sealed] = await Promise.all([sign(signature), opened === null ? seal(read(request)) : null, opened]);
  const { enclave_public_key: key, nonce, encrypted_data: data } = sealed ?? (await seal(request.method === 'PUT' ? put(await opened!) : derive(await opened!)));
  // Like the node, this server does not escape hex strings.
  const text = `{"sender_tee_pubkey":"${key}","nonce":"${nonce}","encrypted_data":"${data}"}`;
  response.writeHead(200, { ...JSON_TYPE, 'x-kms-response-signature': signed }).end(text);
}

interface Inner {
  readonly path?: string;
  readonly length?: number;
  readonly key?: string;
  readonly value?: string;
}

function derive({ path = '', length = 32 }: Inner): object {
  return { app_id: appId, path, key: Buffer.from(hkdfSync('sha256', secret, salt, path, length)).toString('base64'), length };
}

function put({ key = '', value = '' }: Inner): object {
  values.set(key, stored(Buffer.from(value, 'base64')));
  return { app_id: appId, key, updated_at_ms: 1 };
}

/** The value of one key, or the list of all keys. */
function read({ url = '' }: IncomingMessage): object {
  const asked = /^\/kms\/data\?key=(.*)$/.exec(url)?.[1];
  if (asked === undefined) {
    const keys = [...values.keys()];
    return { app_id: appId, keys, count: keys.length };
  }
  const key = decodeURIComponent(asked);
  const value = values.get(key)!;
  const decipher = createDecipheriv('aes-256-gcm', dataKey, value.subarray(0, IV_BYTES));
  decipher.setAuthTag(value.subarray(-TAG_BYTES));
  const plaintext = Buffer.concat([decipher.update(value.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
  return { app_id: appId, key, value: plaintext.toString('base64'), updated_at_ms: 1 };
}

function stored(value: Uint8Array): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', dataKey, iv);
  return Buffer.concat([iv, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  if (request.url === '/nonce') {
    const nonce = randomBytes(16).toString('base64');
    nonces.add(nonce);
    response.writeHead(200, JSON_TYPE).end(JSON.stringify({ nonce }));
  } else {
    answer(request, response).catch(() => response.destroy());
  }
});

for (let index = 0; index < Number(environment('KEYS')); index += 1) values.set(benchKey(index), stored(randomBytes(Number(environment('VALUE_BYTES')))));
const { address: wallet } = await ask<{ address: string }>('GET', '/v1/eth/address');
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
