/** A node as apps see it, behind the Transport port, with an emulated enclave. The test may change every answer. */
import { createHash } from 'node:crypto';
import { responseMessage } from '../../src/crypto/messages.ts';
import { parseEnvelope, toWireEnvelope } from '../../src/domain/envelope.ts';
import { DependencyError } from '../../src/domain/errors.ts';
import type { TeePubkey } from '../../src/domain/ids.ts';
import type { Member } from '../../src/domain/membership.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/domain/ports.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { memberOf } from './members.ts';
import { answerOf, PEER_NONCE } from './peer-side.ts';
import { SeededRandom } from './seeded-random.ts';

/** The key that all nodes in these tests derive for a path. */
export function keyOf(path: string, length: number): Buffer {
  return Buffer.alloc(length, createHash('sha256').update(path).digest());
}

export interface AppRequest {
  readonly request: TransportRequest;
  /** Empty for a request without a body. */
  readonly inner: Record<string, unknown>;
}

/** Additions that current nodes have and older nodes lack (protocol.md §10). */
export interface Habits {
  /** Repeats the request's nonce in the inner answer. */
  binds: boolean;
  /** Seals the 404 for an absent key in an envelope. */
  seals: boolean;
  /** Sends a nonce for the next request along with the answer. */
  givesNonces: boolean;
}

export type Bend = (answer: TransportAnswer, received: AppRequest, node: NodeSide) => TransportAnswer | Promise<TransportAnswer>;

export class NodeSide {
  readonly enclave: ReturnType<typeof inProcessEnclave>;
  readonly member: Member;
  readonly requests: TransportRequest[] = [];
  readonly received: AppRequest[] = [];
  nonce: (request: TransportRequest) => TransportAnswer | Promise<TransportAnswer> = () => answerOf(200, { nonce: PEER_NONCE });
  bend: Bend = (answer) => answer;
  readonly habits: Habits = { binds: false, seals: false, givesNonces: false };
  /** The stored values in base64, by key. */
  readonly values = new Map<string, string>();
  /** The app's registered key. The answer to a request without a body is sealed to it, because such a request contains no key. */
  appKey: TeePubkey | null = null;
  #nonces = 0;

  constructor(name: string) {
    const clock = { nowMs: () => 0 };
    this.enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom(name), clock });
    const { wallet, teePubkey } = this.enclave.emulated;
    this.member = memberOf(wallet, teePubkey, `https://${name}.test`);
  }

  async serve(request: TransportRequest): Promise<TransportAnswer> {
    this.requests.push(request);
    if (request.url.endsWith('/nonce')) return this.nonce(request);
    const { body } = request;
    const inner = body === undefined ? {} : (JSON.parse(await this.enclave.decrypt(parseEnvelope(JSON.parse(body))!)) as Record<string, unknown>);
    const received = { request, inner };
    this.received.push(received);
    return this.bend(await this.sealedAnswer(received, {}), received, this);
  }

  /** The right answer, with these fields changed. */
  async sealedAnswer(received: AppRequest, changes: object): Promise<TransportAnswer> {
    const { request } = received;
    const { binds, seals, givesNonces } = this.habits;
    const next = givesNonces && request.headers!['x-nova-next-nonce'] === '1' ? { 'x-nova-next-nonce': this.nextNonce() } : {};
    const answer = this.#answerTo(received);
    const bound = binds ? { nonce: request.headers!['x-app-nonce'], ...this.#listingOf(request) } : {};
    if (answer === null) {
      const absence = { code: 'not_found', message: 'there is no such key' };
      const sealed = seals && request.headers!['x-nova-sealed-errors'] === '1';
      return answerOf(404, sealed ? await this.#envelope(request, { ...absence, nonce: request.headers!['x-app-nonce'], ...changes }) : absence, next);
    }
    const signature = await this.enclave.sign(responseMessage(request.headers!['x-app-signature']!, this.member.wallet));
    return answerOf(200, await this.#envelope(request, { ...answer, ...bound, ...changes }), { 'x-kms-response-signature': signature, ...next });
  }

  /** A different nonce each time. */
  nextNonce(): string {
    this.#nonces += 1;
    return Buffer.from(`next nonce ${this.#nonces}`).toString('base64');
  }

  async #envelope(request: TransportRequest, inner: object) {
    const sender = request.body === undefined ? this.appKey! : parseEnvelope(JSON.parse(request.body))!.senderPubkey;
    return toWireEnvelope(await this.enclave.encrypt(JSON.stringify(inner), sender));
  }

  /** The inner answer; null means that there is no such key. */
  #answerTo({ request, inner }: AppRequest): object | null {
    const { searchParams, pathname } = new URL(request.url);
    if (pathname === '/kms/derive') {
      const { path, length } = inner as { readonly path: string; readonly length: number };
      return { app_id: 100, path, key: keyOf(path, length).toString('base64'), length };
    }
    const key = searchParams.get('key') ?? (inner['key'] as string | undefined);
    if (key === undefined) {
      const all = [...this.values.keys()];
      // Older nodes ignore `prefix` and `after`, and list all keys.
      const keys = this.habits.binds ? all.filter((each) => each.startsWith(searchParams.get('prefix') ?? '') && each > (searchParams.get('after') ?? '')) : all;
      return { app_id: 100, keys, count: keys.length };
    }
    if (request.method === 'PUT') {
      this.values.set(key, inner['value'] as string);
      return { app_id: 100, key, updated_at_ms: 1 };
    }
    const value = this.values.get(key);
    if (value === undefined) return null;
    if (request.method === 'GET') return { app_id: 100, key, value, updated_at_ms: 1 };
    this.values.delete(key);
    return { app_id: 100, key, deleted: true };
  }

  #listingOf({ url, method }: TransportRequest): object {
    const { searchParams, pathname } = new URL(url);
    if (method !== 'GET' || pathname !== '/kms/data' || searchParams.has('key')) return {};
    const limit = searchParams.get('limit');
    return { prefix: searchParams.get('prefix'), after: searchParams.get('after'), limit: limit === null ? null : Number(limit) };
  }
}

/** A transport that reaches only these nodes. */
export function transportToNodes(nodes: readonly NodeSide[]): Transport {
  return {
    async request(request) {
      const node = nodes.find(({ member }) => request.url.startsWith(`${member.url}/`));
      if (node === undefined) throw new DependencyError('peer', 'unreachable', 'the peer cannot be reached');
      return node.serve(request);
    },
  };
}
