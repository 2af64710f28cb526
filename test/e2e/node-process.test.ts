/** `npm run node` as a supervisor sees it: its output, its reaction to signals, and its exit codes (protocol.md §8). */
import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { KmsClientError } from '../../src/client/errors.ts';
import { freePort } from '../../src/dev/listening-ports.ts';
import { CONFIRMATIONS, startCluster, type Cluster } from '../../src/dev/cluster.ts';
import { KMS_APP_ID } from '../../src/dev/dev-chain.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { StartedCommand } from './support/started-command.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** No process listens at this URL. */
const NOWHERE = 'http://127.0.0.1:9';
const SECRETS = { MASTER_SECRET_HEX: 'a7'.repeat(32), NODE_PRIVATE_KEY: `0x${'b6'.repeat(32)}` };
const CREDENTIALS = 'user:correcthorse';

const started: StartedCommand[] = [];
const servers: Server[] = [];
const clusters: Cluster[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.clear()));
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
  await Promise.all(clusters.splice(0).map((cluster) => cluster.close()));
});

/** Runs the command of `npm run node`, with these environment variables added. */
function startNode(environment: NodeJS.ProcessEnv, program: readonly string[] = ['bin/nova-kms.mjs']): StartedCommand {
  const command = new StartedCommand(process.execPath, [...program, 'node'], environment);
  started.push(command);
  return command;
}

/** Starts a node that listens but can reach neither a chain nor an enclave. */
async function startLonelyNode(environment: NodeJS.ProcessEnv = {}, program?: readonly string[]) {
  const port = await freePort();
  const lonely = { BIND_ADDR: `127.0.0.1:${port}`, NODE_URL: NOWHERE, ODYN_URL: NOWHERE, IN_ENCLAVE: 'false' };
  const command = startNode({ ...lonely, ...environment }, program);
  return { command, port };
}

interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [fact: string]: unknown;
}

function logOf(stderr: string): readonly LogLine[] {
  return stderr.trimEnd().split('\n').map((line) => JSON.parse(line) as LogLine);
}

function hasLogged(message: string) {
  return ({ stderr }: { readonly stderr: string }): boolean => stderr.includes(`"message":"${message}"`);
}

