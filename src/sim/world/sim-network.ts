/**
 * The network between nodes, and from clients to nodes. It carries HTTP requests and answers. Each direction has its own delay and its own
 * faults. The receiver's real code answers the requests.
 */
import type { Express } from 'express';
import { DeadlineError, within } from '../../domain/deadline.ts';
import { DependencyError } from '../../domain/errors.ts';
import type { Clock, Transport, TransportAnswer, TransportRequest } from '../../domain/ports.ts';
import { injectRequest } from './injection.ts';
import type { SeededRandom } from './seeded.ts';
import type { Owner, Timeline } from './timeline.ts';

/** Minimum delay of one direction; the maximum is twice as long. Milliseconds. */
const LATENCY_MS = 2;
/** Maximum extra delay of a delayed or reordered message. Milliseconds. */
const DELAY_MS = 3_000;
const REORDER_MS = 200;

/** The address of every caller that comes through the platform's ingress. */
export const LOOPBACK = '127.0.0.1';

/** The faults that affect messages now, each as the share of messages that it affects. */
export interface Weather {
  loss: number;
  delay: number;
  duplicate: number;
  reorder: number;
  cutHalfWay: number;
}

export const FAIR_WEATHER: Weather = { loss: 0, delay: 0, duplicate: 0, reorder: 0, cutHalfWay: 0 };

/** An Express app that answers requests, and the clock of its process. */
export interface ServedApp {
  readonly app: Express;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** A receiver of requests on the network. */
export interface Server {
  readonly owner: Owner;
  /** The Express app that answers; null when no process is running. */
  serving(): ServedApp | null;
  /** For an older node: answers a request itself, without an Express app. */
  respond?(request: TransportRequest, address: string): Promise<TransportAnswer>;
  /** Called before each answer is sent. @returns the answer to send, changed or not; null to send none */
  answering(answer: TransportAnswer, request: TransportRequest): TransportAnswer | null;
}

export interface NetworkModules {
  readonly timeline: Timeline;
  readonly random: SeededRandom;
  readonly onFault: (kind: string) => void;
  readonly trace: (line: string) => void;
}

export class SimNetwork {
  readonly weather: Weather = { ...FAIR_WEATHER };
  readonly #modules: NetworkModules;
  readonly #servers = new Map<string, Server>();
  /** Directions in which the connection is cut, as `from>to`. */
  readonly #cut = new Set<string>();
  /** Names of the nodes whose callers come through the platform's ingress. */
  readonly #behindProxy = new Set<string>();
  /** Number of requests under way. */
  underWay = 0;
  /** Number of requests that an Express app is working on. */
  #serving = 0;

  constructor(modules: NetworkModules) {
    this.#modules = modules;
    modules.timeline.isServing = () => this.#serving > 0;
  }

  /** @param host the host in the server's URL */
  listen(host: string, server: Server): void {
    this.#servers.set(host, server);
  }

  setCut(from: string, to: string, cut: boolean): void {
    if (cut) this.#cut.add(`${from}>${to}`);
    else this.#cut.delete(`${from}>${to}`);
  }

  /** @param isBehind whether all callers of the node have the loopback address */
  setBehindProxy(name: string, isBehind: boolean): void {
    if (isBehind) this.#behindProxy.add(name);
    else this.#behindProxy.delete(name);
  }

  healAll(): void {
    this.#cut.clear();
    Object.assign(this.weather, FAIR_WEATHER);
  }

  /** @param address the address of the caller, as the server sees it */
  transportOf(caller: Owner, clock: Clock, address: string): Transport {
    return { request: (request) => this.#request(caller, clock, address, request) };
  }

  async #request(caller: Owner, clock: Clock, address: string, request: TransportRequest): Promise<TransportAnswer> {
    this.underWay += 1;
    try {
      return await within(clock, 'the peer', request.timeoutMs, request.signal, () => this.#travel(caller, address, request));
    } catch (error) {
      if (error instanceof DeadlineError) throw new DependencyError('peer', 'timeout', 'the peer did not answer in time');
      if (request.signal?.aborted === true) throw new DependencyError('peer', 'aborted', 'the request was aborted');
      throw error;
    } finally {
      this.underWay -= 1;
    }
  }

  async #travel(caller: Owner, address: string, request: TransportRequest): Promise<TransportAnswer> {
    const { timeline, random, trace } = this.#modules;
    const url = new URL(request.url);
    const server = this.#servers.get(url.host);
    const { promise, resolve, reject } = Promise.withResolvers<TransportAnswer>();
    const fail = (what: string): void => {
      trace(`net ${caller.name} ${request.method} ${url.host}${url.pathname}: ${what}`);
      timeline.after(LATENCY_MS, caller, () => reject(new DependencyError('peer', 'unreachable', 'the peer cannot be reached')));
    };
    const to = server?.owner.name ?? url.host;
    const toIt = this.#wayFor(caller.name, to);
    if (server === undefined || toIt === 'refused') {
      fail('refused');
      return promise;
    }
    if (toIt === 'lost') return promise;
    const arrive = (): void => {
      const serving = server.serving();
      const client = this.#behindProxy.has(to) ? LOOPBACK : address;
      const served = server.respond?.(request, client) ?? (serving === null ? null : this.#serve(serving, request, client));
      if (served === null) {
        fail('nothing listens');
        return;
      }
      void served.then((given) => {
        const answer = server.answering(given, request);
        if (answer === null) return;
        trace(`net ${caller.name} ${request.method} ${to}${url.pathname}: ${answer.status}, ${answer.body.length} bytes`);
        const back = this.#wayFor(to, caller.name);
        if (back === 'refused' || back === 'lost') return;
        if (back.cutHalfWay || answer.body.length > request.maxAnswerBytes) {
          const tooLarge = answer.body.length > request.maxAnswerBytes;
          timeline.after(back.ms, caller, () => reject(new DependencyError('peer', tooLarge ? 'too_large' : 'unreachable', 'the answer did not arrive completely')));
          return;
        }
        timeline.after(back.ms, caller, () => resolve(answer));
      });
    };
    timeline.after(toIt.ms, server.owner, arrive);
    if (random.chance(this.weather.duplicate)) {
      this.#modules.onFault('message duplicated');
      timeline.after(toIt.ms + random.between(1, REORDER_MS), server.owner, arrive);
    }
    return promise;
  }

  async #serve({ app, clock }: ServedApp, request: TransportRequest, client: string): Promise<TransportAnswer> {
    this.#serving += 1;
    try {
      return await injectRequest(app, request, client, clock.nowMs());
    } finally {
      this.#serving -= 1;
    }
  }

  #wayFor(from: string, to: string): 'refused' | 'lost' | { readonly ms: number; readonly cutHalfWay: boolean } {
    const { random, onFault } = this.#modules;
    const { loss, delay, reorder, cutHalfWay } = this.weather;
    if (this.#cut.has(`${from}>${to}`)) {
      onFault('message into a partition');
      return random.chance(0.5) ? 'refused' : 'lost';
    }
    if (random.chance(loss)) {
      onFault('message lost');
      return random.chance(0.5) ? 'refused' : 'lost';
    }
    let ms = LATENCY_MS * (1 + random.unit());
    if (random.chance(delay)) {
      onFault('message delayed');
      ms += random.between(100, DELAY_MS);
    }
    if (random.chance(reorder)) {
      onFault('message reordered');
      ms += random.between(1, REORDER_MS);
    }
    const cut = random.chance(cutHalfWay);
    if (cut) onFault('message cut half-way');
    return { ms, cutHalfWay: cut };
  }
}
