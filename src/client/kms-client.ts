/**
 * The client of a KMS cluster for apps. It finds the nodes in the registry, asks one, checks who answered, and asks the next node
 * if the first one fails.
 *
 *   const kms = createKmsClient({
 *     registry: '0x0f68..',
 *     chain: { rpcUrl: 'http://127.0.0.1:18545' },
 *     identity: { odynUrl: 'http://127.0.0.1:18000' },
 *   });
 *   const { key } = await kms.derive({ path: 'sessions' });
 */
import { OdynClient } from '../enclave/odyn-client.ts';
import { hasReadableLogin } from '../domain/endpoint.ts';
import { parseWallet, type TeePubkey, type Wallet } from '../domain/ids.ts';
import type { Clock, Transport } from '../domain/ports.ts';
import { PeerTransport } from '../net/peer-transport.ts';
import type { ProxySettings } from '../net/way-out.ts';
import { systemClock, systemRandom } from '../system/system.ts';
import { ChainSource } from './chain-source.ts';
import {
  deleteRequest,
  getRequest,
  listRequest,
  putRequest,
  type DeleteArguments,
  type DeleteResult,
  type KeyList,
  type ListArguments,
  type PutArguments,
  type PutResult,
  type StoredValue,
} from './data.ts';
import { deriveRequest, type DeriveArguments, type DerivedKey } from './derive.ts';
import { KmsClientError } from './errors.ts';
import { FailOver } from './fail-over.ts';
import { LocalIdentity } from './local-identity.ts';
import { NodeExchange, type KmsRequest } from './node-exchange.ts';
import { NodeList, type KmsNode } from './node-list.ts';
import { readNodeStatus, type ReceivedStatus } from './node-status.ts';
import {
  DEFAULTS,
  type CallOptions,
  type ClientIdentity,
  type KmsClientModules,
  type KmsClientOptions,
  type MembershipSource,
} from './options.ts';

const DIRECT: ProxySettings = { noProxy: '' };

interface ClientParts {
  readonly identity: ClientIdentity;
  readonly transport: Transport;
  readonly nodes: NodeList;
  readonly failOver: FailOver;
  /** Aborted when the client closes. */
  readonly closing: AbortController;
  /** The client calls these functions, in this order, when it closes. */
  readonly closers: readonly (() => Promise<void> | void)[];
}

export class KmsClient {
  readonly #parts: ClientParts;
  readonly #closing: AbortController;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.#closing = parts.closing;
  }

  /**
   * Derives a key for this app: HKDF-SHA256 over the cluster's master secret. The same path always results in the same key, regardless of
   * which node answers.
   * @throws KmsClientError
   */
  async derive(arguments_: DeriveArguments, options: CallOptions = {}): Promise<DerivedKey> {
    const { answer, node } = await this.#call(deriveRequest(arguments_), options);
    return { ...answer, node };
  }

  /**
   * Stores a value under a key of this app. The answering node has it immediately, the others soon after.
   * @throws KmsClientError; refused with `not_replicated`: the write is kept and continues to replicate
   */
  async put(arguments_: PutArguments, options: CallOptions = {}): Promise<PutResult> {
    const { answer, node } = await this.#call(putRequest(arguments_), options);
    return { ...answer, node };
  }

  /** The value under a key; null when the key is absent. @throws KmsClientError */
  async get(key: string, options: CallOptions = {}): Promise<StoredValue | null> {
    const answered = await this.#orAbsent(getRequest(key), options);
    return answered === null ? null : { ...answered.answer, node: answered.node };
  }

  /**
   * Deletes a key. The answering node deletes it immediately, the others soon after. When the nodes say that the key is absent, `deleted`
   * is false and `node` is null. This also happens when an earlier attempt deleted the key but the answer was lost.
   * @throws KmsClientError; refused with `not_replicated`: the key is deleted, and the delete continues to replicate
   */
  async delete(arguments_: DeleteArguments, options: CallOptions = {}): Promise<DeleteResult> {
    const answered = await this.#orAbsent(deleteRequest(arguments_), options);
    if (answered === null) return { deleted: false, acks: undefined, node: null };
    return { deleted: true, ...answered.answer, node: answered.node };
  }

  /** This app's keys in order: all keys, or one page. @throws KmsClientError */
  async list(arguments_: ListArguments = {}, options: CallOptions = {}): Promise<KeyList> {
    const { answer, node } = await this.#call(listRequest(arguments_), options);
    return { ...answer, node };
  }

  /** The wallet and public key that identify this app to the nodes; both must be registered. @throws KmsClientError identity_unavailable */
  async identity(): Promise<{ readonly wallet: Wallet; readonly teePubkey: TeePubkey }> {
    const { identity } = this.#parts;
    try {
      const [wallet, teePubkey] = await Promise.all([identity.address(), identity.publicKey()]);
      return { wallet, teePubkey };
    } catch {
      throw new KmsClientError('identity_unavailable', "the caller's own enclave failed");
    }
  }

  /** The usable nodes in the registry; a list older than `nodesTtlMs` is read again. @throws KmsClientError registry_unavailable */
  async nodes(options: Pick<CallOptions, 'signal'> = {}): Promise<readonly KmsNode[]> {
    const signal = this.#signal(options.signal);
    try {
      signal.throwIfAborted();
      return await this.#parts.nodes.current(signal);
    } catch (error) {
      throw this.#judgeAbort(error, signal);
    }
  }

  /** The status that the node at a URL reports. @throws KmsClientError unavailable, timeout, bad_answer */
  async status(url: string, options: Pick<CallOptions, 'signal'> = {}): Promise<ReceivedStatus> {
    const signal = this.#signal(options.signal);
    try {
      return await readNodeStatus(url, signal, { transport: this.#parts.transport });
    } catch (error) {
      throw this.#judgeAbort(error, signal);
    }
  }

  /** Aborts the calls in progress and wipes the keys that this client holds. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new KmsClientError('closed', 'the client was closed'));
    for (const close of this.#parts.closers) await close();
  }

  /** Makes the call; returns null when the nodes say that the key is absent. */
  async #orAbsent<Answer>(request: KmsRequest<Answer>, options: CallOptions) {
    try {
      return await this.#call(request, options);
    } catch (error) {
      if (error instanceof KmsClientError && error.code === 'refused' && error.serverCode === 'not_found') return null;
      throw error;
    }
  }

  async #call<Answer>(request: KmsRequest<Answer>, options: CallOptions) {
    const signal = this.#signal(options.signal);
    try {
      return await this.#parts.failOver.call(request, { ...options, signal });
    } catch (error) {
      throw this.#judgeAbort(error, signal);
    }
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal]);
  }

  #judgeAbort(error: unknown, signal: AbortSignal): unknown {
    if (this.#closing.signal.aborted) return this.#closing.signal.reason;
    if (signal.aborted && !(error instanceof KmsClientError)) return new KmsClientError('aborted', 'the call was aborted');
    return error;
  }
}

