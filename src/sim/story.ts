/**
 * Stories: failures of a cluster, written as commands and their output. A line that begins with `>` is a command, and the lines below
 * it are its output. Each story is documentation and a test. The commands are `cluster`, `run`, `status`, `fault`, `put`, `get`, `delete`,
 * `list`, `derive`, `tick`, `reset`, `chain`, `stores`, `recover` and `quiet`.
 *
 *     > cluster nodes=3
 *     > run 20s
 *     a bootstrapping: awaiting on-chain master secret hash
 *     a ready
 *     > put a colour red acks=1
 *     ok, acks=1
 *     > fault crash on a for 30s
 *     > status
 */
import { FAULT_KINDS, type RequestStep, type Scenario, type Step } from './scenario.ts';
import { QuietTime } from './quiet-time.ts';
import { Recovery } from './recovery.ts';
import { Simulation, type ReadinessChange } from './simulation.ts';
import { CONFIRMATIONS } from './world/sim-chain.ts';
import { ZERO_HASH } from '../domain/ids.ts';

export interface StoryCommand {
  readonly command: string;
  readonly output: readonly string[];
}

/** A story: the comment lines above the commands, and the commands. */
export interface Story {
  readonly about: readonly string[];
  readonly commands: readonly StoryCommand[];
}

/** A command that cannot be carried out. */
class StoryError extends Error {}

export function parseStory(text: string): Story {
  const about: string[] = [];
  const commands: { command: string; output: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) commands.push({ command: line.slice(1).trim(), output: [] });
    else if (line.trim() === '') continue;
    else if (commands.length === 0) about.push(line);
    else commands.at(-1)!.output.push(line);
  }
  return { about, commands };
}

export function formatStory({ about, commands }: Story): string {
  const parts = commands.map(({ command, output }) => [`> ${command}`, ...output].join('\n'));
  return `${[...about, '', ...parts].join('\n')}\n`;
}

/** Runs a story. @returns the same story with the new output of its commands @throws StoryError */
export async function playStory(story: Story): Promise<Story> {
  const player = new Player();
  const commands: StoryCommand[] = [];
  for (const { command } of story.commands) commands.push({ command, output: await player.perform(command) });
  return { about: story.about, commands };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function duration(text: string | undefined): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text ?? '');
  if (match === null) throw new StoryError(`expected a duration such as 20s, got ${text ?? 'nothing'}`);
  return Number(match[1]) * UNITS[match[2]!]!;
}

class Player {
  #simulation: Simulation | null = null;
  /** Changes of readiness since the last command. */
  #heard: ReadinessChange[] = [];
  #shown = new Map<string, string>();

  async perform(command: string): Promise<string[]> {
    const [name = '', ...words] = command.match(/"[^"]*"|\S+/g) ?? [];
    this.#heard = [];
    const output = await this.#do(name, words.map((word) => word.replace(/^"(.*)"$/, '$1')));
    const { violation } = this.#simulation!;
    return violation === null ? output : [...output, `BROKEN ${violation.invariant}: ${violation.detail}`];
  }

  async #do(name: string, words: readonly string[]): Promise<string[]> {
    if (name === 'cluster') {
      await this.#start(words);
      return [];
    }
    if (this.#simulation === null) throw new StoryError('a story begins with `cluster`');
    const simulation = this.#simulation;
    switch (name) {
      case 'run':
        await simulation.run(duration(words[0]));
        return this.#changes();
      case 'status':
        return [...simulation.nodes.keys()].map((node) => this.#line(node));
      case 'fault':
        this.#fault(words);
        return [];
      case 'put':
      case 'get':
      case 'delete':
      case 'list':
      case 'derive':
        return this.#ask(name, words);
      case 'tick':
        simulation.tick(words[0] ?? '');
        return [];
      case 'reset':
        simulation.apply({ do: 'fault', kind: 'hash reset' });
        return [];
      case 'chain':
        return [this.#chain()];
      case 'stores':
        return this.#stores();
      case 'recover':
        await new Recovery(simulation).run();
        return [...this.#changes(), simulation.violation === null ? 'recovered' : 'not recovered'];
      case 'quiet':
        await new QuietTime(simulation).run();
        return this.#changes();
      default:
        throw new StoryError(`unknown command ${name}`);
    }
  }

  /** `cluster nodes=3 apps=1 seed=x VARIABLE=value b.VARIABLE=value ..`; a variable with `b.` applies only to node b. */
  async #start(words: readonly string[]): Promise<void> {
    const given = new Map(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
    const settings = Object.fromEntries([...given].filter(([name]) => /^(?:[a-z]+\.)?[A-Z_]+$/.test(name)));
    this.#simulation = await Simulation.start({
      seed: given.get('seed') ?? 'story',
      nodes: Number(given.get('nodes') ?? 3),
      apps: Number(given.get('apps') ?? 1),
      settings,
      onReadiness: (change) => this.#heard.push(change),
    });
  }

  /** Changes of readiness, without repetitions and without states that lasted 0 ms. */
  #changes(): string[] {
    const lasting = this.#heard.filter(({ atMs, node }, place) => !this.#heard.some((other, later) => later > place && other.atMs === atMs && other.node === node));
    const fresh: string[] = [];
    for (const { node, state, reason } of lasting) {
      const line = lineOf(node, state, reason);
      if (this.#shown.get(node) !== line) fresh.push(line);
      this.#shown.set(node, line);
    }
    return fresh;
  }

  #line(name: string): string {
    const simulation = this.#simulation!;
    return lineOf(name, simulation.stateOf(name), simulation.reasonOf(name));
  }

