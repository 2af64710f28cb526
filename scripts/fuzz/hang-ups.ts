/**
 * Callers that hang up while they send a request, while the node works on it, or while it answers. The case decides when the registry and
 * the enclave answer. Callers that stay must be answered, and afterwards the node must count no request as under way and no bytes as held.
 */
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { toWireEnvelope } from '../../src/domain/envelope.ts';
import type { Wallet } from '../../src/domain/ids.ts';
import type { Enclave } from '../../src/domain/ports.ts';
import type { NodeOverHttp } from '../../test/support/node-over-http.ts';
import { countAnew, NOTHING, occupied } from './admission-figures.ts';
import { caller, checkNode, headersOf, lookup, startNodeUnderTest } from './node-under-test.ts';
import { target } from './target.ts';

/** How long a caller waits for its answer. In this test, every answer takes less time. Milliseconds. */
const TIMEOUT_MS = 10_000;
/** How long the test waits until the node has noticed that all its callers are gone. Milliseconds. */
const RELEASE_TIMEOUT_MS = 2_000;
/** Number of event-loop turns in which a request over loopback reaches the node and is handled up to its next wait. */
const TURNS = 4;
/** Exceeds the longest time that a request is held back when its caller has too many requests under way. Milliseconds of the node's clock. */
const LONG_WAIT_MS = 6_000;
const STEPS = 8;

const KINDS = {
  derive: { method: 'POST', path: '/kms/derive', inner: { path: 'p', context: 'c', length: 32 } },
  put: { method: 'PUT', path: '/kms/data', inner: { key: 'k', value: 'dmFsdWU=' } },
  list: { method: 'GET', path: '/kms/data', inner: null },
  delta: { method: 'POST', path: '/sync', inner: { type: 'delta', data: {} } },
  snapshot: { method: 'POST', path: '/sync', inner: { type: 'snapshot_request', max_bytes: 65_536 } },
  status: { method: 'GET', path: '/status', inner: null },
} as const;

const request = fc.record({
  kind: fc.constantFrom(...(Object.keys(KINDS) as (keyof typeof KINDS)[])),
  /** How much of the request is sent. */
  part: fc.oneof({ weight: 5, arbitrary: fc.constant('all' as const) }, fc.constantFrom('half the head', 'head', 'half the body', 'all but one byte')),
  framing: fc.constantFrom('length', 'chunked'),
  hangsUp: fc.constantFrom('never', 'resets', 'closes', 'ends its side'),
  /** The step in which the caller hangs up. */
  step: fc.nat(STEPS - 1),
});

/** In each step, either one of the waits for the registry or the enclave ends, or the node's clock moves forward. */
const step = fc.oneof({ weight: 8, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.constant('wait' as const) });

const cases = fc.record({
  requests: fc.oneof({ weight: 3, arbitrary: fc.array(request, { minLength: 1, maxLength: 14 }) }, { weight: 1, arbitrary: fc.tuple(request, fc.integer({ min: 15, max: 40 })).map(([each, count]) => Array.from({ length: count }, () => each)) }),
  steps: fc.array(step, { minLength: STEPS, maxLength: STEPS }),
});

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;
type Asked = typeof request extends fc.Arbitrary<infer T> ? T : never;

/** While the gate is closed, it holds back the answers of the registry and the enclave. */
class Gate {
  readonly #held: (() => void)[] = [];
  #isOpen = true;

  async pass(): Promise<void> {
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#held.push(resolve));
  }

  close(): void {
    this.#isOpen = false;
  }

