/**
 * `npm run schemathesis`: schemathesis, a tool written in Python, reads the OpenAPI document of a running node. For every operation, it
 * sends valid and invalid requests through the sealing proxy, so that the inner bodies are tested too. No answer may be a 5xx, and each
 * answer must match the document. `schemathesis.toml` says which checks are left out and why. Two nodes run on Anvil; a member and an app
 * run in this process.
 *
 * Options are passed to schemathesis: `npm run schemathesis -- --max-examples 500 --seed 7`. The environment variable `SCHEMATHESIS` can
 * give the path of the program.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import { deriveKey, SYNC_KEY_PATH } from '../../src/crypto/derivation.ts';
import { startCluster, type Cluster } from '../../src/dev/cluster.ts';
import { systemRandom } from '../../src/system/system.ts';
import { createRawApp, RawCaller, RawHttp } from '../e2e/support/raw-caller.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { PLAIN_DOCUMENT_PATH, SealingProxy } from './sealing-proxy.ts';

/** The version of schemathesis with which this script was tested. */
const VERSION = '4.32.5';
const CONFIG = join(import.meta.dirname, 'schemathesis.toml');
/** The folder in which schemathesis keeps failed cases, for `schemathesis replay`. */
const FOLDER = join(import.meta.dirname, '..', '..', 'artifacts', 'schemathesis');
const APP_ID = 1_001;
const NOBODY_LISTENS = 'http://127.0.0.1:9';

const program = process.env['SCHEMATHESIS'] ?? 'schemathesis';
if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined) {
  process.stderr.write(`${program} is not installed: run pip install schemathesis==${VERSION}, or set SCHEMATHESIS to the path of the program\n`);
  process.exit(1);
}

const masterSecret = randomBytes(32);
const operatorToken = randomBytes(24).toString('base64url');
const tokenHash = createHash('sha256').update(operatorToken).digest('hex');
const http = new RawHttp();
const { caller: app } = await createRawApp('app', { http });
const member = await RawCaller.create('peer', new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom }), { http });
const cluster = await startCluster({
  nodes: 2,
  blockTimeSeconds: 0.25,
  environment: {
    MASTER_SECRET_HEX: masterSecret.toString('hex'),
    RATE_LIMIT_PER_MINUTE: '0',
    NONCE_RATE_LIMIT_PER_MINUTE: '0',
    METRICS_TOKEN_SHA256: tokenHash,
    AUDIT_TOKEN_SHA256: tokenHash,
  },
  prepare: async ({ chain }) => {
    await chain.register({ wallet: member.wallet, teePubkey: member.teePubkey, url: NOBODY_LISTENS });
    await chain.createApp(APP_ID);
    await chain.register({ wallet: app.wallet, teePubkey: app.teePubkey, appId: APP_ID, url: NOBODY_LISTENS });
  },
});
try {
  process.exitCode = await runAgainst(cluster);
} finally {
  await cluster.close();
}

/** @returns the exit code of schemathesis */
async function runAgainst({ nodes }: Cluster): Promise<number> {
  for (const node of nodes) await node.waitForState('ready', WAIT_TIMEOUT_MS);
  const node = nodes[0]!;
  const proxy = await SealingProxy.start({ node, syncKey: deriveKey(masterSecret, 0, SYNC_KEY_PATH, 32) }, { http, app, member });
  mkdirSync(FOLDER, { recursive: true });
  try {
    const options = ['--header', `Authorization: Bearer ${operatorToken}`, ...process.argv.slice(2)];
    const child = spawn(program, ['--config-file', CONFIG, 'run', `${proxy.url}${PLAIN_DOCUMENT_PATH}`, '--url', proxy.url, ...options], { stdio: 'inherit', cwd: FOLDER });
    const code = await new Promise<number>((ended) => child.once('close', (exitCode) => ended(exitCode ?? 1)));
    const counts = [...proxy.answered].sort(([a], [b]) => (a < b ? -1 : 1));
    process.stdout.write(`${counts.map(([name, count]) => `${name}: ${count}`).join('\n')}\n`);
    // A node that stopped answering would send no wrong answers either, so the run also fails if the node is no longer ready.
    await node.waitForState('ready', WAIT_TIMEOUT_MS);
    return code;
  } finally {
    await proxy.close();
  }
}
