/**
 * Makes the dependencies of a node fail, and checks the reported reason (docs/decisions/0021). The log line of the failed step, `/status`
 * and the 503 that a caller gets must all say which dependency failed, where, and how. None of them may contain the user name, the
 * password, the path or the query of a URL.
 */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { freePort } from '../../src/dev/listening-ports.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { scriptedServer } from '../support/scripted-server.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { createCertificate, type Certificate } from './support/https-front.ts';
import { startInProcessNode } from './support/in-process-node.ts';
import { deriveRefusal, endOfLines, waitForReason } from './support/node-view.ts';

/**
 * The user name, password, path and query in the URL of an RPC must not appear in any output. The URLs of hosted RPCs have a key in the path
 * or the query.
 */
const LOGIN = 'name-of-caller:word-of-caller';
const PATH = '/v2/key-in-the-path?token=key-in-the-query';
const HIDDEN = /word-of-caller|key-in-the-path|key-in-the-query|name-of-caller/;

let cluster: Cluster;
let node: ClusterNode;
let certificate: Certificate;
let otherName: Server;
let closedPort: number;
let refusing: Awaited<ReturnType<typeof scriptedServer>>;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, tickSeconds: 1, start: false, allowFaults: true, keepLines: 20_000, environment: { LOG_LEVEL: 'DEBUG' } });
  node = cluster.node(1);
  certificate = await createCertificate();
  otherName = createServer({ key: certificate.key, cert: certificate.cert }, (_, response) => response.end());
  // The certificate is valid for 127.0.0.1 only.
  await new Promise<void>((resolve) => otherName.listen(0, '127.0.0.2', resolve));
  closedPort = await freePort();
  refusing = await scriptedServer((_, response) => void response.writeHead(401).end('{"error":"secret words"}'));
});

afterAll(async () => {
  otherName.close();
  await refusing.close();
  await certificate.remove();
  await cluster.close();
});

afterEach(async () => {
  await node.stop();
  await node.enclave.setFault('*', 'none');
});

interface Wanted {
  /** The fixed words with which the reason begins. */
  readonly reason: string;
  readonly detail: RegExp;
  readonly step: string;
  /** Fields that the log line must have. */
  readonly facts: Readonly<Record<string, unknown>>;
}

interface Told {
  readonly lines: readonly string[];
  readonly status: { readonly readiness?: { readonly reason?: unknown }; readonly faults?: unknown };
  readonly refusal: Awaited<ReturnType<typeof deriveRefusal>>;
}

/** Compares the log line, `/status` and the 503 with the expected failure, and prints what an operator would see. */
function expectTold(what: string, { lines, status, refusal }: Told, wanted: Wanted): void {
  const parsed = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  const line = parsed.find(({ message }) => String(message).startsWith(`the step ${wanted.step} failed`));
  const shown = { readiness: { reason: status.readiness?.reason }, faults: status.faults };
  process.stdout.write(`\n${what}\n  log     ${JSON.stringify(line)}\n  /status ${JSON.stringify(shown)}\n  503     ${JSON.stringify(refusal)}\n`);
  expect(line).toMatchObject(wanted.facts);
  expect(refusal).toMatchObject({ status: 503, code: 'service_unavailable', message: status.readiness?.reason });
  expect(refusal.message).toMatch(new RegExp(`^${wanted.reason}: ${wanted.detail.source}$`));
  expect(lines.join('\n') + JSON.stringify(status) + JSON.stringify(refusal)).not.toMatch(HIDDEN);
}

