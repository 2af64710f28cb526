/** Uses the page of `npm start` as a browser does: one event stream for all nodes, and commands that act on real processes. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import process from 'node:process';
import { followEvents } from '../../src/cli/dev/follow-events.ts';
import { systemClock } from '../../src/system/system.ts';
import type { PageSession, VisualizerEvent } from '../../src/visualizer/wire.ts';
import { StartedCommand } from './support/started-command.ts';

interface Wait {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

const events: VisualizerEvent[] = [];
const stopping = new AbortController();
let waits: Wait[] = [];
let command: StartedCommand;
let url: string;
let session: PageSession;
let following: Promise<void>;

function take(event: VisualizerEvent): void {
  events.push(event);
  for (const wait of waits) if (wait.holds()) wait.resolve();
}

/** Waits until an event after `from` matches. */
async function until(has: (event: VisualizerEvent) => boolean, from = 0): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const wait: Wait = { holds: () => events.slice(from).some(has), resolve: () => resolve(undefined) };
  waits.push(wait);
  if (wait.holds()) wait.resolve();
  await promise;
  waits = waits.filter((each) => each !== wait);
}

async function send(body: object, headers: Record<string, string> = {}): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(`${url}/commands`, {
    method: 'POST',
    headers: { origin: url, 'content-type': 'application/json', 'x-visualizer-token': session.token!, ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

const isReady = (source: string) => (event: VisualizerEvent) =>
  (event.kind === 'step' || event.kind === 'state') && event.source === source && event.active?.includes('node.readiness.ready') === true;

beforeAll(async () => {
  command = new StartedCommand('node', ['scripts/start.mjs', '--json', '--nodes', '2', '--tick-seconds', '2'], {});
  await command.until('the page', ({ stdout }) => stdout.includes('"event":"visualizer"'));
  const said = JSON.parse(command.stdout.split('\n').find((line) => line.includes('"event":"visualizer"'))!) as { readonly url: string };
  url = said.url;
  following = followEvents(url, { take, signal: stopping.signal });
  session = (await (await fetch(`${url}/session`)).json()) as PageSession;
  await command.until('the cluster running', ({ stdout }) => stdout.includes('"event":"running"'));
});

afterAll(async () => {
  stopping.abort();
  await following;
  await command.clear();
});

test('the event stream starts with the chart, skips no event, and shows both nodes becoming ready; the session lists all commands', async () => {
  await until(isReady('node-1'));
  await until(isReady('node-2'));
  expect(events[0]!.kind).toBe('chart');
  expect(events.filter(({ kind }) => kind === 'chart')).toHaveLength(1);
  expect(events.map(({ n }) => n)).toEqual(events.map((_, index) => index + 1));
  expect(session).toMatchObject({ mode: 'live' });
  expect(session.commands.map(({ command: name }) => name)).toEqual([
    'node_tick',
    'sync_tick',
    'stop_instance',
    'start_instance',
    'kill_node',
    'restart_node',
    'cut_peer',
    'heal_peer',
    'revoke_version',
    'enrol_version',
    'reset_hash',
    'stop_rpc',
    'start_rpc',
  ]);
});

test('peers are shown under the names of their nodes', async () => {
  await until((event) => event.kind === 'shown' && event.source === 'node-1' && JSON.stringify(event.shown).includes('"peer":"node-2"'));
});

test('a command makes a node run a tick, and the stream shows the tick', async () => {
  const from = events.length;
  expect(await send({ command: 'sync_tick', source: 'node-1' })).toEqual({ status: 200, body: {} });
  await until((event) => event.kind === 'span' && event.source === 'node-1' && event.name === 'sync_tick' && event.outcome !== null, from);
  await until((event) => event.kind === 'note' && event.source === 'node-1' && event.level === 'info', from);
});

test.each([
  ['a command with the wrong token', { command: 'node_tick', source: 'node-1' }, { 'x-visualizer-token': 'another' }, 403],
  ['a command from the page of another server', { command: 'node_tick', source: 'node-1' }, { origin: 'http://evil.example' }, 403],
  ['a node_tick without a node', { command: 'node_tick' }, {}, 400],
  ['a node_tick for a node that does not exist', { command: 'node_tick', source: 'node-9' }, {}, 409],
  ['a cut between a node and itself', { command: 'cut_peer', source: 'node-1', peer: 'node-1' }, {}, 409],
  ['a command that does not exist', { command: 'rm' }, {}, 404],
])('%s is refused', async (_, body, headers, status) => {
  expect((await send(body, headers)).status).toBe(status);
});

test('the page shows a killed node as ended, and shows the restarted node from its start', async () => {
  let from = events.length;
  expect((await send({ command: 'kill_node', source: 'node-2' })).status).toBe(200);
  await until((event) => event.kind === 'end' && event.source === 'node-2' && event.how === 'ended by SIGKILL', from);
  expect((await send({ command: 'node_tick', source: 'node-2' })).body).toEqual({ error: 'node-2 is not running' });
  from = events.length;
  expect((await send({ command: 'restart_node', source: 'node-2' })).status).toBe(200);
  await until((event) => event.kind === 'state' && event.source === 'node-2' && event.fresh, from);
  await until(isReady('node-2'), from);
});

test('npm start reports the end of each process exactly once, including the end of a process that the page started', async () => {
  const ends = (): readonly string[] =>
    command.stdout
      .split('\n')
      .filter((line) => line.includes('"event":"ended","node":"node-2"'))
      .map((line) => (JSON.parse(line) as { readonly how: string }).how);
  const before = ends().length;
  expect((await send({ command: 'restart_node', source: 'node-2' })).status).toBe(200);
  expect((await send({ command: 'kill_node', source: 'node-2' })).status).toBe(200);
  // An event of the killed process may still arrive, so the test tells the two processes apart by the times of their events.
  const killedMs = systemClock.nowMs();
  expect((await send({ command: 'restart_node', source: 'node-2' })).status).toBe(200);
  await until((event) => isReady('node-2')(event) && event.atMs > killedMs);
  expect(ends().slice(before)).toEqual([expect.stringMatching(/^node-2 ended with code 0/), expect.stringMatching(/^node-2 ended by SIGKILL/)]);
});

test('while the RPC is stopped, ready nodes stay ready, and their ticks fail and report the reason; when the RPC runs again, the ticks succeed', async () => {
  const outcomeOf = (source: string, wanted: RegExp) => (event: VisualizerEvent): boolean => {
    const outcome = event.kind === 'step' && event.source === source ? event.shown?.['last tick'] : null;
    return typeof outcome === 'string' && wanted.test(outcome);
  };
  const stoppedFrom = events.length;
  expect((await send({ command: 'stop_rpc' })).status).toBe(200);
  for (const source of ['node-1', 'node-2']) await until(outcomeOf(source, /^peer cache refresh failed: the chain RPC/), stoppedFrom);
  const startedFrom = events.length;
  expect((await send({ command: 'start_rpc' })).status).toBe(200);
  for (const source of ['node-1', 'node-2']) await until(outcomeOf(source, /^ok$/), startedFrom);
  const left = events.slice(stoppedFrom).filter((event) => event.kind === 'step' && event.active?.includes('node.readiness.ready') === false);
  expect(left).toEqual([]);
});

test('anti-entropy fails while a link is cut, and succeeds after the link is restored', async () => {
  const tick = async (wanted: string): Promise<void> => {
    for (;;) {
      const from = events.length;
      await send({ command: 'sync_tick', source: 'node-1' });
      await until((event) => event.kind === 'span' && event.source === 'node-1' && event.outcome !== null, from);
      if (events.slice(from).some((event) => event.kind === 'span' && event.outcome === wanted)) return;
    }
  };
  await send({ command: 'cut_peer', source: 'node-1', peer: 'node-2' });
  await tick('1 of 1 peers failed');
  await send({ command: 'heal_peer', source: 'node-2', peer: 'node-1' });
  await tick('ok');
});

test('the stream does not contain the token', () => {
  expect(events.length).toBeGreaterThan(100);
  expect(JSON.stringify(events)).not.toContain(session.token);
});

test('npm start exits with 1 and prints one line about the port if the port of the page is in use', async () => {
  const other = new StartedCommand('node', ['scripts/start.mjs', '--visualizer-port', new URL(url).port], {});
  const { code, stdout, stderr } = await other.ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toBe(`port ${new URL(url).port} is in use: give a different --visualizer-port, or 0 for any free port\n`);
  await other.clear();
});

test('--no-visualizer serves no page', async () => {
  const other = new StartedCommand('node', ['scripts/start.mjs', '--no-visualizer', '--once', '--json', '--nodes', '1'], {});
  const { code, stdout } = await other.ended;
  expect(code).toBe(0);
  expect(stdout).not.toContain('visualizer');
  await other.clear();
});

test('Ctrl-C during a restart that the page started leaves no process behind, and later commands are refused', async () => {
  const other = new StartedCommand('node', ['scripts/start.mjs', '--json', '--nodes', '1'], {});
  await other.until('the cluster running', ({ stdout }) => stdout.includes('"event":"running"'));
  const said = JSON.parse(other.stdout.split('\n').find((line) => line.includes('"event":"visualizer"'))!) as { readonly url: string };
  const { token } = (await (await fetch(`${said.url}/session`)).json()) as PageSession;
  const headers = { origin: said.url, 'content-type': 'application/json', 'x-visualizer-token': token! };
  const ask = async (name: string, source = 'node-1') =>
    fetch(`${said.url}/commands`, { method: 'POST', headers, body: JSON.stringify({ command: name, source }) });
  const { pid } = other.processOf('src/cli/nova-kms.ts node ');
  // The node is frozen, so that stopping it takes a while.
  process.kill(pid, 'SIGSTOP');
  const restarted = ask('restart_node').catch(() => null);
  // Commands start in order, so when a later command has been answered, the restart is under way.
  expect((await ask('sync_tick', 'node-9')).status).toBe(409);
  other.signalGroup('SIGINT');
  await other.until('stopping', ({ stdout }) => stdout.includes('"event":"stopping"'));
  const refused = await ask('kill_node');
  expect([refused.status, await refused.json()]).toEqual([409, { error: 'the cluster is stopping' }]);
  process.kill(pid, 'SIGCONT');
  await other.untilNothingLives();
  expect((await restarted)?.status).not.toBe(200);
  const lines = (await other.ended).stdout.trimEnd().split('\n');
  expect(lines.at(-1)).toBe('{"event":"stopped"}');
  // Both the restart and the Ctrl-C stop the node, and it still shuts down cleanly.
  expect(lines.filter((line) => line.includes('"event":"ended"'))).toEqual([]);
  await other.clear();
});
