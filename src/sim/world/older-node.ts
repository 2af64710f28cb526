/**
 * An older node, as protocol.md describes it (see §9). Its answer to a delta contains only `merged`. It does not support digests, pages,
 * `store_id`, `request_id` or `next_nonce`, and its snapshot contains all its records. It gives each caller at most 30 nonces per minute.
 * In the clock of a record, the node's key is its checksummed wallet. It counts its writes of each record separately. It merges records
 * like all other nodes.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { getAddress, keccak256 } from 'viem';
import { aesGcmSeal, AEAD_NONCE_BYTES } from '../../crypto/aead.ts';
import { canonicalJson } from '../../crypto/canonical-json.ts';
import { DATA_KEY_PATH, deriveKey, SYNC_KEY_PATH } from '../../crypto/derivation.ts';
import { peerAuthMessage, responseMessage } from '../../crypto/messages.ts';
import { generateP384 } from '../../crypto/p384.ts';
import { openSecret, sealSecret } from '../../crypto/sealed-secret.ts';
import { recoverEip191, walletOfPrivateKey } from '../../crypto/signature.ts';
import { parseEnvelope, toWireEnvelope } from '../../domain/envelope.ts';
import type { TeePubkey, Wallet } from '../../domain/ids.ts';
import { memberEndpoint } from '../../domain/membership.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../domain/ports.ts';
import type { WireRecord } from '../../domain/records.ts';
import { isWellFormed, mergeOf } from '../watch/reference.ts';
import { isMember } from '../watch/node-watch.ts';
import { SeededRandom } from './seeded.ts';
import type { SimChain, SimInstance } from './sim-chain.ts';
import { SimClock } from './sim-clock.ts';
import { GOOD_ENCLAVE, SimEnclave } from './sim-enclave.ts';
import type { Server, SimNetwork } from './sim-network.ts';
import type { Owner, Timeline } from './timeline.ts';

const NONCES_PER_MINUTE = 30;
const MINUTE_MS = 60_000;
const TICK_MS = 30_000;
const WRITE_EVERY_MS = 25_000;
const KEYS = 20;
const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const SECRET_BYTES = 32;

type Inner = Record<string, unknown>;

export interface OlderNodeModules {
  readonly seed: string;
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly network: SimNetwork;
  readonly appIds: readonly number[];
  /** Called when the node has answered a message. */
  readonly onServed: () => void;
  /** Called with the address of a caller that asks for more nonces than it may get per minute. */
  readonly onRefused: (address: string) => void;
  /** Called when the node writes this key. */
  readonly onWrite: (appId: string, key: string) => void;
}

export class OlderNode implements Server {
  readonly name: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly url: string;
  readonly owner: Owner;
  readonly #modules: OlderNodeModules;
  readonly #random: SeededRandom;
  readonly #clock: SimClock;
  readonly #enclave: SimEnclave;
  readonly #transport: Transport;
  #secret: Uint8Array | null = null;
  readonly #apps = new Map<string, Map<string, WireRecord>>();
  readonly #nonces = new Set<string>();
  /** The times at which each caller got a nonce, by the caller's address. Simulated milliseconds. */
  readonly #given = new Map<string, number[]>();