const CHAIN: readonly (readonly [string, () => string, Wanted])[] = [
  [
    'an unknown host name',
    () => `http://${LOGIN}@rpc.invalid:8545${PATH}`,
    {
      reason: 'peer cache refresh failed',
      detail: /the chain RPC at rpc\.invalid:8545 cannot be reached: its name (?:is not known|cannot be looked up now) \((?:ENOTFOUND|EAI_AGAIN)\)/,
      step: 'readChain',
      facts: { level: 'warn', code: 'chain_unreachable', endpoint: 'rpc.invalid:8545', cause: expect.stringMatching(/^(?:ENOTFOUND|EAI_AGAIN)$/) },
    },
  ],
  [
    'a port where nothing listens',
    () => `http://${LOGIN}@127.0.0.1:${closedPort}${PATH}`,
    {
      reason: 'peer cache refresh failed',
      detail: /the chain RPC at 127\.0\.0\.1:\d+ cannot be reached: nothing listens there \(ECONNREFUSED\)/,
      step: 'readChain',
      facts: { level: 'warn', code: 'chain_unreachable', cause: 'ECONNREFUSED' },
    },
  ],
  [
    'an RPC that answers 401',
    () => `http://${LOGIN}@127.0.0.1:${refusing.port}${PATH}`,
    {
      reason: 'peer cache refresh failed',
      detail: /the chain RPC at 127\.0\.0\.1:\d+ answered 401/,
      step: 'readChain',
      facts: { level: 'warn', code: 'chain_refused', call: expect.stringMatching(/^eth_/), cause: 'HTTP 401' },
    },
  ],
  [
    'an RPC whose certificate is for a different name',
    () => `https://${LOGIN}@127.0.0.2:${(otherName.address() as AddressInfo).port}${PATH}`,
    {
      reason: 'peer cache refresh failed',
      detail: /the chain RPC at 127\.0\.0\.2:\d+ cannot be reached: its certificate is for a different name \(ERR_TLS_CERT_ALTNAME_INVALID\)/,
      step: 'readChain',
      facts: { level: 'warn', code: 'chain_unreachable', cause: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    },
  ],
];

async function toldBy(from: number): Promise<Told> {
  const status = (await (await fetch(`${node.localUrl}/status`)).json()) as Told['status'];
  return { lines: node.lines().slice(from).map(({ text }) => text), status, refusal: await deriveRefusal(node) };
}

test.each(CHAIN)('the log, /status and the 503 report the cause: %s', async (what, url, wanted) => {
  const from = endOfLines(node);
  await node.start({ NODE_URL: url(), NODE_EXTRA_CA_CERTS: certificate.file });
  await waitForReason(node, wanted.reason, WAIT_TIMEOUT_MS);
  expectTold(what, await toldBy(from), wanted);
});

test('the log, /status and the 503 report the cause: an enclave API that answers 500', async () => {
  const from = endOfLines(node);
  await node.enclave.setFault('*', 'fail');
  await node.start();
  await waitForReason(node, 'cannot read local teePubkey', WAIT_TIMEOUT_MS);
  expectTold('an enclave API that answers 500', await toldBy(from), {
    reason: 'cannot read local teePubkey',
    detail: /the enclave API at 127\.0\.0\.1:\d+ answered 500/,
    step: 'checkEligibility',
    facts: { level: 'warn', code: 'enclave_unreachable', call: expect.any(String), cause: 'HTTP 500' },
  });
});

test('a TypeError inside a step ends the tick, but the node keeps running and answers 503', async () => {
  const inProcess = await startInProcessNode(node, cluster, {}, (chain) => ({
    readView: () => Promise.reject(new TypeError('cannot read word-of-caller of undefined')),
    readHash: (block, signal) => chain.readHash(block, signal),
    readHeadHash: (signal) => chain.readHeadHash(signal),
    claim: (hash, signal) => chain.claim(hash, signal),
    hasClaimed: (hash, signal) => chain.hasClaimed(hash, signal),
  }));
  try {
    await waitUntil({ what: 'the first tick failing', timeoutMs: WAIT_TIMEOUT_MS }, async () =>
      String((await toldBy(0)).status.readiness?.reason).startsWith('peer cache refresh failed') ? null : 'it has not failed',
    );
    const { status, refusal } = await toldBy(0);
    const lines = inProcess.outputs().filter(({ source }) => source.endsWith('in process')).flatMap(({ text }) => text.trim().split('\n'));
    expectTold('a TypeError inside a step', { lines, status, refusal }, {
      reason: 'peer cache refresh failed',
      detail: /unexpected failure \(TypeError\)/,
      step: 'readChain',
      facts: {
        level: 'error',
        message: 'the step readChain failed: an assumption is broken',
        code: 'TypeError',
        stack: expect.stringMatching(/test\/e2e\/failures\.test\.ts:\d+.* < .*src\/node\/jobs\.ts:\d+/),
      },
    });
    expect(status.faults).toEqual({ count: expect.any(Number), last: { at_ms: expect.any(Number), where: 'the step readChain', code: 'TypeError' } });
  } finally {
    await inProcess.close();
  }
});