  open(): void {
    this.#isOpen = true;
    for (const goOn of this.#held.splice(0)) goOn();
  }

  letGo(nth: number): void {
    const [goOn] = this.#held.splice(nth % Math.max(1, this.#held.length), 1);
    goOn?.();
  }
}

function behind(gate: Gate, real: Enclave): Enclave {
  return {
    ...real,
    decrypt: (sealed) => gate.pass().then(() => real.decrypt(sealed)),
    encrypt: (plaintext, receiver) => gate.pass().then(() => real.encrypt(plaintext, receiver)),
    sign: (message) => gate.pass().then(() => real.sign(message)),
  };
}

/** The bytes that the caller sends. */
async function bytesOf(node: NodeOverHttp, { kind, part, framing }: Asked): Promise<string> {
  const { method, path, inner } = KINDS[kind];
  const envelope = inner === null ? null : toWireEnvelope(await caller.encrypt(JSON.stringify(inner), node.identity.teePubkey));
  const text = envelope === null ? '' : JSON.stringify(envelope);
  const isChunked = framing === 'chunked' && text !== '';
  const fields = { host: 'node.test', connection: 'close', ...(await headersOf(node, path === '/sync', envelope)), ...(isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(text.length) }) };
  const head = `${method} ${path} HTTP/1.1\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const body = isChunked ? `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n` : text;
  if (part === 'half the head') return head.slice(0, head.length / 2);
  if (part === 'head') return head;
  if (part === 'half the body') return head + body.slice(0, body.length / 2);
  return part === 'all' ? head + body : (head + body).slice(0, -1);
}

/** A caller whose request is under way. */
class Caller {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly #asked: Asked;
  #answer = '';

  constructor(port: number, asked: Asked, bytes: string) {
    this.#asked = asked;
    this.socket = connect(port, '127.0.0.1');
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('error', () => undefined).on('data', (chunk: Buffer) => (this.#answer += chunk.toString('latin1')));
    this.socket.write(bytes, 'latin1');
  }

  hangUp(step: number): void {
    const { hangsUp, step: own } = this.#asked;
    if (step !== own) return;
    if (hangsUp === 'resets') this.socket.resetAndDestroy();
    else if (hangsUp === 'closes') this.socket.destroy();
    else if (hangsUp === 'ends its side') this.socket.end();
  }

  /** Waits for the answer if the caller must get one. @throws Error when that answer is missing or unexpected */
  async finish(): Promise<void> {
    const mustBeAnswered = this.#asked.part === 'all' && this.#asked.hangsUp === 'never';
    if (mustBeAnswered) {
      this.socket.setTimeout(TIMEOUT_MS, () => this.socket.destroy());
      await this.closed;
      if (!/^HTTP\/1\.1 (?:200|429|503) /.test(this.#answer)) throw new Error(`${this.#asked.kind} was answered with ${JSON.stringify(this.#answer.slice(0, 200))}`);
    }
    this.socket.destroy();
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function check(node: NodeOverHttp, gate: Gate, { requests, steps }: Case): Promise<void> {
  const sent = await Promise.all(requests.map((asked) => bytesOf(node, asked)));
  gate.close();
  const callers = requests.map((asked, place) => new Caller(node.port, asked, sent[place]!));
  for (const [place, each] of steps.entries()) {
    await turns(TURNS);
    for (const one of callers) one.hangUp(place);
    if (place % 2 === 0) await turns(TURNS);
    if (each === 'wait') await node.clock.advance(LONG_WAIT_MS);
    else gate.letGo(each);
  }
  gate.open();
  await Promise.all(callers.map((each) => each.finish()));
  const endsAtMs = performance.now() + RELEASE_TIMEOUT_MS;
  while (occupied() !== NOTHING && performance.now() < endsAtMs) await new Promise((resolve) => setTimeout(resolve, 1));
  if (occupied() !== NOTHING) throw new Error(`after all requests have ended, the node still counts ${occupied()}`);
  checkNode(node);
}

export const hangUps = target({
  name: 'hang-ups',
  cases,
  batch: 50,
  async start() {
    const gate = new Gate();
    const startNode = (): Promise<NodeOverHttp> => {
      countAnew();
      return startNodeUnderTest({ lookup: (wallet: Wallet) => gate.pass().then(() => lookup(wallet)), enclave: (real) => behind(gate, real) });
    };
    let node = await startNode();
    return {
      async check(given) {
        try {
          await check(node, gate, given);
        } catch (error) {
          // fast-check now tries smaller cases, which need a node that this case has not affected.
          await node.close();
          node = await startNode();
          throw error;
        }
      },
      close: () => node.close(),
    };
  },
});
