/**
 * An imitation of the platform's client, through which apps in enclaves reach a KMS node. It is stricter and simpler than the client of
 * this package. It reads the wallet and the key of every node from `/status`, and tries each node three times, each time with a new nonce.
 * It accepts the signature of an answer only with v = 0 or 1, encodes a key in a path as HTML forms do, classifies errors by words in their
 * text, keeps idle connections open, and asks the next node after a 404. All of its traffic is TLS through the enclave's egress proxy.
 */
import { ProxyAgent, request as send } from 'undici';
import type { ClientIdentity } from '../../../src/client/options.ts';
import { appAuthMessage, responseMessage } from '../../../src/crypto/messages.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { parseEnvelope, toWireEnvelope } from '../../../src/domain/envelope.ts';
import { parseTeePubkey, parseWallet, type TeePubkey, type Wallet } from '../../../src/domain/ids.ts';
import { nowSeconds } from './raw-caller.ts';

const TRIES_AT_A_NODE = 3;
/** Timeout of one request. Milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long the client keeps an idle connection open. Milliseconds. */
const IDLE_TIMEOUT_MS = 90_000;
/** The client treats a node as unreachable when the text of an error contains one of these strings. */
export const UNREACHABLE_WORDS = ['timeout', 'timed out', 'connection refused', 'connection reset', 'broken pipe', 'dns error'] as const;
export const ABSENT_WORDS = 'not found';

export type Operation =
  | { readonly do: 'derive'; readonly path: string; readonly context?: string; readonly length?: number }
  | { readonly do: 'put'; readonly key: string; readonly value: Uint8Array; readonly ttlMs?: bigint }
  | { readonly do: 'get' | 'delete'; readonly key: string }
  | { readonly do: 'list' };

/** How one attempt ended: with a good answer, or with the reason why there was none. */
export interface Attempt {
  readonly url: string;
  readonly end: 'answered' | 'absent' | 'unreachable' | 'unsigned' | 'refused';
  /** Status of the answer to the operation or to `/nonce`; undefined if there was no answer. */
  readonly status: number | undefined;
  /** Body of an error. */
  readonly text: string;
}

export interface Result {
  readonly answer: Readonly<Record<string, unknown>> | null;
  /** Whether every node answered that there is no such key. */
  readonly absent: boolean;
  readonly attempts: readonly Attempt[];
}

interface ProbedNode {
  readonly url: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface PlatformClientOptions {
  /** URLs of the members, from the registry. */
  readonly urls: readonly string[];
  /** `HTTPS_PROXY`. */
  readonly proxyUrl: string;
  /** PEM of the authority that signed the nodes' certificates. */
  readonly authority: string;
}

export class PlatformClient {
  readonly #urls: readonly string[];
  readonly #identity: ClientIdentity;
  readonly #agent: ProxyAgent;
  #nodes: readonly ProbedNode[] = [];
  #turn = 0;

