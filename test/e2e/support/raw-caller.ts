/**
 * Sends requests to a node as any caller can (protocol.md §3). A request is valid unless a test changes it. Unlike the client, this caller
 * checks nothing and never retries. Unlike `fetch`, it can send requests that HTTP does not allow.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { LocalIdentity } from '../../../src/client/local-identity.ts';
import type { ClientIdentity } from '../../../src/client/options.ts';
import { canonicalJson } from '../../../src/crypto/canonical-json.ts';
import { appAuthMessage, peerAuthMessage } from '../../../src/crypto/messages.ts';
import { parseEnvelope, toWireEnvelope, type WireEnvelope } from '../../../src/domain/envelope.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { systemClock, systemRandom } from '../../../src/system/system.ts';
import { undocumented, undocumentedInside } from '../../support/documented.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import type { Output, Secret } from './secret-search.ts';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer;
  /** Sends the body without a content-length. */
  readonly chunked?: boolean;
}

export interface RawAnswer {
  readonly status: number;
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The parsed body; undefined when it is not valid JSON. */
  readonly json: unknown;
}

/** The node to which a request is sent. */
export interface Target {
  readonly localUrl: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
}

/** Plain HTTP to nodes. Keeps all answers except those of `/nonce`, so that a test can search them for secrets. */
export class RawHttp {
  readonly outputs: Output[] = [];
  readonly #isDocumented: boolean;

  /** @param options documented: whether answers must match the OpenAPI document; false for other implementations of a node */
  constructor({ documented = true }: { readonly documented?: boolean } = {}) {
    this.#isDocumented = documented;
  }

  async send(url: string, raw: RawRequest): Promise<RawAnswer> {
    const answer = await exchange(url, raw);
    const { status, headers, text } = answer;
    if (this.#isDocumented) throwUndocumented(raw, answer);
    if (raw.path !== '/nonce') this.outputs.push({ source: `answers of ${url}`, text: `${status} ${JSON.stringify(headers)} ${text}` });
    return answer;
  }

  async get(url: string, path: string): Promise<RawAnswer> {
    return this.send(url, { method: 'GET', path });
  }

  async nonce(url: string): Promise<string> {
    const { json } = await this.get(url, '/nonce');
    return (json as { nonce: string }).nonce;
  }
}

/** @throws Error if the answer does not match the OpenAPI document */
function throwUndocumented({ method, path }: RawRequest, { status, headers, json }: RawAnswer): void {
  const problem = undocumented({ method, path, status, contentType: headers['content-type'], json });
  if (problem !== null) throw new Error(`${method} ${path} answered ${status}, but the answer does not match docs/openapi.json: ${problem}`);
}

async function exchange(url: string, raw: RawRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // By itself, Node.js sends the length of a body only for methods that usually have a body, so not for DELETE.
  const length = raw.body === undefined || raw.chunked === true ? {} : { 'content-length': String(Buffer.byteLength(raw.body)) };
  const given: RawRequest['headers'] = { ...length, ...raw.headers };
  const headers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { hostname, port } = new URL(url);
  const sent = httpRequest({ hostname, port, method: raw.method, path: raw.path, headers, agent: false, timeout: WAIT_TIMEOUT_MS });
  let answered = false;
  sent.once('response', (answer) => {
    answered = true;
    resolve(answer);
  });
  sent.once('timeout', () => sent.destroy(new Error('the node did not answer')));
  // A node that refuses a body closes the connection while the caller is still sending the body.
  sent.on('error', (error) => {
    if (!answered) reject(error);
  });
  if (raw.chunked === true) sent.write(raw.body ?? '');
  sent.end(raw.chunked === true ? undefined : raw.body);
  const answer = await promise;
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  sent.destroy();
  const text = Buffer.concat(chunks).toString('utf8');
  return {
    status: answer.statusCode!,
    headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])),
    text,
    json: parsed(text),
  };
}

/**
 * Connects to the node and sends bytes. @returns everything that the node sends until it closes the connection
 * @param options thenEnd: end this side of the connection after the bytes
 */
