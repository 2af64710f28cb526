/**
 * Runs `nova-kms doctor` against a cluster of real processes: first while the cluster is healthy, then with mistakes that an operator
 * could make, one at a time. The first failed line must name the mistake.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { INSTANCE_STATUS, KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS } from '../../src/dev/dev-chain.ts';
import type { DoctorReport, Finding } from '../../src/cli/doctor/finding.ts';
import { json, scriptedServer, type Answering } from '../support/scripted-server.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { freshKeys } from './support/fresh-keys.ts';
import { StartedCommand } from './support/started-command.ts';

const CHAIN_ID = 31_337;
const HALF_AN_HOUR_SECONDS = 1_800;
const FIVE_MINUTES_MS = 300_000;
const OTHER_HASH = `0x${'ab'.repeat(32)}`;
/** A made-up credential. In the URL of the RPC, it is both the user name and the API key in the path. */
const LOGIN = 'word-of-the-operator';

let printed = '';
const servers: { close(): Promise<void> }[] = [];
let cluster: Cluster;
let node: ClusterNode;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 2, tickSeconds: 1, allowFaults: true });
  node = cluster.node(1);
  await Promise.all(cluster.nodes.map((each) => each.waitForState('ready', WAIT_TIMEOUT_MS)));
});

afterAll(async () => {
  await cluster.close();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function doctor(environment: NodeJS.ProcessEnv = {}, ...args: readonly string[]) {
  const command = new StartedCommand('node', ['bin/nova-kms.mjs', 'doctor', ...args], {
    IN_ENCLAVE: 'false',
    NODE_URL: cluster.chain.url,
    ODYN_URL: node.enclave.url,
    NOVA_APP_REGISTRY_ADDRESS: cluster.chain.novaAppRegistry,
    KMS_REGISTRY_ADDRESS: cluster.chain.kmsRegistry,
    KMS_APP_ID: String(KMS_APP_ID),
    CHAIN_ID: String(CHAIN_ID),
    // The test mines blocks faster than real time passes, so the times of the blocks are ahead of the clock.
    MAX_CLOCK_SKEW_MS: '120000',
    ...environment,
  });
  const ended = await command.ended;
  await command.clear();
  printed += ended.stdout + ended.stderr;
  return ended;
}

/** Runs `nova-kms doctor`, which must fail. @returns the first check that failed */
async function firstFailure(environment: NodeJS.ProcessEnv = {}): Promise<Finding> {
  const { code, stdout, stderr } = await doctor(environment, '--json');
  const { ok, checks } = JSON.parse(stdout) as DoctorReport;
  expect({ code, ok, stderr }).toEqual({ code: 3, ok: false, stderr: '' });
  const first = checks.find(({ outcome }) => outcome === 'failed')!;
  process.stdout.write(`  ${first.check}: ${first.detail}\n`);
  return first;
}

async function serve(answer: Answering): Promise<string> {
  const server = await scriptedServer(answer);
  servers.push(server);
  return server.url;
}

/** Starts a server that forwards JSON-RPC requests to the chain and changes the answers. @returns its URL */
async function rpcThat(change: (answer: { result?: unknown }) => void): Promise<string> {
  return serve(async ({ body }, response) => {
    const answered = await fetch(cluster.chain.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const answer = (await answered.json()) as { result?: unknown };
    change(answer);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
}

/** Runs `work` while the cluster has one more member. `answer` builds this member's answers from the status of a real node. */
async function withMember(answer: (status: Record<string, Record<string, unknown>>) => Answering, work: () => Promise<void>): Promise<void> {
  const status = (await (await fetch(`${cluster.node(2).localUrl}/status`)).json()) as Record<string, Record<string, unknown>>;
  const { wallet, teePubkey } = freshKeys();
  await cluster.chain.register({ wallet, teePubkey, url: await serve(answer(status)) });
  await cluster.mineConfirmations();
  try {
    await work();
  } finally {
    await cluster.chain.setInstanceStatus(wallet, INSTANCE_STATUS.STOPPED);
    await cluster.mineConfirmations();
  }
}

describe('a healthy cluster', () => {
  test('fails no check when the command has the environment of a node', async () => {
    const { code, stdout, stderr } = await doctor();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\nnothing failed\n$/);
    const checks = stdout.trim().split('\n').flatMap((line) => /^(?:ok|not checked) {2,}(\S+)/.exec(line)?.[1] ?? []);
    expect(checks).toEqual([
      'configuration',
      'chain.rpc', 'chain.chain_id', 'chain.head_age', 'chain.state_depth',
      'contracts.nova_app_registry', 'contracts.kms_registry', 'contracts.kms_app_id', 'contracts.wiring', 'contracts.app', 'contracts.secret_hash',
      'enclave.wallet', 'enclave.public_key', 'enclave.random', 'enclave.sign', 'enclave.encryption',
      'instance.registered', 'instance.version', 'instance.tee_pubkey', 'enclave.funds',
      'membership.view', 'membership.self',
      'peer.reachable', 'peer.clock', 'peer.secret_hash', 'peer.ready',
      'cluster.stores',
    ]);
  });

  test('fails no check when the command runs outside the enclave, and passes the check that both stores are equal', async () => {
    const { code, stdout } = await doctor({ ODYN_URL: 'http://127.0.0.1:9' }, '--url', node.localUrl);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok +cluster\.stores +2 ready nodes hold the same records$/m);
  });
});

describe('the first failed line names', () => {
  test('a variable with an invalid value', async () => {
    expect(await firstFailure({ KMS_APP_ID: 'forty-nine' })).toMatchObject({ check: 'configuration', detail: expect.stringContaining('KMS_APP_ID') });
  });

  test('an RPC for the wrong chain', async () => {
    expect(await firstFailure({ CHAIN_ID: '84532' })).toMatchObject({ check: 'chain.chain_id', detail: `the RPC reports the chain ID ${CHAIN_ID}, but CHAIN_ID is 84532` });
  });

  test('an address without a contract', async () => {
    expect(await firstFailure({ KMS_REGISTRY_ADDRESS: `0x${'1'.repeat(40)}` })).toMatchObject({ check: 'contracts.kms_registry', detail: expect.stringContaining('there is no contract at 0x1111') });
  });

  test('the id of the wrong app', async () => {
    expect(await firstFailure({ KMS_APP_ID: '50' })).toMatchObject({ check: 'contracts.kms_app_id', detail: `KMSRegistry has the app ${KMS_APP_ID}, but KMS_APP_ID is 50` });
  });

  test('a revoked version', async () => {
    await cluster.chain.setVersionStatus(KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS.REVOKED);
    try {
      expect(await firstFailure()).toMatchObject({ check: 'instance.version', detail: `version ${KMS_VERSION_ID} is REVOKED` });
    } finally {
      await cluster.chain.setVersionStatus(KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS.ENROLLED);
    }
  });

  test('a registered teePubkey that is not the key of the enclave', async () => {
    await cluster.chain.setTeePubkey(node.wallet, freshKeys().teePubkey);
    try {
      expect(await firstFailure()).toMatchObject({ check: 'instance.tee_pubkey', detail: 'the registered teePubkey is not that of this enclave' });
    } finally {
      await cluster.chain.setTeePubkey(node.wallet, node.teePubkey);
      await cluster.mineConfirmations();
    }
  });

  test('an RPC that answers 401', async () => {
    const url = new URL(await serve(json({ error: 'unauthorized' }, 401)));
    url.username = LOGIN;
    url.pathname = `/v2/${LOGIN}`;
    const first = await firstFailure({ NODE_URL: url.href });
    expect(first).toMatchObject({ check: 'chain.rpc', detail: expect.stringMatching(/^the chain RPC at 127\.0\.0\.1:\d+ answered 401/) });
  });

  test('an RPC whose newest block is half an hour old', async () => {
    const late = await rpcThat((answer) => {
      const block = answer.result as { timestamp?: string } | null;
      if (typeof block?.timestamp === 'string') block.timestamp = `0x${(Math.floor(Date.parse(new Date().toISOString()) / 1000) - HALF_AN_HOUR_SECONDS).toString(16)}`;
    });
    expect(await firstFailure({ NODE_URL: late })).toMatchObject({ check: 'chain.head_age', detail: expect.stringMatching(/^the head is 1[78]\d\d s old, but CHAIN_MAX_AGE_SECONDS is 120$/) });
  });

  test('an enclave API that is down', async () => {
    expect(await firstFailure({ ODYN_URL: 'http://127.0.0.1:9' })).toMatchObject({ check: 'enclave.wallet', detail: expect.stringMatching(/^the enclave API at 127\.0\.0\.1:9 cannot be reached: nothing listens there/) });
  });

  test("a peer's clock that is five minutes off", async () => {
    await withMember(
      (status) => (_, response) => void response.setHeader('date', new Date(Date.parse(new Date().toUTCString()) - FIVE_MINUTES_MS).toUTCString()).writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(status)),
      async () => {
        expect(await firstFailure()).toMatchObject({ check: 'peer.clock', detail: expect.stringMatching(/its clock is (?:299|30\d) s behind this host's clock$/) });
      },
    );
  });

  test('a member with the wrong secret', async () => {
    await withMember(
      (status) => json({ ...status, cluster: { ...status['cluster'], master_secret_hash: OTHER_HASH } }),
      async () => {
        expect(await firstFailure()).toMatchObject({ check: 'peer.secret_hash', detail: expect.stringContaining(`uses the secret with the hash ${OTHER_HASH}, but the chain shows 0x`) });
      },
    );
  });
});

test('no output contains the user name or the path in the URL of the RPC', () => {
  expect(printed).toContain('contracts.kms_app_id');
  expect(printed).not.toContain(LOGIN);
});