async function untilRefused(port: number): Promise<void> {
  await waitUntil({ what: 'new connections being refused', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () => {
    const socket = connect(port, '127.0.0.1');
    const refused = await Promise.race([
      once(socket, 'connect').then(() => false),
      once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'),
    ]).catch((error: unknown) => (error as NodeJS.ErrnoException).code === 'ECONNREFUSED');
    socket.destroy();
    return refused ? null : 'a connection was accepted';
  });
}

describe('the configuration:', () => {
  test('if variables are invalid, the node prints one line for each of them, without the value of a secret, and exits with 1', async () => {
    const { code, stdout, stderr } = await startNode({
      IN_ENCLAVE: 'maybe',
      BIND_ADDR: 'here',
      KMS_APP_ID: '0',
      ODYN_URL: 'ftp://127.0.0.1',
      MASTER_SECRET_HEX: 'c5'.repeat(31),
      NODE_PRIVATE_KEY: 'd4'.repeat(33),
    }).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd().split('\n').map((line) => line.split(' ', 1)[0]).sort()).toEqual([
      'BIND_ADDR',
      'IN_ENCLAVE',
      'KMS_APP_ID',
      'MASTER_SECRET_HEX',
      'NODE_PRIVATE_KEY',
      'ODYN_URL',
    ]);
    expect(stderr).not.toMatch(/c5c5|d4d4/);
  });

  test('the effective values are logged at start, except that a secret is logged only as set or unset, and no output contains a secret', async () => {
    const url = `http://${CREDENTIALS}@127.0.0.1:9`;
    const { command } = await startLonelyNode({ ...SECRETS, NODE_URL: url, KMS_NODE_TICK_SECONDS: '7', LOG_LEVEL: 'DEBUG' });
    // Waits until a tick has logged that it cannot read the chain.
    await command.until('the end of the first tick', ({ stderr }) => stderr.includes('peer cache refresh failed'));
    command.signal('SIGTERM');
    const { code, stdout, stderr } = await command.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(logOf(stderr)[0]).toMatchObject({
      message: 'effective configuration',
      MASTER_SECRET_HEX: 'set',
      NODE_PRIVATE_KEY: 'set',
      NODE_URL: 'http://***@127.0.0.1:9',
      KMS_NODE_TICK_SECONDS: '7',
      KMS_APP_ID: '49',
    });
    for (const secret of [SECRETS.MASTER_SECRET_HEX, SECRETS.NODE_PRIVATE_KEY.slice(2)]) {
      expect(stderr).not.toContain(secret);
      expect(stderr).not.toContain(Buffer.from(secret, 'hex').toString('base64').replace(/=+$/, ''));
    }
    expect(stderr).not.toContain('correcthorse');
  });

  test('a missing native secp256k1 is logged exactly once, and the node runs without it', async () => {
    // The loader of native libraries takes the architecture of the machine from this variable.
    const { command } = await startLonelyNode({ npm_config_arch: 'none' });
    await command.until('listening', hasLogged('listening'));
    command.signal('SIGTERM');
    const { code, stderr } = await command.ended;
    expect(code).toBe(0);
    expect(logOf(stderr).filter(({ message }) => message.startsWith('no native secp256k1'))).toMatchObject([{ level: 'warn', platform: `${process.platform}-${process.arch}` }]);
  });

  test('a missing secret is logged as unset', async () => {
    const { command } = await startLonelyNode();
    await command.until('listening', hasLogged('listening'));
    expect(logOf(command.stderr.slice(0, command.stderr.lastIndexOf('\n')))[0]).toMatchObject({
      MASTER_SECRET_HEX: 'unset',
      NODE_PRIVATE_KEY: 'unset',
    });
  });

  test('a port in use is reported in one readable line, and the exit code is 1', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    servers.push(holder);
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const { code, stderr } = await startNode({ BIND_ADDR: `127.0.0.1:${port}`, NODE_URL: NOWHERE, ODYN_URL: NOWHERE }).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: the port is in use$`, 'm'));
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

describe('the metrics of the node', () => {
  test('are served on METRICS_PORT from the start, even while the node is ineligible, until the node stops', async () => {
    const metricsPort = await freePort();
    const { command } = await startLonelyNode({ METRICS_PORT: String(metricsPort) });
    await command.until('its metrics listening', hasLogged('metrics listening'));
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(text).toContain('nova_kms_readiness_state{state="ineligible"} 1\n');
    expect(text).toMatch(/^nova_kms_build_info\{version="\d[^"]*",node_version="\d[^"]*"\} 1$/m);
    command.signal('SIGTERM');
    expect((await command.ended).code).toBe(0);
    await untilRefused(metricsPort);
  });

  test('are reported in the log as unavailable when METRICS_PORT is in use, and the node runs without them', async () => {
    const other = createServer();
    servers.push(other);
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const metricsPort = (other.address() as AddressInfo).port;
    const { command, port } = await startLonelyNode({ METRICS_PORT: String(metricsPort) });
    await command.until('the node listening', hasLogged('listening'));
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    command.signal('SIGTERM');
    const { code, stderr } = await command.ended;
    expect(code).toBe(0);
    expect(logOf(stderr)).toContainEqual(expect.objectContaining({ level: 'error', message: 'the port for metrics cannot be opened', port: metricsPort, code: 'EADDRINUSE' }));
  });
});

describe('shutdown:', () => {
  test(
    'on SIGTERM, the node finishes a request under way, refuses new ones, and exits with 0',
    async () => {
      const { command, client, front, port } = await startServingNode();
      front.hold('/v1/encryption/decrypt');
      const derived = client.derive({ path: 'slow' });
      await front.holding();
      // The launcher gets the signal and passes it on, and the node also gets it directly. So the node gets the same signal twice.
      command.signalGroup('SIGTERM');
      await untilRefused(port);
      expect(command.running).toBe(true);
      expect(hasLogged('stopped')(command)).toBe(false);
      front.release();
      expect((await derived).key).toHaveLength(32);
      const { code, stderr } = await command.ended;
      expect(code).toBe(0);
      expect(logOf(stderr).at(-1)).toMatchObject({ level: 'info', message: 'stopped' });
      expect(hasLogged('requests under way were cut off')({ stderr })).toBe(false);
    },
  );

  test(
    'a second signal ends the node immediately, even with requests under way',
    async () => {
      const { command, client, front, port } = await startServingNode();
      front.hold('/v1/encryption/decrypt');
      const cutOff = client.derive({ path: 'slow' }).catch((error: unknown) => error);
      await front.holding();
      command.signal('SIGTERM');
      await untilRefused(port);
      // Copies of a signal that arrive together count as one signal. Only a signal that comes a moment later counts as a second signal.
      await waitUntil({ what: 'the end', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 50 }, async () => {
        if (!command.running) return null;
        command.signal('SIGTERM');
        return 'it waits for the request under way';
      });
      const { code, stderr } = await command.ended;
      expect(code).toBe(130);
      expect(hasLogged('stopped')({ stderr })).toBe(false);
      await client.close();
      expect(await cutOff).toBeInstanceOf(KmsClientError);
    },
  );

  test('a signal that arrives while the node is starting also shuts it down cleanly, and nothing listens afterwards', async () => {
    // Sends SIGTERM as soon as the node logs its configuration.
    const signalled = `const{write}=process.stderr;process.stderr.write=function(text,...rest){
      if(String(text).includes('effective configuration'))process.nextTick(()=>process.emit('SIGTERM'));
      return write.call(this,text,...rest)}`;
    const { command, port } = await startLonelyNode({}, ['--import', `data:text/javascript,${encodeURIComponent(signalled)}`, 'src/cli/nova-kms.ts']);
    const { code, stderr } = await command.ended;
    expect(code).toBe(0);
    expect(logOf(stderr).at(-1)).toMatchObject({ level: 'info', message: 'stopped' });
    await untilRefused(port);
  });

  test('a viewer of the visualiser sees that the node is stopping, and then that it has ended', async () => {
    const visualizerPort = String(await freePort());
    const { command } = await startLonelyNode({ VISUALIZER_PORT: visualizerPort });
    await command.until('its visualiser listening', hasLogged('visualiser listening'));
    const answer = await fetch(`http://127.0.0.1:${visualizerPort}/trace?follow=true`);
    let text = '';
    const reading = (async () => {
      for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) text += chunk;
    })().catch(() => undefined);
    await waitUntil({ what: 'the first state', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () => (text.includes('"kind":"state"') ? null : 'no state was received'));
    command.signal('SIGTERM');
    expect((await command.ended).code).toBe(0);
    await reading;
    const events = text.trimEnd().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { kind: string; text?: string; how?: string });
    expect(events.find(({ kind }) => kind === 'note')).toMatchObject({ text: 'the node is stopping' });
    expect(events.at(-1)).toMatchObject({ kind: 'end', how: 'stopped' });
  });

  test('SIGHUP, which a terminal sends when it is closed, shuts the node down cleanly, even if only the launcher gets it', async () => {
    const { command } = await startLonelyNode();
    await command.until('the node listening', hasLogged('listening'));
    command.signal('SIGHUP');
    const { code, stderr } = await command.ended;
    expect({ code, last: logOf(stderr).at(-1)?.message }).toEqual({ code: 0, last: 'stopped' });
    expect(command.processes()).toEqual([]);
  });

  test('the launcher exits with 137 when the node is killed', async () => {
    const { command } = await startLonelyNode();
    await command.until('the node listening', hasLogged('listening'));
    process.kill(command.processOf('src/cli/nova-kms.ts node').pid, 'SIGKILL');
    expect((await command.ended).code).toBe(137);
  });

  test('when the state machine stops with an error, the error is logged, the server closes, and the exit code is 1', async () => {
    // Makes the state machine fail: the call that draws the random jitter of an early tick throws an error.
    const system = pathToFileURL(join(ROOT, 'src', 'system', 'system.ts')).href;
    const broken = `import{systemRandom}from'${system}';systemRandom.unit=()=>{throw new RangeError('none left')}`;
    const { command, port } = await startLonelyNode({}, ['--import', `data:text/javascript,${encodeURIComponent(broken)}`, 'src/cli/nova-kms.ts']);
    const { code, stderr } = await command.ended;
    expect(code).toBe(1);
    expect(logOf(stderr)).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'the node stops', code: 'RangeError', stack: expect.stringContaining('src/machines/') }),
    );
    expect(hasLogged('listening')({ stderr })).toBe(true);
    await untilRefused(port);
  });
});

