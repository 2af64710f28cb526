/**
 * The end of a run: all faults stop, and the cluster must recover by itself within a limit. First, every honest eligible node must be
 * ready, or all of them must report that no node holds the secret. Then all stores must be equal, and no work may be left.
 */
import { ZERO_HASH } from '../domain/ids.ts';
import { REASONS } from '../domain/reasons.ts';
import { isMember } from './watch/node-watch.ts';
import { BLOCK_MS, CONFIRMATIONS, withInstance } from './world/sim-chain.ts';
import type { Life, SimNode } from './world/sim-node.ts';
import type { Simulation } from './simulation.ts';

/** A node must be ready again within this number of node_ticks. */
const TICKS = 3;
/** After this time, no timestamp that was written during the longest clock jump is still in the future. */
const SETTLING_MS = 60_000;
const LOOK_MS = 1_000;

export class Recovery {
  readonly #simulation: Simulation;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /**
   * Ends all faults and lets the cluster recover. A failure to recover is a violation.
   * @returns whether the cluster has recovered completely; it has not if the secret is gone
   */
  async run(): Promise<boolean> {
    const simulation = this.#simulation;
    this.#mend();
    if ((await simulation.run(SETTLING_MS)) !== null) return false;
    if (!(await this.#becomeReady()) || !this.#someReady()) return false;
    if (!(await this.#becomeEqual())) return false;
    for (const life of this.#honest()) {
      simulation.checks.note('every write is present in the end');
      simulation.history.judge(life, life.clock.nowMs());
    }
    return simulation.violation === null;
  }

  /** Repairs everything: afterwards all clocks, registry entries and versions are correct, every process runs, and no member lies. */
  #mend(): void {
    const simulation = this.#simulation;
    const { chain, faults, network, nodes } = simulation;
    simulation.note('the faults end');
    faults.endAll();
    network.healAll();
    for (const node of nodes.values()) {
      if (faults.hasLeft(node.name)) continue;
      node.lies = null;
      node.setSkew(0);
      node.setDrift(0);
      node.setLag(0);
      node.freeze(0);
      if (node.life?.stopping === true) node.kill();
      if (node.life === null) node.start();
      chain.change((state) => withInstance(state, node.wallet, { status: 'ACTIVE' }));
      simulation.register(node);
    }
    chain.change((state) => ({ versions: new Map([...state.versions.keys()].map((id) => [id, 'ENROLLED'])) }));
  }

  #honest(): Life[] {
    return honestLives(this.#simulation);
  }

  #someReady(): boolean {
    return this.#honest().some((life) => life.node.readiness().state === 'ready');
  }

  /** @returns false if a rule was broken */
  async #becomeReady(): Promise<boolean> {
    const simulation = this.#simulation;
    const { chain, config } = simulation;
    const invariant = 'every node is ready again, or says that no one holds the secret';
    const timeoutMs = TICKS * config.nodeTickMs + CONFIRMATIONS * BLOCK_MS;
    for (let waitedMs = 0; waitedMs <= timeoutMs; waitedMs += LOOK_MS) {
      if (this.#honest().every((life) => life.node.readiness().state === 'ready')) break;
      if ((await simulation.run(LOOK_MS)) !== null) return false;
    }
    simulation.checks.note(invariant);
    const { hash } = chain.deepState;
    const isHeld = hash === ZERO_HASH || this.#honest().some(({ node }) => node.inside.vault.servingHash() === hash);
    for (const { name, node } of this.#honest()) {
      const { state, reason } = node.readiness();
      const saysSo = reason !== null && (NOBODY_HOLDS as readonly string[]).includes(reason.text);
      if (isHeld ? state === 'ready' : state === 'syncing-secret' && saysSo) continue;
      simulation.report(invariant, `${name} is ${state}: ${simulation.reasonOf(name) ?? ''}; the secret is ${isHeld ? 'there' : 'gone'}`, name);
      return false;
    }
    return true;
  }

  /** @returns false if a rule was broken */
  async #becomeEqual(): Promise<boolean> {
    const simulation = this.#simulation;
    const { config } = simulation;
    const invariant = 'all stores are equal again, and nothing is left to do';
    const timeoutMs = (this.#honest().length + 3) * config.dataSyncIntervalMs;
    let left = this.#leftToDo();
    for (let waitedMs = 0; left !== null && waitedMs <= timeoutMs; waitedMs += LOOK_MS) {
      if ((await simulation.run(LOOK_MS)) !== null) return false;
      left = this.#leftToDo();
    }
    simulation.checks.note(invariant);
    if (left !== null) simulation.report(invariant, left);
    return left === null;
  }

  /** What is left to do; null if nothing is left. */
  #leftToDo(): string | null {
    const lives = this.#honest();
    const digests = new Set(lives.map(({ clock, node }) => {
      node.inside.store.letAge(clock.nowMs());
      return node.inside.store.rootDigest();
    }));
    if (digests.size > 1) return `${digests.size} of ${lives.length} stores differ`;
    const honestWallets = new Set<string>(lives.map(({ instance }) => instance.wallet));
    for (const { name, node } of lives) {
      const behind = node.inside.replicas.views().find(({ wallet, behindRecords }) => honestWallets.has(wallet) && behindRecords > 0);
      if (behind !== undefined) return `${name} has ${behind.behindRecords} records that ${nameOf(this.#simulation, behind.wallet)} has not acknowledged: ${behind.lastError ?? 'no error'}`;
      if (node.inside.staleness.isStale()) return `${name} still considers itself stale`;
      if (node.inside.acknowledgements.size > 0) return `${node.inside.acknowledgements.size} writes wait for acknowledgements on ${name}`;
    }
    return this.#simulation.requestsUnderWay > 0 ? `${this.#simulation.requestsUnderWay} requests are under way` : null;
  }
}

/** Processes of members that have never lied. */
export function honestLives(simulation: Simulation): Life[] {
  const { deepState } = simulation.chain;
  return simulation.lives().filter(({ instance }) => {
    const registered = deepState.instances.get(instance.wallet);
    return !instance.everLied && registered !== undefined && isMember(deepState, registered);
  });
}

const NOBODY_HOLDS = [REASONS.nobodyHoldsSecret, REASONS.secretHashMismatch, REASONS.secretSyncFailed] as const;

function nameOf(simulation: Simulation, wallet: string): string {
  return [...simulation.nodes.values()].find((node: SimNode) => node.wallet === wallet)?.name ?? 'a stranger';
}
