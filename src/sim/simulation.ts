/**
 * A whole cluster in one process. The seed determines the run. The product's nodes use a virtual clock, network, chain and enclaves.
 * Faults can be applied at any time, and the rules are checked after every event.
 *
 *     const simulation = await Simulation.start({ seed: 'mine', nodes: 3 });
 *     await simulation.run(60_000);
 *     simulation.apply({ do: 'fault', kind: 'crash', node: 'b', forMs: 10_000 });
 *     await simulation.run(60_000);
 *     expect(simulation.stateOf('b')).toBe('ready');
 */
import { readConfig } from '../config/read-config.ts';
import type { Config } from '../config/settings.ts';
import type { TeePubkey } from '../domain/ids.ts';
import type { LogFacts } from '../domain/ports.ts';
import { READINESS_CHANGED } from '../domain/readiness.ts';
import { reasonLine } from '../domain/reasons.ts';
import type { KmsNode } from '../client/node-list.ts';
import type { NodeWatcher } from '../node/compose-node.ts';
import { OlderNodes } from './older-nodes.ts';
import { EventRecord } from './event-record.ts';
import { FaultActions } from './faults/fault-actions.ts';
import type { FaultScene } from './faults/fault-scene.ts';
import type { WriteHistory } from './watch/write-history.ts';
import { ClusterWatch } from './watch/cluster-watch.ts';
import { short } from './watch/node-watch.ts';
import { nodeName, step as stepForm, type RequestStep, type Scenario, type Step } from './scenario.ts';
import { SeededRandom } from './world/seeded.ts';
import { SimApp, type RequestOutcome } from './world/sim-app.ts';
import { CONFIRMATIONS, KMS_APP_ID, SimChain, withInstance } from './world/sim-chain.ts';
import type { SimClock } from './world/sim-clock.ts';
import { SimNetwork } from './world/sim-network.ts';
import { SIM_ENVIRONMENT, SimNode, type Life, type LifeListener } from './world/sim-node.ts';
import { ContractAnswers } from './world/sim-contracts.ts';
import { Timeline, type Owner } from './world/timeline.ts';
import { Trace } from './trace.ts';
import { Checks, type Violation } from './watch/violation.ts';

/** The id of the first app. */
const FIRST_APP_ID = 100;
/** An app id too large for a JSON number. Nodes must refuse the app and never confuse it with another app (protocol.md §9.15). */
const OVERSIZED_APP_ID = 2 ** 53;
/** The instances get these version ids alternately, in the order of registration. */
const VERSIONS = ['1', '2'] as const;
/** A change of a node's state or reason. */
export interface ReadinessChange {
  readonly node: string;
  readonly state: string;
  /** null when ready. */
  readonly reason: string | null;
  /** Simulated milliseconds. */
  readonly atMs: number;
}

export interface SimulationOptions {
  readonly seed: string;
  readonly nodes?: number;
  readonly apps?: number;
  /** Environment variables; `b.NAME` applies only to node b. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Receives every line of the trace. */
  readonly onTrace?: ((line: string) => void) | null;
  /** Receives every line of the trace. Without `onTrace`, the trace has no debug lines and no network lines. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly onReadiness?: ((change: ReadinessChange) => void) | undefined;
  /** Receives every event for the visualiser, each as a line of JSON. */
  readonly onEvent?: ((line: string) => void) | undefined;
  /** Called with each process before its first event. */
  readonly onStart?: ((life: Life) => void) | undefined;
}

export class Simulation implements LifeListener, FaultScene {
  readonly timeline = new Timeline();
  readonly chain = new SimChain(this.timeline);
  readonly trace: Trace;
  readonly checks = new Checks();
  readonly nodes = new Map<string, SimNode>();
  /** The requested number of apps, and one more app whose id is too large for a JSON number. */
  readonly apps: readonly SimApp[];
  readonly holder: SimApp;
  readonly watch: ClusterWatch;
  readonly network: SimNetwork;
  readonly config: Config;
  readonly seed: string;
  readonly faults: FaultActions;
  /** How many times each kind of fault took effect. */
  readonly injected = new Map<string, number>();
  /** All master secrets and derived keys that ever existed. The trace and the events must not contain any of them. */
  readonly secrets: Uint8Array[] = [];
  readonly #knownSecrets = new Set<string>();
  readonly outcomes = new Map<string, number>();
  violation: Violation | null = null;
  resets = 0;
  /** Number of requests from apps that are under way. */
  requestsUnderWay = 0;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #meet: SimulationOptions['onStart'];
  readonly #onReadiness: SimulationOptions['onReadiness'];
  readonly #events: EventRecord | null;
  readonly #registered = new Set<string>();
  readonly #disturbedUntil = new Map<string, number>();
  readonly #older: OlderNodes;
  readonly #answers = new ContractAnswers();
  #allDisturbedUntil = 0;

