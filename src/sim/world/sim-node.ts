/**
 * One registered instance of a simulated cluster, and the processes that it runs one after another. Each process is a complete node from
 * the product's composition root. It uses the simulation's ports, and the product's own Express app answers its requests.
 */
import type { Express } from 'express';
import { CachedNovaRegistry } from '../../registry/cached-nova-registry.ts';
import { ChainClient } from '../../registry/chain-client.ts';
import { createAppReader } from '../../registry/app-reader.ts';
import { Rpc } from '../../registry/rpc.ts';
import type { Config } from '../../config/settings.ts';
import { walletOfPrivateKey } from '../../crypto/signature.ts';
import { FailureLog } from '../../domain/failure-log.ts';
import type { TeePubkey, Wallet } from '../../domain/ids.ts';
import type { Log, LogFacts, TransportAnswer, TransportRequest } from '../../domain/ports.ts';
import type { ReadinessView } from '../../domain/readiness.ts';
import { createApp } from '../../http/app.ts';
import type { SyncHandler } from '../../http/sync-route.ts';
import { chainOptions } from '../../node/chain-options.ts';
import { composeNode, type ComposedNode, type NodeWatcher } from '../../node/compose-node.ts';
import { SeededRandom } from './seeded.ts';
import { CHAIN_ID, type SimChain } from './sim-chain.ts';
import { SimClock } from './sim-clock.ts';
import { GOOD_ENCLAVE, SimEnclave, type EnclaveBehaviour } from './sim-enclave.ts';
import type { ServedApp, Server, SimNetwork } from './sim-network.ts';
import { GOOD_RPC, type RpcBehaviour } from './rpc-behaviour.ts';
import { KMS_REGISTRY, NOVA_APP_REGISTRY, type ContractAnswers } from './sim-contracts.ts';
import { SimRpc } from './sim-rpc.ts';
import type { Owner, Timeline } from './timeline.ts';

/** A process of an instance, from its start to its end. */
export interface Life extends Owner {
  readonly instance: SimNode;
  readonly number: number;
  readonly clock: SimClock;
  readonly enclave: SimEnclave;
  readonly node: ComposedNode;
  readonly app: Express;
  /** The RPC through which node_tick reads the chain. */
  readonly rpc: SimRpc;
  readonly startedMs: number;
  /** Whether the process refuses new requests and is about to end. */
  stopping: boolean;
}

/** Receives what the processes of an instance report. */
export interface LifeListener {
  onStart(life: Life): void;
  onEnd(life: Life): void;
  onLog(life: Life, level: string, sentence: string, facts: LogFacts): void;
  onSealing(life: Life, plaintext: string, receiver: TeePubkey): void;
  onCandidate(secret: Uint8Array): void;
  onFatal(life: Life, error: Error): void;
  onFault(kind: string): void;
  /** Called when the simulated world has checked a rule. @param wrong what broke the rule; null if the rule was kept */
  onRule(invariant: string, wrong: string | null, node: string): void;
  /** The watcher for a process that is about to start. */
  watcherOf(name: string, clock: SimClock): NodeWatcher | undefined;
}

/** Changes the messages of a lying instance. */
export interface Lies {
  readonly kind: string;
  handler(honest: SyncHandler, life: Life): SyncHandler;
  answering(answer: TransportAnswer, request: TransportRequest): TransportAnswer | null;
}

export interface SimNodeModules {
  readonly seed: string;
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly network: SimNetwork;
  readonly answers: ContractAnswers;
  readonly config: Config;
  readonly listener: LifeListener;
}

/** Timeout of the last push of a stopping process. Milliseconds. */
const LAST_PUSH_MS = 5_000;

export class SimNode implements Server {
  readonly name: string;
  readonly wallet: Wallet;
  readonly address: string;
  readonly rpcBehaviour: RpcBehaviour = { ...GOOD_RPC };
  readonly enclaveBehaviour: EnclaveBehaviour = { ...GOOD_ENCLAVE };
  readonly #walletKey: Uint8Array;
  readonly #modules: SimNodeModules;
  readonly #nobody: Owner;
  /** Null while no process runs. */
  life: Life | null = null;
  lies: Lies | null = null;
  /** Whether the instance has lied at least once. */
  everLied = false;
  /** How far the instance's time of day is ahead of the true time. Milliseconds. */
  skewMs = 0;
  lagMs = 0;
  #drift: SimClock['drift'] = { perSecond: 0, sinceMs: 0 };
  url: string;
  #lives = 0;

