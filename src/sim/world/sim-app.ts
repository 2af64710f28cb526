/** An app with a registered instance. It sends requests through the product's own client code and returns the outcomes. */
import { deleteRequest, getRequest, listRequest, putRequest } from '../../client/data.ts';
import { deriveRequest } from '../../client/derive.ts';
import { AttemptError, KmsClientError } from '../../client/errors.ts';
import { NodeExchange, type KmsRequest } from '../../client/node-exchange.ts';
import type { KmsNode } from '../../client/node-list.ts';
import { walletOfPrivateKey } from '../../crypto/signature.ts';
import type { TeePubkey, Wallet } from '../../domain/ids.ts';
import { MAX_ACK_TIMEOUT_MS, MAX_MEMBERS } from '../../domain/limits.ts';
import type { RequestStep } from '../scenario.ts';
import { SeededRandom } from './seeded.ts';
import type { SimChain } from './sim-chain.ts';
import { SimClock } from './sim-clock.ts';
import { GOOD_ENCLAVE, SimEnclave } from './sim-enclave.ts';
import type { SimNetwork } from './sim-network.ts';
import type { Owner, Timeline } from './timeline.ts';

const ATTEMPT_TIMEOUT_MS = 10_000;
/** Number of different addresses from which apps send requests. */
const ADDRESSES = 250;

export interface SimAppModules {
  readonly seed: string;
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly network: SimNetwork;
}

/** How a request ended: `ok`, or the code of the error. */
export interface RequestOutcome {
  readonly outcome: string;
  readonly answer: Record<string, unknown> | null;
}

export class SimApp {
  readonly appId: number;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly #random: SeededRandom;
  readonly #enclave: SimEnclave;
  readonly #clock: SimClock;
  readonly #owner: Owner;
  /** All requests share this client, because it keeps spare nonces and what it has learned about each node. */
  readonly #exchange: NodeExchange;

  constructor(appId: number, modules: SimAppModules) {
    const { seed, timeline, chain } = modules;
    this.appId = appId;
    this.#owner = { name: `app ${appId}`, gone: false, frozenUntilMs: 0 };
    this.#clock = new SimClock(timeline, this.#owner);
    this.#random = new SeededRandom(`${seed}/values of app ${appId}`);
    const walletKey = new SeededRandom(`${seed}/wallet of app ${appId}`).bytes(32);
    this.wallet = walletOfPrivateKey(walletKey);
    const nothing = (): void => undefined;
    this.#enclave = new SimEnclave(walletKey, {
      timeline,
      owner: this.#owner,
      clock: this.#clock,
      random: new SeededRandom(`${seed}/enclave of app ${appId}`),
      chain,
      behaviour: { ...GOOD_ENCLAVE },
      onFault: nothing,
      onSealing: nothing,
      onCandidate: nothing,
    });
    this.teePubkey = this.#enclave.teePubkey;
    const transport = modules.network.transportOf(this.#owner, this.#clock, `10.1.0.${appId % ADDRESSES}`);
    this.#exchange = new NodeExchange({ attemptTimeoutMs: ATTEMPT_TIMEOUT_MS }, { clock: this.#clock, transport, identity: this.#enclave });
  }

  /** Sends one request. Never throws because of a node's behaviour. */
  ask(node: KmsNode, step: RequestStep): Promise<RequestOutcome> {
    return this.#ask(node, this.#requestFor(step));
  }

  /**
   * Sends a write that requires more acknowledgements than there are nodes, so the node waits for the longest allowed time. Like `ask`,
   * never throws because of a node's behaviour.
   */
  hold(node: KmsNode, key: string): Promise<RequestOutcome> {
    return this.#ask(node, asRecord(putRequest({ key, value: this.#random.bytes(16), acks: MAX_MEMBERS, ackTimeoutMs: MAX_ACK_TIMEOUT_MS })));
  }

  async #ask(node: KmsNode, request: KmsRequest<Record<string, unknown>>): Promise<RequestOutcome> {
    try {
      const answer = await this.#exchange.request(node, request, new AbortController().signal);
      return { outcome: 'ok', answer };
    } catch (error) {
      if (error instanceof KmsClientError) return { outcome: error.serverCode ?? error.code, answer: null };
      if (error instanceof AttemptError) return { outcome: error.failure, answer: null };
      throw error;
    }
  }

  #requestFor(step: RequestStep): KmsRequest<Record<string, unknown>> {
    const { key, bytes, ttlMs, acks, value: text } = step;
    switch (step.do) {
      case 'put': {
        const value = text === undefined ? this.#random.bytes(bytes) : Uint8Array.from(Buffer.from(text));
        return asRecord(putRequest({ key, value, ...(ttlMs > 0 ? { ttlMs } : {}), ...(acks > 0 ? { acks } : {}) }));
      }
      case 'delete':
        return asRecord(deleteRequest({ key, ...(acks > 0 ? { acks } : {}) }));
      case 'get':
        return asRecord(getRequest(key));
      case 'list':
        return asRecord(listRequest({}));
      case 'derive':
        return asRecord(deriveRequest({ path: key }));
    }
  }
}

function asRecord(request: object): KmsRequest<Record<string, unknown>> {
  return request as KmsRequest<Record<string, unknown>>;
}
