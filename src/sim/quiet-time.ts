/**
 * The time after a recovery. Faults are so frequent that the rules about undisturbed nodes rarely apply during a run. So the cluster is left
 * undisturbed until these rules apply. Then each node must accept a write, and every other node must soon give the right answers.
 */
import type { RequestStep } from './scenario.ts';
import type { Simulation } from './simulation.ts';
import { honestLives } from './recovery.ts';
import { CALM_MS, PROMPT_MS } from './watch/cluster-watch.ts';
import type { Life } from './world/sim-node.ts';

/** Margin after the time that a rule allows. Milliseconds. */
const MARGIN_MS = 1_000;
const INVARIANT = 'a quiet cluster answers every request correctly';

export class QuietTime {
  readonly #simulation: Simulation;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Call this after a complete recovery. A wrong answer is a violation. */
  async run(): Promise<void> {
    const simulation = this.#simulation;
    // If the secret is gone, no node is ready, and there is nothing to check.
    if (honestLives(simulation).some(({ node }) => node.readiness().state !== 'ready')) return;
    simulation.endDisturbance();
    if ((await simulation.run(CALM_MS + MARGIN_MS)) !== null) return;
    const written: string[] = [];
    for (const { name } of honestLives(simulation)) if (await this.#isWritten(name)) written.push(name);
    if ((await simulation.run(PROMPT_MS + MARGIN_MS)) !== null) return;
    // A node that has run out of room may lack some records.
    const lives = honestLives(simulation).filter(({ node }) => node.inside.store.refusedFull === 0);
    for (const life of lives) await this.#read(life, written);
    const [first, ...others] = lives;
    if (first === undefined || !written.includes(first.name)) return;
    const remover = others[0] ?? first;
    await this.#expect({ do: 'delete', node: remover.name, key: keyOf(first.name) }, 'ok');
    if ((await simulation.run(PROMPT_MS + MARGIN_MS)) !== null) return;
    for (const life of lives) {
      await this.#expect({ do: 'get', node: life.name, key: keyOf(first.name) }, 'not_found', 'unready');
      await this.#list(life, written.filter((name) => name !== first.name));
    }
  }

  /** @returns false if the node has no room for the write */
  async #isWritten(node: string): Promise<boolean> {
    const { outcome } = await this.#expect({ do: 'put', node, key: keyOf(node), value: valueOf(node) }, 'ok', 'insufficient_storage');
    return outcome === 'ok';
  }

  /** Asks one node for everything that the nodes have written. */
  async #read(life: Life, written: readonly string[]): Promise<void> {
    const { name } = life;
    for (const writer of written) {
      const { answer } = await this.#expect({ do: 'get', node: name, key: keyOf(writer) }, 'ok');
      const value = answer === null ? null : Buffer.from(answer['value'] as Uint8Array).toString();
      if (value !== null && value !== valueOf(writer)) this.#report(life, `${name} returns a value that ${writer} did not write`);
    }
    await this.#list(life, written);
  }

  /** @param written the nodes whose keys must be in the list */
  async #list(life: Life, written: readonly string[]): Promise<void> {
    const { name, node, clock } = life;
    const appId = String(this.#simulation.apps[0]!.appId);
    const { answer } = await this.#expect({ do: 'list', node: name, key: '' }, 'ok', 'unready');
    if (answer === null) return;
    const present = this.#simulation.watch.storeOf(life).presentKeys(appId, clock.nowMs());
    const listed = new Set(answer['keys'] as readonly string[]);
    // A record may expire while the answer travels, so an expired record may be listed. A deleted one must not be listed.
    const isDeleted = (key: string): boolean => node.inside.store.recordOf(appId, key)?.tombstone !== false;
    const missing = [...present, ...written.map(keyOf)].some((key) => !listed.has(key));
    if (missing || [...listed].some(isDeleted)) this.#report(life, `${name} lists ${listed.size} keys, but holds ${present.length}`);
  }

  async #expect(step: Pick<RequestStep, 'do' | 'node' | 'key' | 'value'>, ...allowed: readonly string[]): ReturnType<Simulation['ask']> {
    const simulation = this.#simulation;
    const ended = await simulation.ask(step);
    simulation.checks.note(INVARIANT);
    if (!allowed.includes(ended.outcome)) simulation.report(INVARIANT, `${step.do} ${JSON.stringify(step.key)} on ${step.node}: ${ended.outcome}`, step.node);
    return ended;
  }

  #report({ name }: Life, detail: string): void {
    this.#simulation.report(INVARIANT, detail, name);
  }
}

function keyOf(node: string): string {
  return `quiet ${node}`;
}

function valueOf(node: string): string {
  return `written on ${node}`;
}