  /** @param place the position among all instances, from 0 */
  constructor(name: string, place: number, modules: SimNodeModules) {
    this.name = name;
    this.#modules = modules;
    this.#walletKey = new SeededRandom(`${modules.seed}/wallet of ${name}`).bytes(32);
    this.wallet = walletOfPrivateKey(this.#walletKey);
    this.address = `10.0.0.${place + 1}`;
    this.url = `https://${name}.sim`;
    this.#nobody = { name, gone: false, frozenUntilMs: 0 };
    modules.network.listen(`${name}.sim`, this);
  }

  /** The configured `MAX_CLOCK_SKEW_MS`. */
  get maxClockSkewMs(): number {
    return this.#modules.config.maxClockSkewMs;
  }

  get owner(): Owner {
    return this.life ?? this.#nobody;
  }

  get readiness(): ReadinessView | null {
    return this.life?.node.readiness() ?? null;
  }

  serving(): ServedApp | null {
    return this.life;
  }

  answering(answer: TransportAnswer, request: TransportRequest): TransportAnswer | null {
    return this.lies === null ? answer : this.lies.answering(answer, request);
  }

  /** Moves the instance to another URL. It can still be reached at the old host. */
  moveTo(host: string): void {
    this.url = `https://${host}`;
    this.#modules.network.listen(host, this);
  }

  /** Starts a process in a fresh enclave. @returns the enclave's teePubkey, which must then be registered */
  start(): TeePubkey {
    const { seed, timeline, chain, network, answers, config, listener } = this.#modules;
    this.#lives += 1;
    const number = this.#lives;
    const stream = (what: string): SeededRandom => new SeededRandom(`${seed}/${this.name}.${number}/${what}`);
    const owner: Owner = { name: this.name, gone: false, frozenUntilMs: 0 };
    const clock = new SimClock(timeline, owner);
    clock.skewMs = this.skewMs;
    clock.lagMs = this.lagMs;
    clock.drift = this.#drift;
    const holder: { life: Life | null } = { life: null };
    const random = stream('node');
    const enclave = new SimEnclave(this.#walletKey, {
      timeline,
      owner,
      clock,
      chain,
      random: stream('enclave'),
      behaviour: this.enclaveBehaviour,
      onFault: (kind) => listener.onFault(kind),
      onSealing: (plaintext, receiver) => listener.onSealing(holder.life!, plaintext, receiver),
      onCandidate: (secret) => listener.onCandidate(secret),
    });
    const log = logTo((level, sentence, facts) => {
      if (holder.life !== null) listener.onLog(holder.life, level, sentence, facts);
    });
    const rpcModules = {
      chain,
      timeline,
      owner,
      answers,
      onFault: (kind: string) => listener.onFault(kind),
      onRule: (invariant: string, wrong: string | null) => listener.onRule(invariant, wrong, this.name),
    };
    const endpoint = (what: string): SimRpc => new SimRpc(this.rpcBehaviour, { ...rpcModules, random: stream(what) });
    const rpc = endpoint('rpc');
    const chainRpc = new Rpc({ url: RPC_URL }, { clock, fetch: rpc.fetch });
    const chainClient = new ChainClient(chainOptions(config), { rpc: chainRpc, clock, enclave, log });
    const reader = createAppReader({ novaAppRegistry: config.novaAppRegistry }, { rpc: new Rpc({ url: RPC_URL }, { clock, fetch: endpoint('apps').fetch }) });
    const appRegistry = new CachedNovaRegistry({ ttlMs: config.registryCacheTtlMs }, { reader, clock });
    const transport = network.transportOf(owner, clock, this.address);
    const failures = new FailureLog({ clock });
    const ports = { clock, random, log, failures, chain: chainClient, appRegistry, enclave, transport, yieldNow: async (): Promise<void> => undefined };
    const node = composeNode(config, ports, (error) => listener.onFatal(holder.life!, error), listener.watcherOf(this.name, clock));
    const { appModules } = node;
    const honest = appModules.sync.handler;
    const handler: SyncHandler = {
      requiresHmac: (message) => honest.requiresHmac(message),
      snapshotChars: (message) => honest.snapshotChars(message),
      handle: (sender, message) => (this.lies === null ? honest : this.lies.handler(honest, holder.life!)).handle(sender, message),
    };
    const app = createApp(node.appOptions, { ...appModules, sync: { ...appModules.sync, handler } });
    const life: Life = Object.assign(owner, { instance: this, number, clock, enclave, node, app, rpc, startedMs: timeline.nowMs, stopping: false });
    holder.life = life;
    this.life = life;
    listener.onStart(life);
    node.start();
    return enclave.teePubkey;
  }

  /** Ends the process immediately. Its secrets and records are lost. */
  kill(): void {
    const { life } = this;
    if (life === null) return;
    this.#modules.listener.onEnd(life);
    life.gone = true;
    this.life = null;
  }

  /** Stops the process as SIGTERM would: it refuses new requests, makes a last push to its peers, and wipes its keys. */
  async stop(): Promise<void> {
    const { life } = this;
    if (life === null || life.stopping) return;
    life.stopping = true;
    life.node.stop();
    const limit = new AbortController();
    const timer = life.clock.setTimeout(() => limit.abort(new Error('the last push took too long')), LAST_PUSH_MS);
    await life.node.lastPush(() => true, limit.signal).catch(() => undefined);
    life.clock.clearTimeout(timer);
    if (this.life !== life) return;
    this.kill();
    life.node.wipe();
  }

  freeze(untilMs: number): void {
    if (this.life !== null) this.life.frozenUntilMs = untilMs;
  }

  setSkew(ms: number): void {
    this.skewMs = ms;
    if (this.life !== null) this.life.clock.skewMs = ms;
  }

  /** @param perSecond milliseconds that the time of day gains per second; 0 also removes the time that it has already gained */
  setDrift(perSecond: number): void {
    this.#drift = { perSecond, sinceMs: this.#modules.timeline.nowMs };
    if (this.life !== null) this.life.clock.drift = this.#drift;
  }

  setLag(ms: number): void {
    this.lagMs = ms;
    if (this.life !== null) this.life.clock.lagMs = ms;
  }
}

const RPC_URL = 'https://rpc.sim';

/** The addresses in the configuration of every simulated node. */
export const SIM_ENVIRONMENT = {
  NODE_URL: RPC_URL,
  NOVA_APP_REGISTRY_ADDRESS: NOVA_APP_REGISTRY,
  KMS_REGISTRY_ADDRESS: KMS_REGISTRY,
  CHAIN_ID: String(CHAIN_ID),
} as const;

function logTo(write: (level: string, sentence: string, facts: LogFacts) => void): Log {
  const log: Log = {
    debug: (sentence, facts = {}) => write('debug', sentence, facts),
    info: (sentence, facts = {}) => write('info', sentence, facts),
    warn: (sentence, facts = {}) => write('warn', sentence, facts),
    error: (sentence, facts = {}) => write('error', sentence, facts),
    child: () => log,
  };
  return log;
}
