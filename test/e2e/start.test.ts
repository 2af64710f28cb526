/** Runs `npm start` as a new user does, and checks what it shows, how it ends, and that it leaves nothing behind. */
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Readable } from 'node:stream';
import { waitUntil } from '../../src/dev/waiting.ts';
import type { DerivedKey } from '../../src/client/derive.ts';
import { checkKeys } from '../../src/cli/dev/key-check.ts';
import { CapturedOutput } from '../../src/dev/captured-output.ts';
import type { Wallet } from '../../src/domain/ids.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { StartedCommand, type Ended } from './support/started-command.ts';

const started: StartedCommand[] = [];

/** The folder in which a cluster writes the identity of its app. */
const folder = mkdtempSync(join(tmpdir(), 'start-'));

afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.clear()));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(file: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): StartedCommand {
  const command = new StartedCommand(file, args, environment);
  started.push(command);
  return command;
}

/** Starts `npm start` so that npm itself prints nothing. */
function npmStart(...args: string[]): StartedCommand {
  return start('npm', ['start', '--silent', '--', ...args]);
}

/** Starts the script behind `npm start` directly, without npm. */
function launcher(...args: string[]): StartedCommand {
  return start('node', ['scripts/start.mjs', ...args]);
}

/** Runs a script whose `process` object is changed to imitate another machine. */
function elsewhere(change: string, ...args: string[]): StartedCommand {
  return start(process.execPath, ['--import', `data:text/javascript,${change}`, ...args], { PATH: '/usr/bin:/bin' });
}

interface Event {
  readonly event: string;
  readonly [name: string]: unknown;
}

function eventsOf(stdout: string): readonly Event[] {
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Event);
}

interface Row {
  readonly node: string;
  readonly url: string;
  readonly state: string;
  readonly wallet: string;
  readonly fingerprint: string;
  readonly derive_ms: number;
  readonly write_ms: number;
  readonly delete_ms: number;
}

/** Expects a one-line reason and no other output. */
function expectRefusal({ code, stderr, stdout }: Ended, reason: RegExp, expected = 1): void {
  expect({ code, stdout, lines: stderr.split('\n').length - 1 }).toEqual({ code: expected, stdout: '', lines: 1 });
  expect(stderr).toMatch(reason);
}