  /** @param place the position among all instances */
  constructor(name: string, place: number, modules: OlderNodeModules) {
    const { seed, timeline, chain, network } = modules;
    this.name = name;
    this.#modules = modules;
    this.#random = new SeededRandom(`${seed}/${name}`);
    this.owner = { name, gone: false, frozenUntilMs: 0 };
    this.#clock = new SimClock(timeline, this.owner);
    const walletKey = this.#random.bytes(SECRET_BYTES);
    this.wallet = walletOfPrivateKey(walletKey);
    const nothing = (): void => undefined;
    this.#enclave = new SimEnclave(walletKey, {
      timeline,
      chain,
      owner: this.owner,
      clock: this.#clock,
      random: new SeededRandom(`${seed}/enclave of ${name}`),
      behaviour: { ...GOOD_ENCLAVE },
      onFault: nothing,
      onSealing: nothing,
      onCandidate: nothing,
    });
    this.teePubkey = this.#enclave.teePubkey;
    this.url = `https://${name}.sim`;
    this.#transport = network.transportOf(this.owner, this.#clock, `10.0.0.${place + 1}`);
    network.listen(`${name}.sim`, this);
  }

  start(): void {
    const tick = (): void => {
      void this.#tick();
      this.#clock.setTimeout(tick, TICK_MS);
    };
    const write = (): void => {
      void this.#write();
      this.#clock.setTimeout(write, WRITE_EVERY_MS);
    };
    tick();
    this.#clock.setTimeout(write, WRITE_EVERY_MS);
  }

  /** The records of an app. */
  recordsOf(appId: string): ReadonlyMap<string, WireRecord> {
    return this.#apps.get(appId) ?? new Map<string, WireRecord>();
  }

  get hasSecret(): boolean {
    return this.#secret !== null;
  }

  serving(): null {
    return null;
  }

  answering(answer: TransportAnswer): TransportAnswer {
    return answer;
  }

  async respond(request: TransportRequest, address: string): Promise<TransportAnswer> {
    const { pathname } = new URL(request.url);
    if (pathname === '/nonce') return this.#giveNonce(address);
    if (pathname === '/status') return answerOf(200, {});
    return pathname === '/sync' ? this.#serve(request) : answerOf(404, { code: 'not_found', message: 'there is nothing' });
  }

  #giveNonce(address: string): TransportAnswer {
    const nowMs = this.#modules.timeline.nowMs;
    const given = (this.#given.get(address) ?? []).filter((atMs) => nowMs - atMs < MINUTE_MS);
    this.#given.set(address, given);
    if (given.length >= NONCES_PER_MINUTE) {
      this.#modules.onRefused(address);
      return answerOf(429, { code: 'rate_limited', message: 'too many requests' }, { 'retry-after': '10' });
    }
    given.push(nowMs);
    const nonce = Buffer.from(this.#random.bytes(16)).toString('base64');
    this.#nonces.add(nonce);
    return answerOf(200, { nonce });
  }

  async #serve({ headers = {}, body = '' }: TransportRequest): Promise<TransportAnswer> {
    const { 'x-kms-signature': signature = '', 'x-kms-nonce': nonce = '', 'x-kms-timestamp': timestamp = '' } = headers;
    const sender = this.#memberOf(recoverEip191(peerAuthMessage(nonce, this.wallet, timestamp), signature));
    if (!this.#nonces.delete(nonce) || sender === null) return answerOf(403, { code: 'forbidden', message: 'the caller is not known' });
    if (this.#secret === null) return answerOf(503, { code: 'service_unavailable', message: 'there is no master secret here' });
    const wire = JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>;
    const sealed = parseEnvelope(wire);
    const text = sealed === null ? null : await this.#enclave.decrypt(sealed).catch(() => null);
    const message = text === null ? null : (JSON.parse(text) as Inner);
    if (message === null) return answerOf(400, { code: 'bad_request', message: 'this is not an envelope for this node' });
    if (message['type'] !== 'master_secret_request' && headers['x-sync-signature'] !== this.#hmac(wire)) {
      return answerOf(403, { code: 'forbidden', message: 'the signature of the envelope is wrong' });
    }
    const inner = this.#answer(message, this.#secret);
    if (inner === null) return answerOf(403, { code: 'forbidden', message: 'unknown sync type' });
    this.#modules.onServed();
    const reply = toWireEnvelope(await this.#enclave.encrypt(JSON.stringify(inner), sender.teePubkey as TeePubkey));
    return answerOf(200, reply, { 'x-kms-peer-signature': await this.#enclave.sign(responseMessage(signature, this.wallet)) });
  }

  /** @returns null for an unknown type of message */
  #answer(message: Inner, secret: Uint8Array): Inner | null {
    switch (message['type']) {
      case 'delta':
        return { status: 'ok', merged: this.#merge(message['data'] as Readonly<Record<string, readonly unknown[]>>) };
      case 'snapshot_request':
        return { status: 'ok', data: Object.fromEntries([...this.#apps].map(([appId, records]) => [appId, [...records.values()]])) };
      case 'master_secret_request': {
        const recipient = String(message['ecdh_pubkey']).toLowerCase();
        return { status: 'ok', sealed: sealSecret(generateP384(this.#random), recipient, this.#random.bytes(AEAD_NONCE_BYTES), secret) };
      }
      default:
        return null;
    }
  }

  #merge(data: Readonly<Record<string, readonly unknown[]>>): number {
    let merged = 0;
    for (const [appId, records] of Object.entries(data)) {
      const held = this.#apps.get(appId) ?? new Map<string, WireRecord>();
      this.#apps.set(appId, held);
      for (const record of records) {
        if (!isWellFormed(record)) continue;
        const before = held.get(record.key) ?? null;
        const after = mergeOf(before, record);
        if (before === null || after.value !== before.value || after.updated_at_ms !== before.updated_at_ms) merged += 1;
        held.set(record.key, after);
      }
    }
    return merged;
  }

  /** Like all nodes, an older node needs the secret whose hash is `CONFIRMATIONS` blocks deep. It asks one member after another for it. */
  async #tick(): Promise<void> {
    const { hash } = this.#modules.chain.deepState;
    if (this.#secret !== null && keccak256(this.#secret) === hash) return;
    this.#secret = null;
    this.#apps.clear();
    for (const member of this.#members()) {
      const keys = generateP384(this.#random);
      const answer = await this.#ask(member, { type: 'master_secret_request', ecdh_pubkey: keys.publicKeyDer });
      const secret = answer === null ? null : openSecret(keys, answer['sealed']);
      if (secret === null || keccak256(secret) !== hash) continue;
      this.#secret = secret;
      const snapshot = await this.#ask(member, { type: 'snapshot_request' });
      if (snapshot !== null) this.#merge(snapshot['data'] as Readonly<Record<string, readonly unknown[]>>);
      return;
    }
  }

  /** Writes one key and pushes it to each member only once. If a member does not accept it, no later push repeats it (protocol.md §9.4). */
  async #write(): Promise<void> {
    if (this.#secret === null) return;
    const appId = String(this.#random.pick(this.#modules.appIds));
    const key = `older ${this.#random.between(1, KEYS)}`;
    const held = this.#apps.get(appId)?.get(key);
    const clockKey = getAddress(this.wallet);
    const record: WireRecord = {
      key,
      value: Buffer.from(this.#sealValue(appId, this.#random.bytes(40))).toString('hex'),
      version: { ...held?.version, [clockKey]: (held?.version[clockKey] ?? 0) + 1 },
      updated_at_ms: Math.max(this.#clock.nowMs(), (held?.updated_at_ms ?? 0) + 1),
      tombstone: false,
      ttl_ms: 0,
    };
    this.#modules.onWrite(appId, key);
    this.#merge({ [appId]: [record] });
    await Promise.all(this.#members().map((member) => this.#ask(member, { type: 'delta', data: { [appId]: [record] } })));
  }

  #sealValue(appId: string, value: Uint8Array): Uint8Array {
    const nonce = this.#random.bytes(AEAD_NONCE_BYTES);
    return Buffer.concat([nonce, aesGcmSeal(this.#key(appId, DATA_KEY_PATH), nonce, value)]);
  }

  #key(appId: string | number, path: string): KeyObject {
    return createSecretKey(deriveKey(this.#secret ?? new Uint8Array(SECRET_BYTES), appId, path, SECRET_BYTES));
  }

  #hmac(envelope: object): string {
    return createHmac('sha256', this.#key(0, SYNC_KEY_PATH)).update(canonicalJson(envelope), 'utf8').digest('hex');
  }

  /** @returns the inner answer; null after any failure */
  async #ask(member: SimInstance, message: Inner): Promise<Inner | null> {
    const options = { timeoutMs: TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
    try {
      const nonced = await this.#transport.request({ method: 'GET', url: memberEndpoint(member.url, '/nonce'), ...options });
      const { nonce } = JSON.parse(Buffer.from(nonced.body).toString()) as { readonly nonce?: string };
      if (nonced.status !== 200 || nonce === undefined) return null;
      const timestamp = Math.floor(this.#clock.nowMs() / 1_000);
      const signature = await this.#enclave.sign(peerAuthMessage(nonce, member.wallet, timestamp));
      const envelope = toWireEnvelope(await this.#enclave.encrypt(JSON.stringify({ ...message, sender_wallet: this.wallet }), member.teePubkey as TeePubkey));
      const headers = {
        'content-type': 'application/json',
        'x-kms-signature': signature,
        'x-kms-nonce': nonce,
        'x-kms-timestamp': String(timestamp),
        ...(message['type'] === 'master_secret_request' ? {} : { 'x-sync-signature': this.#hmac(envelope) }),
      };
      const answer = await this.#transport.request({ method: 'POST', url: memberEndpoint(member.url, '/sync'), headers, body: JSON.stringify(envelope), ...options });
      const sealed = answer.status === 200 ? parseEnvelope(JSON.parse(Buffer.from(answer.body).toString('utf8'))) : null;
      return sealed === null ? null : (JSON.parse(await this.#enclave.decrypt(sealed)) as Inner);
    } catch {
      // Older nodes ignore any failure. The next tick asks again for the secret, but no push is repeated.
      return null;
    }
  }

  #members(): readonly SimInstance[] {
    const { deepState } = this.#modules.chain;
    return [...deepState.instances.values()].filter((instance) => instance.wallet !== this.wallet && isMember(deepState, instance));
  }

  #memberOf(wallet: Wallet | null): SimInstance | null {
    return this.#members().find((member) => member.wallet === wallet) ?? null;
  }
}

function answerOf(status: number, body: object, headers: Readonly<Record<string, string>> = {}): TransportAnswer {
  return { status, headers, body: Buffer.from(JSON.stringify(body)) };
}
