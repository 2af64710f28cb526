/**
 * A proxy in front of a node. The proxy accepts inner bodies in plain text (protocol.md §3). It signs and seals each request, as an app
 * under `/kms` and as a member at `/sync`, opens the answer, and returns the inner answer with the node's status. Requests to other routes
 * pass unchanged. The proxy compares each answer with the OpenAPI document more strictly than schemathesis can: a field that is not
 * documented is a fault too. If the proxy finds a fault, it answers with 599, a status that the document does not contain.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isJsonObject, parseJson } from '../../src/crypto/json.ts';
import { generateP384 } from '../../src/crypto/p384.ts';
import { parseEnvelope } from '../../src/domain/envelope.ts';
import { MAX_ACK_TIMEOUT_MS } from '../../src/domain/limits.ts';
import { routeOf } from '../../src/http/measure-requests.ts';
import { systemRandom } from '../../src/system/system.ts';
import type { RawAnswer, RawCaller, RawHttp, Target } from '../e2e/support/raw-caller.ts';
import { plainDocument, type Known } from './plain-document.ts';

const OUTSIDE_THE_DOCUMENT = 599;
const DOCUMENT_PATH = '/openapi.json';
/**
 * The path of the document without envelopes (`plain-document.ts`). `/openapi.json` is the node's document, which is under test like any
 * other answer.
 */
export const PLAIN_DOCUMENT_PATH = '/plain-openapi.json';
/**
 * How long a write may wait for acknowledgements. If a write asks for acknowledgements from more members than the cluster has, it waits
 * for the full time, which would be a minute without this limit. Milliseconds.
 */
const MAX_WAIT_MS = 50;
/** Placeholder for the nonce of the proof. The proxy puts the nonce into the body, because no one else knows it. */
const PROOF_NONCE = 'the nonce of x-app-nonce';
/** Headers that are forwarded unchanged. */
const PASSED_HEADERS = ['accept', 'authorization', 'content-type', 'content-encoding'];

export interface ProxyModules {
  readonly http: RawHttp;
  readonly app: RawCaller;
  readonly member: RawCaller;
}

export interface ProxyOptions {
  readonly node: Target;
  /** Key of the HMAC over a member's requests. */
  readonly syncKey: Uint8Array;
}

export class SealingProxy {
  /** The number of answers by route, method and status. */
  readonly answered = new Map<string, number>();
  readonly #options: ProxyOptions;
  readonly #modules: ProxyModules;
  readonly #known: Known;
  readonly #server: Server;

  private constructor(options: ProxyOptions, modules: ProxyModules, known: Known) {
    this.#options = options;
    this.#modules = modules;
    this.#known = known;
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        (error: unknown) => response.writeHead(OUTSIDE_THE_DOCUMENT, { 'content-type': 'text/plain' }).end(String(error)),
      );
    });
  }

  static async start(options: ProxyOptions, modules: ProxyModules): Promise<SealingProxy> {
    const proxy = new SealingProxy(options, modules, await knownFields(options, modules));
    await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #answer(request: IncomingMessage): Promise<{ readonly status: number; readonly headers: Record<string, string>; readonly body: string | Buffer }> {
    const { method = '', url: path = '' } = request;
    if (path === PLAIN_DOCUMENT_PATH) return this.#document();
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const caller = this.#callerOf(path);
    const answer = await this.#send(caller, { method, path, headers: passedOf(request), body });
    this.#count(method, path, answer.status);
    const isSealed = caller !== null && parseEnvelope(answer.json) !== null;
    const text = isSealed ? JSON.stringify(await caller.open(answer)) : answer.text;
    // These modules keep all messages, so that other tests can search them for secrets. This tool has no such search, so it drops them.
    this.#modules.http.outputs.length = 0;
    if (caller !== null) caller.sent.length = 0;
    const kept = ['content-type', 'allow', 'retry-after'].filter((name) => answer.headers[name] !== undefined).map((name) => [name, answer.headers[name]!]);
    return { status: answer.status, headers: Object.fromEntries(kept) as Record<string, string>, body: text };
  }

  async #document() {
    const { json } = await this.#modules.http.get(this.#options.node.localUrl, DOCUMENT_PATH);
    return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(plainDocument(json as Record<string, unknown>, this.#known)) };
  }

  #callerOf(path: string): RawCaller | null {
    if (path.startsWith('/kms/')) return this.#modules.app;
    return path === '/sync' ? this.#modules.member : null;
  }

  async #send(caller: RawCaller | null, { method, path, headers, body }: Sent): Promise<RawAnswer> {
    const { node, syncKey } = this.#options;
    if (caller === null) return this.#modules.http.send(node.localUrl, { method, path, headers, ...(body.length > 0 ? { body } : {}) });
    const sealedErrors = { 'x-nova-sealed-errors': '1' };
    const nonce = await this.#modules.http.nonce(node.localUrl);
    const changes = { nonce, headers: { ...headers, ...sealedErrors }, ...(caller === this.#modules.member ? { syncKey } : {}) };
    // Without a body, there is nothing to seal. The node must say in its answer what is missing.
    return caller.send(node, method, path, inner(body.toString(), nonce), body.length === 0 ? { ...changes, body: '' } : changes);
  }

  #count(method: string, path: string, status: number): void {
    const name = `${routeOf(path)} ${method} ${status}`;
    this.answered.set(name, (this.answered.get(name) ?? 0) + 1);
  }
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function passedOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(PASSED_HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])));
}

/** Values that an OpenAPI document cannot describe: a nonce, the sender, the cursor of a snapshot, and a point on the curve. */
async function knownFields({ node, syncKey }: ProxyOptions, { member }: ProxyModules): Promise<Known> {
  const sender = { sender_wallet: member.wallet };
  const bound = { nonce: PROOF_NONCE };
  const { store_id: storeId } = await member.open(await member.send(node, 'POST', '/sync', { type: 'digest_request', ...sender }, { syncKey }));
  return {
    DeriveRequest: bound,
    PutRequest: bound,
    DeleteRequest: bound,
    DeltaRequest: sender,
    SnapshotRequest: { ...sender, cursor: `${String(storeId)}.0.0.0` },
    DigestRequest: sender,
    MasterSecretRequest: { ...sender, ecdh_pubkey: generateP384(systemRandom).publicKeyDer },
  };
}

/** Puts the nonce of the proof into the body, and shortens the timeout of a write that would wait too long for acknowledgements. */
function inner(text: string, nonce: string): string {
  let body: unknown;
  try {
    body = parseJson(text);
  } catch {
    return text;
  }
  if (!isJsonObject(body)) return text;
  const changed = { ...body, ...(body['nonce'] === PROOF_NONCE ? { nonce } : {}), ...(waitsLong(body) ? { timeout_ms: MAX_WAIT_MS } : {}) };
  return JSON.stringify(changed);
}

function waitsLong({ acks, timeout_ms: timeoutMs = MAX_ACK_TIMEOUT_MS }: Record<string, unknown>): boolean {
  return Number.isInteger(acks) && Number.isInteger(timeoutMs) && Number(timeoutMs) > MAX_WAIT_MS && Number(timeoutMs) <= MAX_ACK_TIMEOUT_MS;
}