describe('npm start -- --once', () => {
  test(
    'shows how every node becomes ready and that all nodes derive the same key, exits with 0, and leaves no process and no file',
    async () => {
      const command = npmStart('--once', '--json');
      const { code, stdout, stderr } = await command.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(command.processes()).toEqual([]);
      expect(command.filesLeft()).toEqual([]);

      const events = eventsOf(stdout);
      expect(events.filter(({ event }) => event === 'step').map(({ step }) => step)).toEqual([
        'chain',
        'contracts',
        'enclaves',
        'registration',
        'nodes',
      ]);
      const table = events.at(-1)!;
      expect(table).toMatchObject({ event: 'table', equal: true, after_ms: expect.any(Number) });
      const rows = table['rows'] as readonly Row[];
      expect(rows.map(({ node, state }) => `${node} ${state}`)).toEqual(['node-1 ready', 'node-2 ready', 'node-3 ready']);
      expect(new Set(rows.map(({ fingerprint }) => fingerprint)).size).toBe(1);
      expect(new Set(rows.map(({ wallet }) => wallet)).size).toBe(3);
      for (const { fingerprint, wallet, url, derive_ms: derive, write_ms: write, delete_ms: deletion } of rows) {
        expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
        expect(wallet).toMatch(/^0x[0-9a-f]{40}$/);
        expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
        for (const duration of [derive, write, deletion]) expect(duration).toBeGreaterThanOrEqual(0);
      }
      for (const { node } of rows) {
        const states = events.filter((event) => event.event === 'state' && event['node'] === node);
        expect(states.length).toBeGreaterThan(2);
        expect(states[0]).toMatchObject({ state: 'ineligible', reason: 'initializing' });
        expect(states.at(-1)).toMatchObject({ state: 'ready', reason: null });
        for (const state of states) expect(state['since_start_ms']).toBeGreaterThanOrEqual(state['since_change_ms'] as number);
      }
    },
  );

  test(
    'prints a readable, aligned table of five nodes, without colours when the output is not a terminal',
    async () => {
      const command = npmStart('--once', '--nodes', '5');
      const { code, stdout, stderr } = await command.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).not.toContain('\u001b');
      expect(stdout).not.toContain('\r');
      expect(stdout).toMatch(/^node-[1-5] +\d+\.\d s \(\+\d+\.\d s\) +bootstrapping +(?:awaiting on-chain )?master secret hash/m);
      const lines = stdout.split('\n');
      const head = lines.findIndex((line) => line.startsWith('node  '));
      const table = lines.slice(head, head + 6);
      expect(table[0]).toMatch(/^node +url +state +wallet +key fingerprint +derive ms +write ms +delete ms$/);
      expect(new Set(table.map(({ length }) => length)).size).toBe(1);
      const cells = table.slice(1).map((line) => line.split(/ {2,}/));
      expect(cells.map(([node, , state]) => `${node} ${state}`)).toEqual([1, 2, 3, 4, 5].map((index) => `node-${index} ready`));
      expect(new Set(cells.map(([, , , , fingerprint]) => fingerprint)).size).toBe(1);
      expect(stdout).toMatch(/the keys are equal, and a record written on node-1 was seen, then deleted, on every node \(\d+\.\d s\)\.\n$/);
      expect(command.processes()).toEqual([]);
    },
  );

  test('also works with enclaves of the older generation of the platform', async () => {
    const { code, stdout, stderr } = await npmStart('--once', '--json', '--nodes', '2', '--generation', 'enclaver').ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'table', equal: true });
  });

  test(
    'says in one line which node ended too early, and how',
    async () => {
      const command = npmStart('--once', '--json', '--nodes', '1');
      await command.until('the first state', ({ stdout }) => stdout.includes('"event":"state"'));
      process.kill(command.processOf('src/cli/nova-kms.ts node ').pid, 'SIGKILL');
      const { code, stderr } = await command.ended;
      expect({ code, lines: stderr.split('\n').length - 1 }).toEqual({ code: 1, lines: 1 });
      expect(stderr).toMatch(/^node-1 ended by SIGKILL/);
      expect(command.processes()).toEqual([]);
    },
  );
});

describe('npm start', () => {
  const wallets = [`0x${'01'.repeat(20)}`, `0x${'02'.repeat(20)}`, `0x${'03'.repeat(20)}`] as Wallet[];

  /** Runs `checkKeys` with a client that returns these keys, one from each node. */
  async function check(keys: readonly Uint8Array[]) {
    const asked: (string | undefined)[] = [];
    const client = {
      nodes: async () => [],
      derive: async (_request: unknown, { node }: { readonly node?: string } = {}): Promise<DerivedKey> => {
        asked.push(node);
        const wallet = wallets[asked.length - 1]!;
        return { key: keys[asked.length - 1]!, appId: 1, node: { wallet, url: '', teePubkey: '' as DerivedKey['node']['teePubkey'] } };
      },
    };
    const result = await checkKeys(wallets, new AbortController().signal, { client, monotonicMs: () => 0 });
    return { asked, ...result };
  }

  const key = (last: number): Uint8Array => new Uint8Array(32).fill(last, 31);

  test.each([
    ['equal when all keys are equal', [1, 1, 1], true],
    ['not equal when the first key differs', [2, 1, 1], false],
    ['not equal when the last key differs', [1, 1, 2], false],
  ])('reports the keys as %s, addresses each node by its wallet, and wipes the keys', async (_name, lasts, equal) => {
    const keys = lasts.map(key);
    const result = await check(keys);
    expect(result.equal).toBe(equal);
    expect(result.asked).toEqual(wallets);
    expect(new Set(result.keys.map(({ fingerprint }) => fingerprint)).size).toBe(new Set(lasts).size);
    for (const held of keys) expect(held).toEqual(new Uint8Array(32));
  });

  test('shows the message of an uncaught error in a node, but not its stack', async () => {
    const output = new CapturedOutput('node-1', 10);
    const stderr = Readable.from([Buffer.from('file.ts:1\nthrow x\n^\n\nError: no room\n    at f (file.ts:1:1) {\n  code: 1\n}\n\nNode.js v24.21.0\n')]);
    output.follow('stderr', stderr);
    await once(stderr, 'end');
    expect(output.lastError()).toBe('Error: no room');
  });
});

