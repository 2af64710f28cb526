/**
 * Two kinds of app: one with our client, one with an imitation of the platform's client. Both report how each request to a node ended.
 */
import { randomBytes } from 'node:crypto';
import { createKmsClient, type KmsClient } from '../../src/client/kms-client.ts';
import { KmsClientError } from '../../src/client/errors.ts';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import type { ClientIdentity } from '../../src/client/options.ts';
import type { DevChain } from '../../src/dev/dev-chain.ts';
import { KMS_APP_ID } from '../../src/dev/dev-chain.ts';
import type { Transport } from '../../src/domain/ports.ts';
import { PeerTransport } from '../../src/net/peer-transport.ts';
import { systemClock, systemRandom } from '../../src/system/system.ts';
import { PlatformClient, type Operation } from '../../test/e2e/support/platform-client.ts';
import type { Answers } from './answers.ts';

/** Our client requires this many acknowledgements for every second write. One would not be enough, because one member may lie. */
const ACKS = 2;
const PROBE_EVERY_CALLS = 40;

/** A call failed on every node that was asked. The message describes the failures in one line. */
export class CallFailed extends Error {}

export interface Taken {
  /** URL of the node that accepted the write. */
  readonly by: string;
  readonly byOthers: boolean;
}

export interface FieldClient {
  derive(path: string): Promise<string>;
  /** If `at`, the URL of a node, is given, no other node is asked. */
  put(key: string, text: string, at?: string): Promise<Taken>;
  /** Null when the nodes report that the key is absent. */
  remove(key: string): Promise<Taken | null>;
  get(key: string, at?: string): Promise<string | null>;
  close(): Promise<void>;
}

export interface WayIn {
  readonly chain: DevChain;
  readonly proxyUrl: string;
  /** The certificate that clients trust when they connect to the nodes with TLS, in PEM. */
  readonly authority: string;
  readonly urls: readonly string[];
  readonly answers: Answers;
}

/** Registers the first instance of a new app. */
export async function newIdentity(chain: DevChain, appId: number): Promise<LocalIdentity> {
  await chain.createApp(appId);
  return newInstance(chain, appId);
}

/** Registers one more instance of an app. */
export async function newInstance(chain: DevChain, appId: number): Promise<LocalIdentity> {
  const identity = new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom });
  await chain.register({ appId, wallet: await identity.address(), teePubkey: await identity.publicKey(), url: 'https://app.test' });
  return identity;
}

export class OwnClient implements FieldClient {
  readonly #client: KmsClient;
  #puts = 0;

  constructor(identity: ClientIdentity, { chain, proxyUrl, answers }: WayIn) {
    const proxy = { httpProxy: proxyUrl, httpsProxy: proxyUrl, noProxy: 'localhost,127.0.0.1' };
    const options = { registry: chain.novaAppRegistry, appId: KMS_APP_ID, chain: { rpcUrl: chain.url }, identity, proxy, nodesTtlMs: 5_000 };
    this.#client = createKmsClient(options, { transport: telling(new PeerTransport({ inEnclave: true, proxy }, { clock: systemClock }), answers) });
  }

  async derive(path: string): Promise<string> {
    const { key } = await this.#call(() => this.#client.derive({ path }));
    return Buffer.from(key).toString('base64');
  }

  async put(key: string, text: string, at?: string): Promise<Taken> {
    this.#puts += 1;
    const acks = this.#puts % 2 === 0 ? { acks: ACKS } : {};
    const taken = await this.#call(() => this.#client.put({ key, value: Buffer.from(text), ...acks }, at === undefined ? {} : { node: at }));
    return { by: taken.node.url, byOthers: (taken.acks ?? 0) >= ACKS };
  }

  async remove(key: string): Promise<Taken | null> {
    const { node } = await this.#call(() => this.#client.delete({ key }));
    return node === null ? null : { by: node.url, byOthers: false };
  }

  async get(key: string, at?: string): Promise<string | null> {
    const stored = await this.#call(() => this.#client.get(key, at === undefined ? {} : { node: at }));
    return stored === null ? null : Buffer.from(stored.value).toString();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof KmsClientError)) throw error;
      throw new CallFailed(`${error.code} ${error.serverCode ?? ''}: ${endings(error.attempts.map(({ failure, status }) => `${failure} ${status ?? ''}`))}`, { cause: error });
    }
  }
}

export class PlatformApp implements FieldClient {
  readonly #client: PlatformClient;
  readonly #urls: readonly string[];
  readonly #answers: Answers;
  #calls = 0;

  constructor(identity: ClientIdentity, { urls, proxyUrl, authority, answers }: WayIn) {
    this.#client = new PlatformClient({ urls, proxyUrl, authority }, { identity });
    this.#urls = urls;
    this.#answers = answers;
  }

  async derive(path: string): Promise<string> {
    const { answer } = await this.#call({ do: 'derive', path });
    return answer!['key'] as string;
  }

  async put(key: string, text: string, at?: string): Promise<Taken> {
    const { by } = await this.#call({ do: 'put', key, value: Buffer.from(text) }, at);
    return { by, byOthers: false };
  }

  async remove(key: string): Promise<Taken | null> {
    const { answer, by } = await this.#call({ do: 'delete', key });
    return answer === null ? null : { by, byOthers: false };
  }

  async get(key: string, at?: string): Promise<string | null> {
    const { answer } = await this.#call({ do: 'get', key }, at);
    return answer === null ? null : Buffer.from(answer['value'] as string, 'base64').toString();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #call(operation: Operation, at?: string) {
    if (this.#calls % PROBE_EVERY_CALLS === 0) await this.#client.probe();
    this.#calls += 1;
    const notes = new Map(this.#urls.map((url) => [url, this.#answers.begin(url)]));
    const { answer, absent, attempts } = await this.#client.call(operation, at);
    for (const { url, status, text } of attempts) notes.get(url)!(status, text);
    const by = attempts.at(-1)?.url ?? '';
    if (answer !== null || (absent && attempts.every(({ end }) => end === 'absent'))) return { answer, by };
    throw new CallFailed(`${operation.do}: ${endings(attempts.map(({ end, status, text }) => `${end} ${status ?? text}`))}`);
  }
}

/** The outcomes of attempts, each listed once. */
function endings(tries: readonly string[]): string {
  return [...new Set(tries.map((each) => each.trim()))].sort().join(', ') || 'no node to ask';
}

/** Records how each request to a node ends. */
function telling(transport: PeerTransport, answers: Answers): Transport & { close(): Promise<void> } {
  return {
    async request(request) {
      const note = answers.begin(new URL(request.url).origin);
      try {
        const answer = await transport.request(request);
        note(answer.status, answer.status < 400 ? '' : Buffer.from(answer.body).toString());
        return answer;
      } catch (error) {
        if (request.signal?.aborted !== true) note(undefined, (error as Error).message);
        throw error;
      }
    },
    close: () => transport.close(),
  };
}
