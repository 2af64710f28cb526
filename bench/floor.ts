/**
 * The least that a derive costs in Node, to measure the node against (`npm run bench:requests`): the same exchanges with the
 * caller and with the enclave API, the same cryptography, and nothing else. `node:http` without Express, `undici` without its
 * conveniences; no rules, no limits, no cache but the one caller that is given. Nobody may run it as a node: it holds its secret in the open.
 *
 * Environment: FLOOR_ENCLAVE_URL, FLOOR_SECRET (hex), FLOOR_CALLER (wallet), FLOOR_CALLER_KEY (teePubkey), FLOOR_APP_ID. It prints
 * one JSON line when it listens, and ends with its standard input.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { keccak_256 } from '@noble/hashes/sha3.js';
import secp256k1 from 'secp256k1';
import { Pool } from 'undici';

const environment = (name: string): string => process.env[`FLOOR_${name}`] ?? '';
const secret = Buffer.from(environment('SECRET'), 'hex');
const caller = environment('CALLER');
const callerKey = `0x${environment('CALLER_KEY')}`;
const appId = Number(environment('APP_ID'));
const salt = `nova-kms:app:${appId}`;
const nonces = new Set<string>();
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

async function derive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const envelope = JSON.parse(textOf(chunks)) as Envelope;
  const headers = request.headers as Record<string, string>;
  const [signature, nonce, timestamp] = [headers['x-app-signature']!, headers['x-app-nonce']!, headers['x-app-timestamp']!];
  if (!nonces.delete(nonce) || walletThatSigned(`NovaKMS:AppAuth:${nonce}:${wallet}:${timestamp}`, signature) !== caller) {
    response.writeHead(403).end();
    return;
  }
  const [{ plaintext }, answer] = await Promise.all([
    ask<{ plaintext: string }>('POST', '/v1/encryption/decrypt', { nonce: envelope.nonce, client_public_key: callerKey, encrypted_data: envelope.encrypted_data }),
    ask<{ signature: string }>('POST', '/v1/eth/sign', { message: `NovaKMS:Response:${signature}:${wallet}`, include_attestation: false }),
  ]);
  const { path, length = 32 } = JSON.parse(plaintext) as { path: string; length?: number };
  const key = Buffer.from(hkdfSync('sha256', secret, salt, path, length)).toString('base64');
  const inner = JSON.stringify({ app_id: appId, path, key, length });
  const sealed = await ask<Envelope & { enclave_public_key: string }>('POST', '/v1/encryption/encrypt', { plaintext: inner, client_public_key: callerKey });
  const text = JSON.stringify({ sender_tee_pubkey: sealed.enclave_public_key, nonce: sealed.nonce, encrypted_data: sealed.encrypted_data });
  response.writeHead(200, { ...JSON_TYPE, 'x-kms-response-signature': answer.signature }).end(text);
}

const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  if (request.method === 'GET') {
    const nonce = randomBytes(16).toString('base64');
    nonces.add(nonce);
    response.writeHead(200, JSON_TYPE).end(JSON.stringify({ nonce }));
  } else {
    derive(request, response).catch(() => response.destroy());
  }
});

const { address: wallet } = await ask<{ address: string }>('GET', '/v1/eth/address');
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