/** @throws KmsClientError invalid_argument; the message contains the name of the option */
export function createKmsClient(options: KmsClientOptions, modules: KmsClientModules = {}): KmsClient {
  const clock = modules.clock ?? systemClock;
  const random = modules.random ?? systemRandom;
  const inEnclave = options.inEnclave ?? true;
  const proxy = options.proxy ?? DIRECT;
  const closers: (() => Promise<void> | void)[] = [];
  const transport = modules.transport ?? new PeerTransport({ inEnclave, proxy }, { clock });
  closers.push(() => transport.close?.());
  const identity = makeIdentity(options.identity, { clock, random }, closers);
  const source = makeSource(options, { inEnclave, proxy }, clock, closers);
  const closing = new AbortController();
  const nodes = new NodeList({ ttlMs: limit('nodesTtlMs', options.nodesTtlMs, 0) }, { clock, source, closing: closing.signal });
  const exchange = new NodeExchange(
    { attemptTimeoutMs: limit('attemptTimeoutMs', options.attemptTimeoutMs) },
    { clock, transport, identity },
  );
  const failOver = new FailOver(
    { timeoutMs: limit('timeoutMs', options.timeoutMs), maxAttempts: limit('maxAttempts', options.maxAttempts) },
    { clock, random, nodes, exchange },
  );
  return new KmsClient({ identity, transport, nodes, failOver, closing, closers });
}

function limit(name: 'timeoutMs' | 'attemptTimeoutMs' | 'maxAttempts' | 'nodesTtlMs', given: number | undefined, min = 1): number {
  const value = given ?? DEFAULTS[name];
  if (!Number.isInteger(value) || value < min) throw invalid(`${name} must be a whole number of at least ${min}`);
  return value;
}

function invalid(message: string): KmsClientError {
  return new KmsClientError('invalid_argument', message);
}

function makeIdentity(
  given: KmsClientOptions['identity'],
  modules: { readonly clock: Clock; readonly random: Required<KmsClientModules>['random'] },
  closers: (() => Promise<void> | void)[],
): ClientIdentity {
  if ('odynUrl' in given) {
    if (!URL.canParse(given.odynUrl)) throw invalid('identity.odynUrl must be a URL');
    const odyn = new OdynClient({ baseUrl: given.odynUrl }, modules);
    closers.push(() => odyn.close());
    return odyn;
  }
  if (!('privateKey' in given)) return given;
  try {
    const local = new LocalIdentity(given, modules);
    closers.push(() => local.wipe());
    return local;
  } catch (error) {
    throw error instanceof TypeError ? invalid(error.message) : error;
  }
}

function makeSource(
  options: KmsClientOptions,
  { inEnclave, proxy }: { readonly inEnclave: boolean; readonly proxy: ProxySettings },
  clock: Clock,
  closers: (() => Promise<void> | void)[],
): MembershipSource {
  if ('source' in options.chain) return options.chain.source;
  const { rpcUrl } = options.chain;
  const registry = parseWallet(options.registry);
  if (registry === null) throw invalid('registry must be an address: 0x and 40 hex digits');
  if (!URL.canParse(rpcUrl)) throw invalid('chain.rpcUrl must be a URL');
  if (!hasReadableLogin(rpcUrl)) throw invalid('chain.rpcUrl: the user name and the password must be percent-encoded');
  const { appId = DEFAULTS.appId, confirmations = DEFAULTS.confirmations } = options;
  if (!Number.isSafeInteger(appId) || appId < 1) throw invalid('appId must be a whole number of at least 1');
  if (!Number.isSafeInteger(confirmations) || confirmations < 0) throw invalid('confirmations must be a whole number of at least 0');
  const source = new ChainSource({ rpcUrl, registry, appId, inEnclave, confirmations, proxy }, { clock });
  closers.push(() => source.close());
  return source;
}