describe('a running cluster', () => {
  async function runningCluster(): Promise<StartedCommand> {
    const command = npmStart('--json', '--nodes', '1', '--identity', join(folder, 'app.json'));
    await command.until('the cluster running', ({ stdout }) => stdout.includes('"event":"running"'));
    expect(command.processes().map(({ command: line }) => line)).toEqual(
      expect.arrayContaining([
        expect.stringContaining('src/cli/nova-kms.ts dev '),
        expect.stringContaining('src/cli/nova-kms.ts node '),
        expect.stringContaining('src/cli/nova-kms.ts emulator '),
        expect.stringContaining('bin/anvil --port'),
      ]),
    );
    return command;
  }

  test.each([
    ['Ctrl-C in a terminal, which signals the whole process group', (command: StartedCommand) => command.signalGroup('SIGINT')],
    ['a SIGTERM that only npm gets', (command: StartedCommand) => command.signal('SIGTERM')],
  ])(
    'shuts down cleanly on %s',
    async (_name, stop) => {
      const command = await runningCluster();
      const node = command.processOf('src/cli/nova-kms.ts node ').pid;
      // The node is frozen, so that the copies of the signal from the terminal, npm and the launcher arrive during the shutdown.
      process.kill(node, 'SIGSTOP');
      stop(command);
      await command.until('stopping', ({ stdout }) => stdout.includes('"event":"stopping"'));
      process.kill(node, 'SIGCONT');
      await command.untilNothingLives();
      const { stdout, stderr } = await command.ended;
      const events = eventsOf(stdout);
      expect(events.at(-1)).toEqual({ event: 'stopped' });
      expect(readdirSync(folder)).toEqual([]);
      // An `ended` event would mean that the node did not shut down cleanly.
      expect(events.filter(({ event }) => event === 'ended')).toEqual([]);
      expect(stderr).toBe('');
      expect(command.filesLeft()).toEqual([]);
    },
  );

  test(
    'ends immediately with exit code 130 on a second SIGINT if a node does not stop',
    async () => {
      const command = launcher('--json', '--nodes', '1', '--identity', join(folder, 'ended-at-once.json'));
      await command.until('the cluster running', ({ stdout }) => stdout.includes('"event":"running"'));
      process.kill(command.processOf('src/cli/nova-kms.ts node ').pid, 'SIGSTOP');
      command.signal('SIGINT');
      await command.until('stopping', ({ stdout }) => stdout.includes('"event":"stopping"'));
      // Copies of one Ctrl-C count as one signal. Only a signal that comes a moment later counts as a second signal.
      await waitUntil({ what: 'the end', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 50 }, async () => {
        if (!command.running) return null;
        command.signal('SIGINT');
        return 'the cluster waits for a frozen node';
      });
      expect((await command.ended).code).toBe(130);
      await command.untilNothingLives();
    },
  );

  test.each([
    ['npm', (command: StartedCommand) => command.signal('SIGKILL')],
    ['the cluster itself', (command: StartedCommand) => process.kill(command.processOf('src/cli/nova-kms.ts dev ').pid, 'SIGKILL')],
  ])(
    'leaves nothing behind when %s is killed',
    async (_name, kill) => {
      const command = await runningCluster();
      kill(command);
      await command.untilNothingLives();
      expect(command.filesLeft()).toEqual([]);
    },
  );
});

