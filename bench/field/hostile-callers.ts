/**
 * Hostile callers (protocol.md §10, Bounds): an app and a member send endless bodies, and strangers send floods of pipelined requests, of
 * nonce requests, and of proofs from unregistered wallets.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { pause } from '../../src/dev/waiting.ts';
import { systemRandom } from '../../src/system/system.ts';
import { RawCaller, RawHttp, type Target } from '../../test/e2e/support/raw-caller.ts';

/** Number of unfinished bodies that the app keeps open at every node. The member keeps the same number open. */
const HELD = 20;
const HELD_BODIES = {
  app: { method: 'PUT', path: '/kms/data', length: 3 * 1024 * 1024 },
  peer: { method: 'POST', path: '/sync', length: 40 * 1024 * 1024 },
} as const;
/** The part of a body that is sent immediately, and the part that is sent every second. Bytes. */
const FIRST_BYTES = 65_536;
const DRIP_BYTES = 1_024;
const FLOOD_EVERY_MS = 1_000;
/** Number of requests that a flood sends on one connection. */
const PIPELINED = 100;
/** Number of proofs from strangers in each flood. */
const STRANGERS = 3;
/** A connection of a flood is dropped after this time. Milliseconds. */
const FLOOD_SOCKET_MS = 5_000;

export interface HostileCallersModules {
  readonly nodes: () => readonly ClusterNode[];
  /** One identity is registered as an app, the other as a member. */
  readonly app: LocalIdentity;
  readonly peer: LocalIdentity;
}

export class HostileCallers {
  held = 0;
  flooded = 0;
  readonly #modules: HostileCallersModules;
  readonly #sockets = new Set<Socket>();
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(modules: HostileCallersModules) {
    this.#modules = modules;
  }

  start(): void {
    const { app, peer } = this.#modules;
    this.#running = Promise.all([this.#hold('app', app), this.#hold('peer', peer), this.#flood()]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const socket of this.#sockets) socket.destroy();
    await this.#running;
  }

  async #hold(kind: 'app' | 'peer', identity: LocalIdentity): Promise<void> {
    const open = new Map<ClusterNode, Set<Socket>>();
    while (!this.#stopped) {
      for (const node of this.#modules.nodes()) {
        const sockets = open.get(node) ?? new Set();
        open.set(node, sockets);
        for (const socket of sockets) if (socket.writable) socket.write('a'.repeat(DRIP_BYTES));
        // Adds only one body per second, because a proof costs this process more than it costs the node.
        if (sockets.size < HELD) await this.#holdOne(kind, identity, node, sockets).catch(() => undefined);
      }
      await pause(FLOOD_EVERY_MS).passed;
    }
  }

  async #holdOne(kind: 'app' | 'peer', identity: LocalIdentity, node: ClusterNode, sockets: Set<Socket>): Promise<void> {
    const target = targetOf(node);
    const { method, path, length } = HELD_BODIES[kind];
    const proof = await (await RawCaller.create(kind, identity, { http: new RawHttp() })).proof(target);
    const headers = { ...proof, host: 'node.test', 'content-type': 'application/json', 'content-length': String(length), ...(kind === 'peer' ? { 'x-sync-signature': 'ab'.repeat(32) } : {}) };
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = this.#connect(node);
    sockets.add(socket);
    socket.once('close', () => void sockets.delete(socket));
    socket.write(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${'a'.repeat(FIRST_BYTES)}`);
    this.held += 1;
  }

  async #flood(): Promise<void> {
    while (!this.#stopped) {
      for (const node of this.#modules.nodes()) {
        this.#pipeline(node, 'GET /nonce HTTP/1.1\r\nhost: node.test\r\n\r\n');
        this.#pipeline(node, 'GET /status HTTP/1.1\r\nhost: node.test\r\n\r\n');
        this.#pipeline(node, forgedProof());
        await this.#sendStrangers(node).catch(() => undefined);
      }
      await pause(FLOOD_EVERY_MS).passed;
    }
  }

  /** Sends many requests on one connection and never reads the answers. Later, the connection is dropped. */
  #pipeline(node: ClusterNode, request: string): void {
    const socket = this.#connect(node);
    socket.pause();
    socket.write(request.repeat(PIPELINED));
    this.flooded += PIPELINED;
    const limit = pause(FLOOD_SOCKET_MS);
    void limit.passed.then(() => socket.destroy());
    socket.once('close', limit.cancel);
  }

  /** Sends valid proofs from unregistered wallets. */
  async #sendStrangers(node: ClusterNode): Promise<void> {
    const target = targetOf(node);
    for (let nth = 0; nth < STRANGERS; nth += 1) {
      const identity = new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom });
      const stranger = await RawCaller.create('app', identity, { http: new RawHttp() });
      await stranger.send(target, 'POST', '/kms/derive', { path: 'x' });
      this.flooded += 1;
    }
  }

  #connect(node: ClusterNode): Socket {
    const socket = connect(node.port, '127.0.0.1');
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => void this.#sockets.delete(socket));
    socket.resume();
    return socket;
  }
}

function targetOf(node: ClusterNode): Target {
  return { localUrl: node.localUrl, wallet: node.wallet, teePubkey: node.teePubkey };
}

function forgedProof(): string {
  const headers = {
    host: 'node.test',
    'x-app-signature': `0x${randomBytes(65).toString('hex')}`,
    'x-app-nonce': randomBytes(16).toString('base64'),
    'x-app-timestamp': String(Math.floor(Date.now() / 1_000)),
    'content-type': 'application/json',
    'content-length': '2',
  };
  return `POST /kms/derive HTTP/1.1\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n{}`;
}
