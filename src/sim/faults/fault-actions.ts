/** Applies the faults of a scenario, and undoes each one when its time is over. */
import { BLOCK_MS, CONFIRMATIONS, withInstance, type SimInstance } from '../world/sim-chain.ts';
import { Liar } from './liar.ts';
import { LIE_KINDS, type LieKind } from './lie-kinds.ts';
import { CLAIM_FAULTS, ENCLAVE_FAULTS, keepsItsNodeWell, RPC_FAULTS } from './dependency-faults.ts';
import { Floods } from './floods.ts';
import { HOLDING_KIND } from './holding-kind.ts';
import { FLOOD_KINDS, type FloodKind } from './stranger.ts';
import { PoisonJudge } from './poison-judge.ts';
import type { FaultScene } from './fault-scene.ts';
import type { FaultKind, FaultStep } from '../scenario.ts';
import { SeededRandom } from '../world/seeded.ts';
import { GOOD_ENCLAVE, type EnclaveBehaviour } from '../world/sim-enclave.ts';
import { FAIR_WEATHER, type Weather } from '../world/sim-network.ts';
import type { SimNode } from '../world/sim-node.ts';
import { BACKEND_FAULTS, GOOD_RPC, type BackendFault, type BackendFaultKind, type RpcBehaviour } from '../world/rpc-behaviour.ts';
import { ZERO_HASH } from '../../domain/ids.ts';

/**
 * How long the effects of a fault may last after its end: a change in the registry must first become `CONFIRMATIONS` blocks deep, and the
 * nodes must then read it. Milliseconds.
 */
const REGISTRY_ECHO_MS = (CONFIRMATIONS + 2) * BLOCK_MS + 70_000;
/** No node joins while the cluster has this many nodes. */
const MAX_NODES = 8;
/** No node begins to lie if that would leave fewer honest nodes than this. */
const MIN_HONEST_NODES = 2;
/** Time between two attacks by a liar. Milliseconds. */
const ATTACK_EVERY_MS = 15_000;

type Undo = () => void;