/** Starts a node on a separate chain with the command of `npm run node`, and waits until the node is ready. */
async function startServingNode() {
  const cluster = await startCluster({ nodes: 1, start: false, blockTimeSeconds: 0.25 });
  clusters.push(cluster);
  const node = cluster.node(1);
  const front = new HoldingFront(node.enclave.url);
  servers.push(front.server);
  const command = startNode({
    BIND_ADDR: `127.0.0.1:${node.port}`,
    ODYN_URL: await front.listen(),
    NODE_URL: cluster.chain.url,
    IN_ENCLAVE: 'false',
    KMS_APP_ID: String(KMS_APP_ID),
    KMS_NODE_TICK_SECONDS: '2',
    CHAIN_CONFIRMATIONS: String(CONFIRMATIONS),
    KMS_REGISTRY_ADDRESS: cluster.chain.kmsRegistry,
    NOVA_APP_REGISTRY_ADDRESS: cluster.chain.novaAppRegistry,
  });
  await command.until('the node being ready', ({ stderr }) => stderr.includes('"state":"ready"'));
  const app = await cluster.createApp();
  await cluster.mineConfirmations();
  return { command, client: app.client, front, port: node.port };
}

/** A proxy in front of an enclave API. It forwards every request, but holds back the requests of one route until `release()` is called. */
class HoldingFront {
  readonly server: Server;
  readonly #held = Promise.withResolvers<undefined>();
  readonly #released = Promise.withResolvers<undefined>();
  #route = '';

  constructor(enclaveUrl: string) {
    this.server = createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
      void this.#gate(incoming.url!).then(() => {
        const onward = httpRequest(`${enclaveUrl}${incoming.url!}`, { method: incoming.method!, headers: incoming.headers }, (answer) => {
          outgoing.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(outgoing);
        });
        onward.on('error', () => outgoing.destroy());
        incoming.pipe(onward);
      });
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  hold(route: string): void {
    this.#route = route;
  }

  /** Resolves when a request is held back. */
  async holding(): Promise<void> {
    await this.#held.promise;
  }

  release(): void {
    this.#released.resolve(undefined);
  }

  async #gate(path: string): Promise<void> {
    if (path !== this.#route) return;
    this.#held.resolve(undefined);
    await this.#released.promise;
  }
}