  private constructor({ seed, nodes = 3, apps = 2, settings = {}, onTrace = null, onLine, onReadiness, onEvent, onStart }: SimulationOptions) {
    this.#meet = onStart;
    this.#onReadiness = onReadiness;
    this.seed = seed;
    this.trace = new Trace(onTrace, onLine);
    this.#settings = settings;
    this.config = this.#configOf('');
    const { timeline, chain, config } = this;
    this.#events = onEvent === undefined ? null : new EventRecord({ config, nowMs: () => timeline.nowMs, nameOf: (wallet) => this.#instanceOf(wallet)?.name ?? null, write: onEvent });
    this.network = new SimNetwork({
      timeline,
      random: new SeededRandom(`${seed}/network`),
      onFault: (kind) => this.onFault(kind),
      trace: (line) => {
        if (this.trace.isWanted) this.note(line);
      },
    });
    this.watch = new ClusterWatch({
      timeline,
      chain,
      config,
      checks: this.checks,
      report: (invariant, detail, node) => this.report(invariant, detail, node),
      lives: () => this.lives(),
      isCalm: (life, forMs) => this.isCalm(life, forMs),
      hasLiars: () => this.#older.size > 0 || [...this.nodes.values()].some(({ everLied }) => everLied),
      isHonestWallet: (wallet) => this.#instanceOf(wallet)?.everLied === false,
      isUnsigned: (wallet) => this.#instanceOf(wallet)?.lies?.kind === 'liar: unsigned answer',
      resets: () => this.resets,
      registered: this.#registered,
      note: (text) => this.note(text),
      onSecret: (secret) => this.onCandidate(secret),
    });
    const appIds = [...Array.from({ length: apps + 1 }, (_, place) => FIRST_APP_ID + place), OVERSIZED_APP_ID];
    const allApps = appIds.map((appId) => new SimApp(appId, { seed, timeline, chain, network: this.network }));
    this.apps = allApps.toSpliced(apps, 1);
    this.holder = allApps[apps]!;
    chain.setUp((state) => ({
      versions: new Map([
        ...VERSIONS.map((version) => [`${KMS_APP_ID}:${version}`, 'ENROLLED'] as const),
        ...allApps.map(({ appId }) => [`${appId}:1`, 'ENROLLED'] as const),
      ]),
      apps: new Map([[KMS_APP_ID, 'ACTIVE'], ...allApps.map(({ appId }) => [BigInt(appId), 'ACTIVE'] as const)]),
      instances: state.instances,
    }));
    for (const { appId, wallet, teePubkey } of allApps) {
      this.#registered.add(teePubkey.toLowerCase());
      chain.setUp((state) => withInstance(state, wallet, { appId: BigInt(appId), teePubkey, url: 'https://app.sim' }));
    }
    this.faults = new FaultActions(this);
    this.#older = new OlderNodes(this);
    for (let place = 0; place < nodes; place += 1) {
      const node = this.addNode();
      const teePubkey = node.start();
      this.#registered.add(teePubkey.toLowerCase());
      chain.setUp((state) => withInstance(state, node.wallet, { ...this.versionOf(place), teePubkey, url: node.url }));
    }
  }