export async function sendBytes(port: number, bytes: string | Buffer, options: { readonly thenEnd?: boolean } = {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.setTimeout(WAIT_TIMEOUT_MS, () => socket.destroy(new Error('the node left the connection open')));
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.once('error', (error: NodeJS.ErrnoException) => {
    // If a node closes the connection while more bytes arrive, the connection is reset.
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
  });
  socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  if (options.thenEnd === true) socket.end(bytes);
  else socket.write(bytes);
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** How a test changes a valid request. */
export interface Changes {
  /** Replaces the fresh nonce. */
  readonly nonce?: string;
  /** Unix seconds, as sent. */
  readonly timestamp?: string;
  /** The node's wallet in the signed message. */
  readonly recipient?: Wallet;
  /** Headers that replace those of the proof; undefined removes a header. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** The identity that seals the inner body. */
  readonly sealedBy?: Pick<ClientIdentity, 'encrypt'>;
  /** Changes the envelope before it is sent. */
  readonly envelope?: (good: WireEnvelope) => unknown;
  /** Sent instead of an envelope. */
  readonly body?: string | Buffer;
  readonly chunked?: boolean;
  /** Key of the HMAC over the envelope. */
  readonly syncKey?: Uint8Array;
}

const HEADER_PREFIX = { app: 'x-app-', peer: 'x-kms-' } as const;
const MESSAGE = { app: appAuthMessage, peer: peerAuthMessage } as const;

export class RawCaller {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  /** The secrets that this caller has sent: signatures, nonces and inner bodies. No output may contain them. */
  readonly sent: Secret[] = [];
  readonly #kind: 'app' | 'peer';
  readonly #identity: ClientIdentity;
  readonly #http: RawHttp;
  /** The request to which each answer belongs. */
  readonly #asked = new WeakMap<RawAnswer, Pick<RawRequest, 'method' | 'path'>>();

  private constructor(kind: 'app' | 'peer', who: { readonly wallet: Wallet; readonly teePubkey: TeePubkey }, identity: ClientIdentity, http: RawHttp) {
    this.wallet = who.wallet;
    this.teePubkey = who.teePubkey;
    this.#kind = kind;
    this.#identity = identity;
    this.#http = http;
  }

  static async create(kind: 'app' | 'peer', identity: ClientIdentity, modules: { readonly http: RawHttp }): Promise<RawCaller> {
    const who = { wallet: await identity.address(), teePubkey: await identity.publicKey() };
    return new RawCaller(kind, who, identity, modules.http);
  }

  /** Sends a request with an inner body: an object, or any string. */
  async send(target: Target, method: string, path: string, inner: unknown, changes: Changes = {}): Promise<RawAnswer> {
    const text = typeof inner === 'string' ? inner : JSON.stringify(inner);
    const proof = await this.proof(target, changes);
    const sealed = await (changes.sealedBy ?? this.#identity).encrypt(text, target.teePubkey);
    const good = toWireEnvelope(sealed);
    const body = changes.body ?? JSON.stringify(changes.envelope?.(good) ?? good);
    if (text.length >= 16) this.sent.push({ name: `an inner body for ${path}`, bytes: Buffer.from(text) });
    const hmac = changes.syncKey === undefined ? {} : { 'x-sync-signature': syncHmac(changes.syncKey, body) };
    const answer = await this.#http.send(target.localUrl, {
      method,
      path,
      headers: { 'content-type': 'application/json', ...proof, ...hmac, ...changes.headers },
      body,
      ...(changes.chunked === undefined ? {} : { chunked: changes.chunked }),
    });
    this.#asked.set(answer, { method, path });
    return answer;
  }

  /** The headers that prove the caller's identity. */
  async proof(target: Target, changes: Pick<Changes, 'nonce' | 'timestamp' | 'recipient'> = {}): Promise<Record<string, string>> {
    const nonce = changes.nonce ?? (await this.#http.nonce(target.localUrl));
    const timestamp = changes.timestamp ?? String(nowSeconds());
    const signature = await this.#identity.sign(MESSAGE[this.#kind](nonce, changes.recipient ?? target.wallet, timestamp));
    this.sent.push({ name: 'a signature', bytes: Buffer.from(signature.slice(2), 'hex') });
    if (Buffer.from(nonce, 'base64').length >= 16) this.sent.push({ name: 'a nonce', bytes: Buffer.from(nonce, 'base64'), guessable: 8 });
    const prefix = HEADER_PREFIX[this.#kind];
    return {
      [`${prefix}signature`]: signature,
      [`${prefix}nonce`]: nonce,
      [`${prefix}timestamp`]: timestamp,
      [`${prefix}wallet`]: this.wallet,
    };
  }

  /** The inner body of an answer. @throws Error when it is not an envelope for this caller */
  async open(answer: RawAnswer): Promise<Record<string, unknown>> {
    const sealed = parseEnvelope(answer.json);
    if (sealed === null) throw new Error(`the answer is not an envelope: ${answer.status} ${answer.text.slice(0, 200)}`);
    const inner = JSON.parse(await this.#identity.decrypt(sealed)) as Record<string, unknown>;
    const asked = this.#asked.get(answer);
    const problem = asked === undefined ? null : undocumentedInside({ ...asked, status: answer.status }, inner);
    if (problem !== null) throw new Error(`the inner body of the answer to ${asked!.method} ${asked!.path} does not match docs/openapi.json: ${problem}`);
    return inner;
  }
}

export function nowSeconds(): number {
  return Math.floor(systemClock.nowMs() / 1000);
}

/** HMAC of a body with the sync key (protocol.md §3): over the canonical JSON, or over the bytes if the body is not valid JSON. */
function syncHmac(syncKey: Uint8Array, body: string | Buffer): string {
  const json = parsed(body.toString());
  return createHmac('sha256', syncKey).update(json === undefined ? body : canonicalJson(json)).digest('hex');
}

/** An app with keys in this process. */
export interface RawApp {
  readonly caller: RawCaller;
  /** Its private keys. */
  readonly keys: readonly Secret[];
}

export async function createRawApp(name: string, modules: { readonly http: RawHttp }): Promise<RawApp> {
  const privateKey = randomBytes(32);
  const teeScalar = randomBytes(48);
  // Makes the scalar smaller than the order of P-384.
  teeScalar[0] = 1;
  const identity = new LocalIdentity({ privateKey, teeScalar }, { random: systemRandom });
  const keys = [
    { name: `the wallet key of ${name}`, bytes: privateKey },
    { name: `the enclave key of ${name}`, bytes: teeScalar },
  ];
  return { caller: await RawCaller.create('app', identity, modules), keys };
}