export class FaultActions {
  readonly #scene: FaultScene;
  /** The undo functions of all active faults. */
  readonly #open = new Set<Undo>();
  readonly #gone = new Set<string>();
  readonly #floods: Floods;
  #moves = 0;
  /** Faults of the network, the chain and the cluster as a whole. */
  readonly #anywhere: Readonly<Partial<Record<FaultKind, (fault: FaultStep) => Undo | null>>> = {
    loss: ({ amount, forMs }) => this.#weather({ loss: amount }, forMs),
    delay: ({ amount, forMs }) => this.#weather({ delay: amount }, forMs),
    duplicate: ({ amount, forMs }) => this.#weather({ duplicate: amount }, forMs),
    reorder: ({ amount, forMs }) => this.#weather({ reorder: amount }, forMs),
    'cut half-way': ({ amount, forMs }) => this.#weather({ cutHalfWay: amount }, forMs),
    partition: (fault) => this.#partition(fault, true),
    'one-way partition': (fault) => this.#partition(fault, false),
    reorganisation: ({ amount }) => this.#reorganise(amount),
    'hash reset': () => this.#reset(),
    'node joins': () => this.#join(),
    'older node joins': () => (this.#scene.addOlderNode() ? nothing : null),
  };
  /** Faults of one instance and of what it depends on. */
  readonly #onInstance: Readonly<Partial<Record<FaultKind, (node: SimNode, fault: FaultStep) => Undo | null>>> = {
    crash: (node, { forMs }) => this.#crash(node, forMs),
    restart: (node, { forMs }) => this.#restart(node, forMs),
    freeze: (node, { forMs }) => this.#freeze(node, forMs),
    'slow node': (node, { kind, amount, forMs }) => this.#setting(node, forMs, kind, () => node.setLag(amount), () => node.setLag(0)),
    'clock skew': (node, fault) => this.#skew(node, fault),
    'clock jump': (node, fault) => this.#skew(node, fault),
    'instance stopped': (node, { kind, forMs }) => this.#registry(node, { status: 'STOPPED' }, { status: 'ACTIVE' }, kind, forMs),
    'wrong key registered': (node, { kind, forMs }) => this.#registry(node, { teePubkey: this.#keyOfAnother(node) }, null, kind, forMs),
    'version revoked': (node, { kind, forMs }) => this.#version(node, 'REVOKED', kind, forMs),
    'version deprecated': (node, { kind, forMs }) => this.#version(node, 'DEPRECATED', kind, forMs),
    'node leaves': (node) => this.#leave(node),
    'clock drift': (node, fault) => this.#drift(node, fault),
    'URL moves': (node) => this.#move(node),
    [HOLDING_KIND]: (node, { amount }) => this.#floods.beginHolder(node, amount),
  };

  constructor(scene: FaultScene) {
    this.#scene = scene;
    this.#floods = new Floods(scene);
  }

  /** Whether an instance has left the cluster permanently. */
  hasLeft(name: string): boolean {
    return this.#gone.has(name);
  }

  /** Whether a stranger or an app is flooding the node. */
  isFlooded(name: string): boolean {
    return this.#floods.isFlooded(name);
  }

  apply(fault: FaultStep): void {
    const { timeline } = this.#scene;
    const undo = this.#do(fault);
    if (undo === null) return;
    this.#scene.note(`fault ${fault.kind}${fault.node === '' ? '' : ` on ${fault.node}`}${fault.other === '' ? '' : ` towards ${fault.other}`} for ${fault.forMs} ms, ${fault.amount}`);
    this.#open.add(undo);
    timeline.after(fault.forMs, null, () => {
      if (this.#open.delete(undo)) undo();
    });
  }

  /** Undoes all active faults. */
  endAll(): void {
    const open = [...this.#open];
    this.#open.clear();
    for (const undo of open) undo();
  }

  /** @returns the undo function; null when the fault cannot be applied now */
  #do(fault: FaultStep): Undo | null {
    const anywhere = this.#anywhere[fault.kind];
    if (anywhere !== undefined) return anywhere(fault);
    const claims = CLAIM_FAULTS[fault.kind]?.(fault.amount);
    if (claims !== undefined) return this.#rpcOfAll(claims, fault.forMs);
    const node = this.#scene.nodes.get(fault.node);
    if (node === undefined || this.#gone.has(node.name)) return null;
    if (isLie(fault.kind)) return this.#lie(node, fault.kind, fault.forMs);
    if (isBackendFault(fault.kind)) return this.#backend(node, { kind: fault.kind, amount: fault.amount }, fault.forMs);
    if (isFlood(fault.kind)) return this.#floods.beginStranger(node, fault.kind, fault.amount);
    const rpc = RPC_FAULTS[fault.kind]?.(fault.amount, this.#scene.chain.head);
    if (rpc !== undefined) return this.#rpc(node, rpc, fault.forMs);
    const enclave = ENCLAVE_FAULTS[fault.kind]?.(fault.amount);
    if (enclave !== undefined) return this.#enclave(node, enclave, fault.forMs);
    return this.#onInstance[fault.kind]?.(node, fault) ?? null;
  }

  #count(kind: string): void {
    this.#scene.onFault(kind);
  }

  #weather(change: Partial<Weather>, forMs: number): Undo {
    const { network } = this.#scene;
    Object.assign(network.weather, change);
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    const back = Object.fromEntries(Object.keys(change).map((name) => [name, FAIR_WEATHER[name as keyof Weather]]));
    return () => Object.assign(network.weather, back);
  }

  #partition({ node, other, forMs, kind }: FaultStep, bothWays: boolean): Undo | null {
    const { nodes, network } = this.#scene;
    if (!nodes.has(node)) return null;
    const others = other === '' ? [...nodes.keys()].filter((name) => name !== node) : [other];
    this.#count(kind);
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    const set = (cut: boolean): void => {
      for (const name of others) {
        network.setCut(node, name, cut);
        if (bothWays) network.setCut(name, node, cut);
      }
    };
    set(true);
    return () => set(false);
  }

  /** The effects last longer than the fault, because the node's latest records still have times in the future when the fault ends. */
  #skew(node: SimNode, { kind, amount, forMs }: FaultStep): Undo {
    return this.#setting(node, forMs + 2 * Math.abs(amount), kind, () => node.setSkew(amount), () => node.setSkew(0));
  }

  #drift(node: SimNode, { kind, amount, forMs }: FaultStep): Undo {
    const offMs = (Math.abs(amount) * forMs) / 1_000;
    return this.#setting(node, forMs + 2 * offMs, kind, () => node.setDrift(amount), () => node.setDrift(0));
  }

  #keyOfAnother(node: SimNode): string {
    return [...this.#scene.nodes.values()].find((other) => other !== node && other.life !== null)?.life?.enclave.teePubkey ?? '';
  }

  #reorganise(depth: number): Undo {
    if (this.#scene.chain.reorganise(depth) > 0) this.#count('reorganisation');
    return nothing;
  }

  #crash(node: SimNode, downMs: number): Undo | null {
    if (node.life === null) return null;
    this.#count('crash');
    this.#scene.disturb(node.name, downMs + REGISTRY_ECHO_MS);
    node.kill();
    return () => this.#startAgain(node);
  }

  #restart(node: SimNode, downMs: number): Undo | null {
    if (node.life === null || node.life.stopping) return null;
    this.#count('restart');
    this.#scene.disturb(node.name, downMs + STOPPING_MS + REGISTRY_ECHO_MS);
    const stopped = node.stop();
    return () => void stopped.then(() => this.#startAgain(node));
  }

  /** Starts a new process in a fresh enclave, and registers its key. */
  #startAgain(node: SimNode): void {
    if (node.life !== null || this.#gone.has(node.name)) return;
    node.start();
    this.#scene.register(node);
    this.#scene.disturb(node.name, REGISTRY_ECHO_MS);
  }

  #freeze(node: SimNode, forMs: number): Undo | null {
    const { timeline } = this.#scene;
    if (node.life === null) return null;
    this.#count('freeze');
    this.#scene.disturb(node.name, forMs + REGISTRY_ECHO_MS);
    // The fault also affects requests that peers send to the frozen node.
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    node.freeze(timeline.nowMs + forMs);
    return () => node.freeze(0);
  }

  #setting(node: SimNode, feltMs: number, kind: string, set: () => void, back: Undo): Undo {
    this.#count(kind);
    this.#scene.disturb('', feltMs + REGISTRY_ECHO_MS);
    set();
    this.#scene.note(`${node.name}: ${kind}`);
    return back;
  }

  #rpc(node: SimNode, change: Partial<RpcBehaviour>, forMs: number): Undo {
    this.#scene.disturb(node.name, forMs + REGISTRY_ECHO_MS);
    Object.assign(node.rpcBehaviour, change);
    return () => Object.assign(node.rpcBehaviour, backTo(GOOD_RPC, change));
  }

  /** Adds a bad backend to the node's endpoint. There may be several bad backends, but half of all requests still reach a good backend. */
  #backend(node: SimNode, fault: BackendFault, forMs: number): Undo {
    const { rpcBehaviour } = node;
    if (!keepsItsNodeWell(fault.kind)) this.#scene.disturb(node.name, forMs + REGISTRY_ECHO_MS);
    rpcBehaviour.backends = [...rpcBehaviour.backends, fault];
    return () => {
      rpcBehaviour.backends = rpcBehaviour.backends.filter((other) => other !== fault);
    };
  }

  #rpcOfAll(change: Partial<RpcBehaviour>, forMs: number): Undo {
    const { nodes } = this.#scene;
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    for (const node of nodes.values()) Object.assign(node.rpcBehaviour, change);
    return () => {
      for (const node of nodes.values()) Object.assign(node.rpcBehaviour, backTo(GOOD_RPC, change));
    };
  }

  #enclave(node: SimNode, change: Partial<EnclaveBehaviour>, forMs: number): Undo {
    // This disturbs all nodes: for a while, they ask a peer that has sent an invalid signature only after all their other peers.
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    Object.assign(node.enclaveBehaviour, change);
    return () => Object.assign(node.enclaveBehaviour, backTo(GOOD_ENCLAVE, change));
  }

  /**
   * @param back the fields to restore at the end of the fault; if this is null, the key of the process that is then running is registered
   * instead
   */
  #registry(node: SimNode, change: Partial<SimInstance>, back: Partial<SimInstance> | null, kind: string, forMs: number): Undo {
    const { chain } = this.#scene;
    this.#count(kind);
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    chain.change((state) => withInstance(state, node.wallet, change));
    return () => {
      if (this.#gone.has(node.name)) return;
      if (back !== null) chain.change((state) => withInstance(state, node.wallet, back));
      else this.#scene.register(node);
    };
  }

  #version(node: SimNode, status: 'REVOKED' | 'DEPRECATED', kind: string, forMs: number): Undo {
    const { chain } = this.#scene;
    this.#count(kind);
    this.#scene.disturb('', forMs + REGISTRY_ECHO_MS);
    const set = (to: 'REVOKED' | 'DEPRECATED' | 'ENROLLED'): void =>
      chain.change((state) => {
        const instance = state.instances.get(node.wallet);
        return instance === undefined ? {} : { versions: new Map(state.versions).set(`${instance.appId}:${instance.versionId}`, to) };
      });
    set(status);
    return () => set('ENROLLED');
  }

  #reset(): Undo {
    const { chain } = this.#scene;
    this.#count('hash reset');
    this.#scene.resets += 1;
    this.#scene.disturb('', 2 * REGISTRY_ECHO_MS);
    chain.change(() => ({ hash: ZERO_HASH }));
    return nothing;
  }

  #join(): Undo | null {
    const { nodes } = this.#scene;
    if (nodes.size - this.#gone.size >= MAX_NODES) return null;
    this.#count('node joins');
    const place = nodes.size;
    const node = this.#scene.addNode();
    node.start();
    this.#scene.register(node, this.#scene.versionOf(place));
    this.#scene.disturb('', REGISTRY_ECHO_MS);
    return nothing;
  }

  #leave(node: SimNode): Undo | null {
    const { nodes, chain } = this.#scene;
    if (nodes.size - this.#gone.size <= 1) return null;
    this.#count('node leaves');
    this.#gone.add(node.name);
    this.#scene.disturb('', REGISTRY_ECHO_MS);
    chain.change((state) => withInstance(state, node.wallet, { status: 'STOPPED' }));
    node.kill();
    return nothing;
  }

  #move(node: SimNode): Undo {
    this.#count('URL moves');
    this.#moves += 1;
    node.moveTo(`${node.name}-${this.#moves}.sim`);
    this.#scene.disturb('', REGISTRY_ECHO_MS);
    if (node.life !== null) this.#scene.register(node);
    return nothing;
  }

  #setMember(node: SimNode, isMember: boolean): void {
    if (this.#gone.has(node.name)) return;
    this.#scene.disturb('', REGISTRY_ECHO_MS);
    this.#scene.chain.change((state) => withInstance(state, node.wallet, { status: isMember ? 'ACTIVE' : 'STOPPED' }));
  }

  #lie(node: SimNode, kind: LieKind, forMs: number): Undo | null {
    const { seed, apps, watch: { history }, timeline, nodes, network } = this.#scene;
    const { life } = node;
    const honest = [...nodes.values()].filter(({ name, lies }) => lies === null && !this.#gone.has(name));
    if (life === null || node.lies !== null || honest.length <= MIN_HONEST_NODES) return null;
    node.everLied = true;
    this.#scene.disturb(node.name, forMs + REGISTRY_ECHO_MS);
    const judge = new PoisonJudge(this.#scene);
    const liar = new Liar(kind, {
      random: new SeededRandom(`${seed}/lies of ${node.name} at ${timeline.nowMs}`),
      onFault: (what) => this.#count(what),
      touch: (appId, key, version) => history.touch(appId, key, version),
      appIds: apps.filter(({ appId }) => Number.isSafeInteger(appId)).map(({ appId }) => appId),
      transportOf: (liarLife) => network.transportOf(liarLife, liarLife.clock, node.address),
      onSpoiled: (victim) => judge.spoiled(victim),
      judge: (victim, message, answer) => judge.poisoned(victim, message, answer),
      setMember: (isMember) => this.#setMember(node, isMember),
    });
    node.lies = liar;
    const attack = (): void => {
      if (node.lies !== liar || node.life === null) return;
      const members = node.life.node.inside.peerCache.membership()?.members ?? [];
      void liar.attack(node.life, members.filter(({ wallet }) => wallet !== node.wallet));
      timeline.after(ATTACK_EVERY_MS, node.life, attack);
    };
    liar.begin();
    if (liar.attacks) attack();
    return () => {
      liar.end();
      node.lies = null;
    };
  }
}

function isBackendFault(kind: FaultKind): kind is BackendFaultKind {
  return (BACKEND_FAULTS as readonly string[]).includes(kind);
}

function isFlood(kind: FaultKind): kind is FloodKind {
  return (FLOOD_KINDS as readonly string[]).includes(kind);
}

function isLie(kind: FaultKind): kind is LieKind {
  return (LIE_KINDS as readonly string[]).includes(kind);
}

/** Maximum time that a process takes to stop. Milliseconds. */
const STOPPING_MS = 5_000;

const nothing: Undo = () => undefined;

function backTo<Behaviour extends object>(good: Behaviour, change: Partial<Behaviour>): Partial<Behaviour> {
  return Object.fromEntries(Object.keys(change).map((name) => [name, good[name as keyof Behaviour]])) as Partial<Behaviour>;
}