  /** Starts a cluster whose instances are already registered, at simulated time 0. */
  static async start(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options);
    await simulation.timeline.settle();
    return simulation;
  }

  /** Starts the cluster of a scenario and schedules its steps. */
  static async of(scenario: Scenario, listening: Pick<SimulationOptions, 'onTrace' | 'onLine' | 'onEvent' | 'onStart'> = {}): Promise<Simulation> {
    const simulation = await Simulation.start({ ...scenario, ...listening });
    for (const step of scenario.steps) simulation.timeline.at(step.atMs, null, () => simulation.#perform(step));
    return simulation;
  }

  /** Lets simulated time pass. @returns the violation, if any */
  async run(ms: number): Promise<Violation | null> {
    if (this.violation !== null) return this.violation;
    await this.timeline.runUntil(this.timeline.nowMs + ms, (owner) => this.#afterEvent(owner));
    return this.violation;
  }

  /** Carries out a step now. @throws Error on an invalid step or an unknown node */
  apply(step: { readonly do: Step['do'] } & Record<string, unknown>): void {
    const read = stepForm.safeParse({ atMs: this.timeline.nowMs, forMs: 0, amount: 0, app: 0, key: '', ...step });
    if (!read.success) {
      const [issue] = read.error.issues;
      throw new Error(`no such step: ${issue?.path.join('.') ?? ''} ${String(step[String(issue?.path[0])])}: see src/sim/scenario.ts`);
    }
    const { data } = read;
    // A step in a scenario may name a node that never joined. In a step passed to `apply`, an unknown node is an error.
    const isNew = data.do === 'fault' && data.kind === 'node joins';
    if (data.node !== '' && !isNew) this.node(data.node);
    if (data.do === 'fault' && data.other !== '') this.node(data.other);
    this.#perform(data);
  }

  /** Sends a request from an app and lets time pass until the answer arrives. */
  async ask(step: { readonly do: RequestStep['do']; readonly node: string } & Partial<RequestStep>): Promise<RequestOutcome> {
    const request: RequestStep = { atMs: this.timeline.nowMs, app: 0, key: '', bytes: 16, ttlMs: 0, acks: 0, ...step };
    const ended: RequestOutcome[] = [];
    void this.#request(request).then((outcome) => ended.push(outcome));
    while (ended.length === 0 && this.violation === null) await this.run(ASK_STEP_MS);
    return ended[0] ?? { outcome: 'a rule was broken', answer: null };
  }

  /** Sends a node_tick to a node, as if the tick were due. */
  tick(name: string): void {
    this.node(name).life?.node.actor.send({ type: 'node_tick' });
  }

  /** @throws Error on an unknown name */
  node(name: string): SimNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** The readiness state of a node; `down` when no process is running. */
  stateOf(name: string): string {
    return this.node(name).readiness?.state ?? 'down';
  }

  /** Why a node is not ready, in the words of `/status` and of its 503 answers; null when the node is ready or down. */
  reasonOf(name: string): string | null {
    const reason = this.node(name).readiness?.reason ?? null;
    return reason === null ? null : reasonLine(reason);
  }

  /** All running processes. */
  lives(): Life[] {
    return [...this.nodes.values()].map(({ life }) => life).filter((life) => life !== null);
  }

  addOlderNode(): boolean {
    const node = this.#older.add();
    if (node === null) return false;
    this.#registered.add(node.teePubkey.toLowerCase());
    this.chain.change((state) => withInstance(state, node.wallet, { ...this.versionOf(0), teePubkey: node.teePubkey, url: node.url }));
    return true;
  }

  /** Adds an instance. The caller starts and registers it. */
  addNode(): SimNode {
    const { timeline, chain, network, seed } = this;
    const place = this.nodes.size;
    const name = nodeName(place);
    const node = new SimNode(name, place, { seed, timeline, chain, network, config: this.#configOf(name), answers: this.#answers, listener: this });
    this.nodes.set(node.name, node);
    return node;
  }

  /** @param name the name of a node; if empty, only the settings that all nodes share are used */
  #configOf(name: string): Config {
    const entries = Object.entries(this.#settings).map(([variable, value]) => [variable.split('.'), value] as const);
    const common = entries.flatMap(([[variable, own], value]) => (own === undefined ? [[variable!, value]] : []));
    const own = entries.flatMap(([[node, variable], value]) => (node === name && variable !== undefined ? [[variable, value]] : []));
    const read = readConfig({
      ...SIM_ENVIRONMENT,
      KMS_APP_ID: String(KMS_APP_ID),
      CHAIN_CONFIRMATIONS: String(CONFIRMATIONS),
      ...(Object.fromEntries([...common, ...own]) as Record<string, string>),
    });
    if (!read.ok) throw new Error(read.problems.join('; '));
    return read.config;
  }

  versionOf(place: number): { readonly versionId: bigint } {
    return { versionId: BigInt(VERSIONS[place % VERSIONS.length]!) };
  }

  /** Registers the teePubkey of the node's current process. */
  register(node: SimNode, fields: object = {}): void {
    const { life } = node;
    if (life === null) return;
    const { teePubkey } = life.enclave;
    this.#registered.add(teePubkey.toLowerCase());
    this.chain.change((state) => withInstance(state, node.wallet, { teePubkey, url: node.url, ...fields }));
  }

  /**
   * Marks a node as disturbed for some time, during which rules about undisturbed nodes do not apply.
   * @param name the name of the node; all nodes if empty
   */
  disturb(name: string, forMs: number): void {
    const untilMs = this.timeline.nowMs + forMs;
    if (name === '') this.#allDisturbedUntil = Math.max(this.#allDisturbedUntil, untilMs);
    else this.#disturbedUntil.set(name, Math.max(this.#disturbedUntil.get(name) ?? 0, untilMs));
  }

  /** Call this when no fault has effects any more. The rules about undisturbed nodes then apply again, each after its own delay. */
  endDisturbance(): void {
    const { nowMs } = this.timeline;
    this.#allDisturbedUntil = Math.min(this.#allDisturbedUntil, nowMs);
    for (const [name, untilMs] of this.#disturbedUntil) this.#disturbedUntil.set(name, Math.min(untilMs, nowMs));
  }

  isCalm(life: Life, forMs: number): boolean {
    const sinceMs = Math.max(this.#allDisturbedUntil, this.#disturbedUntil.get(life.name) ?? 0, life.startedMs);
    return !life.gone && life.frozenUntilMs <= this.timeline.nowMs && this.timeline.nowMs - sinceMs >= forMs;
  }

  get history(): WriteHistory {
    return this.watch.history;
  }

  note(text: string): void {
    this.trace.add(this.timeline.nowMs, text);
  }

  report(invariant: string, detail: string, node?: string): void {
    if (this.violation !== null) return;
    this.violation = { invariant, detail, node: node ?? null, atMs: this.timeline.nowMs };
    this.note(`BROKEN ${invariant}: ${detail}`);
    this.#events?.onViolation(this.violation);
  }

  // The methods of LifeListener, which the processes call.

  onStart(life: Life): void {
    this.watch.onStart(life);
    this.#events?.onStart(life);
    this.#meet?.(life);
  }

  onEnd(life: Life): void {
    this.watch.onEnd(life);
    this.#events?.onEnd(life);
  }

  onLog(life: Life, level: string, sentence: string, facts: LogFacts): void {
    const { event, state, reason } = facts;
    if (event === READINESS_CHANGED) {
      this.#onReadiness?.({ node: life.name, state: String(state), reason: typeof reason === 'string' ? reason : null, atMs: this.timeline.nowMs });
    }
    if (level === 'debug' && !this.trace.isWanted) return;
    const details = Object.entries(facts).map(([name, value]) => `${name}=${typeof value === 'string' && value.startsWith('0x') ? short(value) : String(value)}`);
    this.note(`${life.name} ${level} ${sentence}${details.length === 0 ? '' : ` (${details.join(', ')})`}`);
  }

  onSealing(life: Life, plaintext: string, receiver: TeePubkey): void {
    this.watch.onSealing(life, plaintext, receiver);
  }

  onCandidate(secret: Uint8Array): void {
    // This method also receives every derived key. Apps derive the same keys many times, so it has already seen most of them.
    const text = Buffer.from(secret).toString('hex');
    if (this.#knownSecrets.has(text)) return;
    this.#knownSecrets.add(text);
    this.secrets.push(secret);
  }

  onFatal(life: Life, error: Error): void {
    this.report('no node stops by itself', `${life.name}: ${error.message}`, life.name);
  }

  onFault(kind: string): void {
    this.injected.set(kind, (this.injected.get(kind) ?? 0) + 1);
  }

  onRule(invariant: string, wrong: string | null, node: string): void {
    this.checks.note(invariant);
    if (wrong !== null) this.report(invariant, wrong, node);
  }

  watcherOf(name: string, clock: SimClock): NodeWatcher | undefined {
    return this.#events?.watcherOf(name, clock);
  }

  #afterEvent(owner: Owner | null): boolean {
    if (owner !== null && this.violation === null) this.watch.check(owner);
    return this.violation !== null;
  }

  // Steps.

  #perform(step: Step): void {
    if (step.do === 'fault') {
      this.#events?.onFault(step);
      this.faults.apply(step);
    } else void this.#request(step);
  }

  async #request(step: RequestStep): Promise<RequestOutcome> {
    const node = this.nodes.get(step.node);
    const app = this.apps[step.app % this.apps.length]!;
    const place = node === undefined ? null : this.#placeOf(node);
    const what = `${step.do} ${JSON.stringify(step.key)} of app ${app.appId} on ${step.node}`;
    if (place === null) return { outcome: 'not registered', answer: null };
    const { life = null } = node ?? {};
    const askedMs = this.timeline.nowMs;
    this.requestsUnderWay += 1;
    const ended = await app.ask(place, step);
    this.requestsUnderWay -= 1;
    const answered = { appId: String(app.appId), step, ended, askedMs, isFlooded: this.faults.isFlooded(step.node) };
    if (life !== null) this.watch.callers.judge(life, answered);
    this.note(`${what}: ${ended.outcome}`);
    this.outcomes.set(`${step.do} ${ended.outcome}`, (this.outcomes.get(`${step.do} ${ended.outcome}`) ?? 0) + 1);
    return ended;
  }

  /** Called after most events, so it must not build a list. */
  #instanceOf(wallet: string): SimNode | null {
    for (const node of this.nodes.values()) if (node.wallet === wallet) return node;
    return null;
  }

  /** The node as the registry shows it; null when it is not registered. */
  #placeOf(node: SimNode): KmsNode | null {
    const instance = this.chain.headState.instances.get(node.wallet);
    return instance === undefined ? null : { wallet: node.wallet, url: instance.url, teePubkey: instance.teePubkey as TeePubkey };
  }
}

const ASK_STEP_MS = 5;