  constructor({ urls, proxyUrl, authority }: PlatformClientOptions, modules: { readonly identity: ClientIdentity }) {
    this.#urls = urls;
    this.#identity = modules.identity;
    this.#agent = new ProxyAgent({
      uri: proxyUrl,
      requestTls: { ca: authority },
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      keepAliveMaxTimeout: IDLE_TIMEOUT_MS,
      pipelining: 1,
    });
  }

  /** Asks all nodes for `/status`. A node is usable only if it answers 2xx with its wallet and key. @returns the number of usable nodes */
  async probe(): Promise<number> {
    const probed = await Promise.all(this.#urls.map((url) => this.#probeOne(url)));
    this.#nodes = probed.filter((node) => node !== null);
    return this.#nodes.length;
  }

  /** Tries the nodes in turn; each call begins with the next node. @param onlyAt URL of the only node to ask */
  async call(operation: Operation, onlyAt?: string): Promise<Result> {
    const attempts: Attempt[] = [];
    const first = this.#turn++ % Math.max(1, this.#nodes.length);
    const walk = [...this.#nodes.slice(first), ...this.#nodes.slice(0, first)];
    for (const node of walk.filter(({ url }) => onlyAt === undefined || url === onlyAt)) {
      for (let tries = 0; tries < TRIES_AT_A_NODE; tries += 1) {
        const { attempt, inner } = await this.#try(node, operation);
        attempts.push(attempt);
        if (inner !== null) return { answer: inner, absent: false, attempts };
      }
    }
    return { answer: null, absent: attempts.length > 0 && attempts.every(({ end }) => end === 'absent'), attempts };
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #probeOne(url: string): Promise<ProbedNode | null> {
    const { status, text } = await this.#request(url, { method: 'GET', path: '/status' }).catch(() => ({ status: 0, text: '' }));
    if (status < 200 || status > 299) return null;
    // A node that has just started does not know its wallet yet.
    const { node } = JSON.parse(text) as { readonly node: { readonly tee_wallet: string | null; readonly tee_pubkey: string | null } };
    const [wallet, teePubkey] = [parseWallet(node.tee_wallet ?? ''), parseTeePubkey(node.tee_pubkey ?? '')];
    return wallet === null || teePubkey === null ? null : { url, wallet, teePubkey };
  }

  async #try(node: ProbedNode, operation: Operation): Promise<{ readonly attempt: Attempt; readonly inner: Readonly<Record<string, unknown>> | null }> {
    const { url } = node;
    const failed = (end: Attempt['end'], status: number | undefined, text: string) => ({ attempt: { url, end, status, text }, inner: null });
    try {
      const given = await this.#request(url, { method: 'GET', path: '/nonce' });
      if (given.status !== 200) return failed(endOf(given), given.status, given.text);
      const { nonce } = JSON.parse(given.text) as { readonly nonce: string };
      const timestamp = String(nowSeconds());
      const signature = await this.#identity.sign(appAuthMessage(nonce, node.wallet, timestamp));
      const { method, path, inner } = requestOf(operation);
      const body = inner === null ? undefined : JSON.stringify(toWireEnvelope(await this.#identity.encrypt(inner, node.teePubkey)));
      const headers = {
        'x-app-signature': signature,
        'x-app-nonce': nonce,
        'x-app-timestamp': timestamp,
        'x-app-wallet': await this.#identity.address(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const answer = await this.#request(url, { method, path, headers, ...(body === undefined ? {} : { body }) });
      if (answer.status !== 200) return failed(endOf(answer), answer.status, answer.text);
      if (!isSigned(answer, signature, node.wallet)) return failed('unsigned', 200, '');
      const opened = await this.#identity.decrypt(parseEnvelope(JSON.parse(answer.text))!);
      return { attempt: { url, end: 'answered', status: 200, text: '' }, inner: JSON.parse(opened) as Readonly<Record<string, unknown>> };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The code of a DOMException, such as that of a timeout, is a number.
      return failed('unreachable', undefined, typeof code === 'string' ? code : (error as Error).name);
    }
  }

  async #request(
    url: string,
    { method, path, headers = {}, body }: { readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'; readonly path: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
  ): Promise<Answer> {
    const answer = await send(`${url}${path}`, {
      method,
      headers: { ...headers },
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(body === undefined ? {} : { body }),
    });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }
}

function endOf({ status, text }: Answer): Attempt['end'] {
  const lower = text.toLowerCase();
  if (UNREACHABLE_WORDS.some((words) => lower.includes(words))) return 'unreachable';
  return status === 404 || lower.includes(ABSENT_WORDS) ? 'absent' : 'refused';
}

/** Whether the signature has 65 bytes, ends in 0 or 1, and was made with the wallet that `/status` shows. */
function isSigned({ headers }: Answer, callerSignature: string, wallet: Wallet): boolean {
  const signature = headers['x-kms-response-signature'];
  if (typeof signature !== 'string' || !/^(?:0x)?[0-9a-f]{128}0[01]$/.test(signature)) return false;
  return recoverEip191(responseMessage(callerSignature, wallet), signature) === wallet;
}

/** Encodes as an HTML form does: a space as `+`, a plus as `%2B`, a slash as `%2F`. */
function formEncoded(key: string): string {
  return new URLSearchParams({ '': key }).toString().slice(1);
}

function requestOf(operation: Operation): { readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'; readonly path: string; readonly inner: string | null } {
  switch (operation.do) {
    case 'derive': {
      const { path, context = '', length = 32 } = operation;
      return { method: 'POST', path: '/kms/derive', inner: JSON.stringify({ path, context, length }) };
    }
    case 'put': {
      const { key, value, ttlMs = 0n } = operation;
      const fields = JSON.stringify({ key, value: Buffer.from(value).toString('base64') }).slice(0, -1);
      // JSON.stringify cannot write a 64-bit number.
      return { method: 'PUT', path: '/kms/data', inner: `${fields},"ttl_ms":${ttlMs}}` };
    }
    case 'get':
      return { method: 'GET', path: `/kms/data/${formEncoded(operation.key)}`, inner: null };
    case 'delete':
      return { method: 'DELETE', path: '/kms/data', inner: JSON.stringify({ key: operation.key }) };
    case 'list':
      return { method: 'GET', path: '/kms/data', inner: null };
  }
}
