/**
 * A real process searches its own memory for copies of the master secret, as bytes or as hex, in each phase of the secret's life. Only the
 * vault may have a copy. When the secret has been replaced or the node has stopped, no copy is left.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { CapturedOutput } from '../../../src/dev/captured-output.ts';
import { freePort } from '../../../src/dev/listening-ports.ts';
import { ManagedProcess } from '../../../src/dev/managed-process.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { runningEmulator } from '../../support/running-emulator.ts';

/** For each phase, the maximum number of copies of the first secret, and of the secret that replaces the first. */
const AT_MOST: Readonly<Record<string, readonly [number, number]>> = {
  'drawn, and wiped': [0, 0],
  generated: [1, 0],
  serving: [1, 0],
  'replaced by the second secret': [0, 1],
  'after stop': [0, 0],
};

test('the memory of a process contains at most one copy of a secret, and none after the secret was replaced or wiped', async () => {
  const emulator = await runningEmulator('residues');
  try {
    const script = fileURLToPath(new URL('residues.process.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, emulator.url]);
    const phases = JSON.parse(stdout) as Record<string, [number, number]>;
    expect(Object.keys(phases)).toEqual(Object.keys(AT_MOST));
    for (const [phase, [first, second]] of Object.entries(phases)) {
      const [most, mostSecond] = AT_MOST[phase]!;
      expect({ phase, places: [Math.min(first, most), Math.min(second, mostSecond)] }).toEqual({ phase, places: [first, second] });
    }
    // This proves that the search can find a secret.
    expect(phases['serving']![0]).toBeGreaterThan(0);
  } finally {
    await emulator.close();
  }
});

/** A node with a secret in its environment. */
async function startNode(secretHex: string, inEnclave: boolean) {
  const port = await freePort();
  const node = new ManagedProcess({
    name: 'node',
    arguments: ['src/cli/nova-kms.ts', 'node', '--exit-with-parent'],
    environment: { IN_ENCLAVE: String(inEnclave), BIND_ADDR: `127.0.0.1:${port}`, MASTER_SECRET_HEX: secretHex, ODYN_URL: 'http://127.0.0.1:9', NODE_URL: 'http://127.0.0.1:9' },
    output: new CapturedOutput('node', 100),
  });
  return { node, url: `http://127.0.0.1:${port}` };
}

test('in development, /proc/PID/environ contains a secret from the environment only once, and the node has no child process that could inherit it', async () => {
  const secretHex = randomBytes(32).toString('hex');
  const { node, url } = await startNode(secretHex, false);
  try {
    await waitUntil({ what: 'the node answering', timeoutMs: WAIT_TIMEOUT_MS }, async () => ((await fetch(`${url}/health`).catch(() => null))?.ok === true ? null : 'no answer'));
    const environment = readFileSync(`/proc/${node.pid!}/environ`, 'latin1');
    expect(environment.split(secretHex)).toHaveLength(2);
    const children = readFileSync(`/proc/${node.pid!}/task/${node.pid!}/children`, 'utf8').trim();
    expect(children).toBe('');
  } finally {
    await node.stop();
  }
});

test('in an enclave, a node exits if its environment contains a secret', async () => {
  const { node } = await startNode(randomBytes(32).toString('hex'), true);
  expect((await node.exited).code).toBe(1);
  expect(node.describeEnd()).toContain('MASTER_SECRET_HEX');
});