  /** `fault KIND on NODE towards NODE for 10s at 0.3` */
  #fault(words: readonly string[]): void {
    const places = ['on', 'towards', 'for', 'at'].map((word) => words.indexOf(word)).filter((at) => at >= 0);
    const kind = words.slice(0, Math.min(words.length, ...places)).join(' ');
    if (!(FAULT_KINDS as readonly string[]).includes(kind)) throw new StoryError(`unknown fault ${kind}`);
    const after = (word: string): string | undefined => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
    this.#simulation!.apply({
      do: 'fault',
      kind: kind,
      node: after('on') ?? '',
      other: after('towards') ?? '',
      forMs: after('for') === undefined ? 0 : duration(after('for')),
      amount: Number(after('at') ?? 0),
    });
  }

  /** `put NODE KEY VALUE app=0 acks=1 ttl=5s &`; with `&` the story does not wait for the answer. */
  async #ask(what: RequestStep['do'], words: readonly string[]): Promise<string[]> {
    const options = new Map(words.filter((word) => /^(?:app|acks|ttl|bytes)=/.test(word)).map((word) => [word.split('=')[0]!, word.split('=')[1]!]));
    const waits = !words.includes('&');
    const [node = '', key = '', value] = words.filter((word) => word !== '&' && !/^(?:app|acks|ttl|bytes)=/.test(word));
    const step = {
      do: what,
      node,
      key,
      app: Number(options.get('app') ?? 0),
      acks: Number(options.get('acks') ?? 0),
      bytes: Number(options.get('bytes') ?? 16),
      ttlMs: options.has('ttl') ? duration(options.get('ttl')) : 0,
      ...(value === undefined ? {} : { value }),
    };
    if (!waits) {
      this.#simulation!.apply(step);
      return [];
    }
    const { outcome, answer } = await this.#simulation!.ask(step);
    if (answer === null) return [outcome];
    if (what === 'get') return [Buffer.from(answer['value'] as Uint8Array).toString()];
    if (what === 'list') return [(answer['keys'] as readonly string[]).join(' ')];
    // A story must not show the key itself.
    if (what === 'derive') return [`key of ${(answer['key'] as Uint8Array).length} bytes`];
    return [typeof answer['acks'] === 'number' ? `${outcome}, acks=${answer['acks']}` : outcome];
  }

  #chain(): string {
    const { chain, nodes } = this.#simulation!;
    const show = (hash: string): string => {
      if (hash === ZERO_HASH) return 'no hash';
      const holders = [...nodes.values()].filter(({ life }) => life?.node.inside.vault.servingHash() === hash || life?.node.inside.secret.claimableHash() === hash);
      return holders.length === 0 ? 'a hash whose secret no node has' : `the hash of the secret that ${holders.map(({ name }) => name).join(', ')} ${holders.length === 1 ? 'holds' : 'hold'}`;
    };
    return `head: ${show(chain.headState.hash)}; ${CONFIRMATIONS} blocks deep: ${show(chain.deepState.hash)}`;
  }

  /** For each store: how many keys are present, how many records it holds, and the start of its root digest. */
  #stores(): string[] {
    return this.#simulation!.lives().map((life) => {
      const { store } = life.node.inside;
      const { totalKeys } = store.totals(life.clock.nowMs());
      const kept = [...store.walk({})].length;
      return `${life.name}: keys ${totalKeys}, records ${kept}, digest ${store.rootDigest().slice(0, 8)}`;
    });
  }
}

function lineOf(node: string, state: string, reason: string | null): string {
  return `${node} ${state}${reason === null ? '' : `: ${withoutCounts(reason)}`}`;
}

/** Removes the counts of the members that were asked, because these counts depend on which answer came first. */
function withoutCounts(reason: string): string {
  return reason.replace(/: asked \d.*$/, '');
}

/** Turns a failing scenario into a story. */
export function storyOf(scenario: Scenario, about: readonly string[]): Story {
  const { seed, nodes, apps, settings, steps, durationMs } = scenario;
  const set = Object.entries(settings).map(([name, value]) => ` ${name}=${value}`).join('');
  const commands = [`cluster seed=${seed} nodes=${nodes} apps=${apps}${set}`];
  let nowMs = 0;
  const runTo = (atMs: number): void => {
    if (atMs > nowMs) commands.push(`run ${atMs - nowMs}ms`);
    nowMs = Math.max(nowMs, atMs);
  };
  for (const step of steps) {
    runTo(step.atMs);
    commands.push(commandOf(step));
  }
  runTo(durationMs);
  commands.push('recover', 'quiet');
  return { about: about.map((line) => `# ${line}`), commands: commands.map((command) => ({ command, output: [] })) };
}

function commandOf(step: Step): string {
  if (step.do === 'fault') {
    const { kind, node, other, forMs, amount } = step;
    return [`fault ${kind}`, node === '' ? '' : ` on ${node}`, other === '' ? '' : ` towards ${other}`, forMs === 0 ? '' : ` for ${forMs}ms`, amount === 0 ? '' : ` at ${amount}`].join('');
  }
  const { node, key, app, acks, bytes, ttlMs } = step;
  const options = `app=${app} bytes=${bytes}${acks > 0 ? ` acks=${acks}` : ''}${ttlMs > 0 ? ` ttl=${ttlMs}ms` : ''}`;
  return `${step.do} ${node} "${key}" ${options} &`;
}