describe('the command line of npm start:', () => {
  test(
    '--help shows every option with its values and its default',
    async () => {
      const { code, stdout, stderr } = await npmStart('--help').ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const option of ['--nodes <n>', '--tick-seconds <s>', '--generation <name>', '--base-port <p>', '--visualizer-port <p>', '--no-visualizer', '--identity <file>', '--once', '--json', '--help']) {
        expect(stdout).toContain(option);
      }
      expect(stdout).toContain('1 to 16 (default: 3)');
      expect(stdout).toMatch(/0:\s+any\s+free\s+ports\s+\(default:\s+0\)/);
      expect(stdout).toContain('Exit codes:');
    },
  );

  test(
    'an invalid option is refused with a one-line message before anything is started',
    async () => {
      const cases: readonly (readonly [string, RegExp, code?: number])[] = [
        ['--nodes 0', /'--nodes <n>'.*from 1 to 16\.$/m],
        ['--nodes 17', /'--nodes <n>'.*from 1 to 16\.$/m],
        ['--tick-seconds 0.5', /'--tick-seconds <s>'.*from 1 to 86400\.$/m],
        ['--base-port 65536', /'--base-port <p>'.*from 0 to 65535\.$/m],
        ['--base-port 65534', /3 ports from 65534 go beyond 65535/, 1],
        ['--generation x', /'--generation <name>'.*capsule or enclaver\.$/m],
        ['--nope', /unknown option '--nope'/],
        ['nope', /too many arguments/],
      ];
      const ends = await Promise.all(cases.map(([args]) => launcher(...args.split(' ')).ended));
      for (const [index, [, reason, code = 2]] of cases.entries()) expectRefusal(ends[index]!, reason, code);
    },
  );

  test(
    'a port that is in use is reported in one line',
    async () => {
      const holder = createServer().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      const { port } = holder.address() as AddressInfo;
      const end = await npmStart('--once', '--nodes', '1', '--base-port', String(port)).ended;
      holder.close();
      expectRefusal(end, new RegExp(`^port ${port} is in use: give a different --base-port`));
    },
  );

  test.each([
    ['v18.20.4', 'with which npm install fails', /^Node 20\.19 or newer is needed .*; this is Node v18\.20\.4\.$/m],
    ['v20.18.3', 'which is slightly too old', /^Node 20\.19 or newer is needed .*; this is Node v20\.18\.3\.$/m],
  ])(
    'Node %s, %s, is refused with a one-line message',
    async (version, _name, reason) => {
      const change = `Object.defineProperty(process,'version',{value:'${version}'})`;
      expectRefusal(await elsewhere(change, 'scripts/start.mjs', '--once').ended, reason);
    },
  );

  test(
    'Node 20 on a platform for which the lockfile has no newer Node is refused with a one-line message',
    async () => {
      const change = "Object.defineProperty(process,'version',{value:'v20.19.5'});Object.defineProperty(process,'arch',{value:'riscv64'})";
      const end = await elsewhere(change, 'scripts/start.mjs', '--once').ended;
      expectRefusal(end, /^Node 24 or newer is needed, and none is installed for linux-riscv64/);
    },
  );

  test(
    'a platform for which the lockfile has no Anvil is refused with a one-line message',
    async () => {
      const change = "Object.defineProperty(process,'arch',{value:'riscv64'})";
      const { code, stderr } = await elsewhere(change, 'src/cli/nova-kms.ts', 'dev', '--once', '--json').ended;
      expect(code).toBe(1);
      expect(stderr).toBe('The lockfile has no Anvil for linux-riscv64: install Foundry, so that "anvil" is on the PATH.\n');
    },
  );
});
