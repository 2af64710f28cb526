/** `npm run emulator` (protocol.md §7) starts one emulated enclave API and prints its address as one line of JSON. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, describe, expect, test } from '@jest/globals';
import { CapturedOutput } from '../../../src/dev/captured-output.ts';
import { ManagedProcess, ROOT } from '../../../src/dev/managed-process.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

const KEY = '11'.repeat(32);
const WALLET_OF_KEY = '0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a';

const running: ManagedProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) await child.stop();
});

/** The command line of the script `emulator` in package.json. */
function commandOf(): { readonly script: readonly string[] } {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  return { script: scripts['emulator']!.replace(/^exec node /, '').split(' ') };
}

function startEmulator(further: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { script } = commandOf();
  const output = new CapturedOutput('emulator', 50);
  const child = new ManagedProcess({ name: 'emulator', arguments: [...script, ...further], environment, output });
  running.push(child);
  return { child, output };
}

describe('npm run emulator', () => {
  test('prints one line when it is listening, answers requests, and exits cleanly', async () => {
    const { child, output } = startEmulator(['--port', '0'], { EMULATOR_PRIVATE_KEY: KEY });
    const line = JSON.parse(await child.firstLine(WAIT_TIMEOUT_MS)) as Record<string, string>;
    expect(Object.keys(line).sort()).toEqual(['tee_pubkey', 'url', 'wallet']);
    expect(line['wallet']).toBe(WALLET_OF_KEY);
    const answer = (await (await fetch(`${line['url']!}/v1/encryption/public_key`)).json()) as Record<string, string>;
    expect(answer['public_key_der']).toBe(`0x${line['tee_pubkey']!}`);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
    expect(output.lines().map(({ text }) => text)).toHaveLength(1);
  });

  test('ends with its parent process if it is started with --exit-with-parent', async () => {
    const { script } = commandOf();
    const child = spawn(process.execPath, [...script, '--port', '0', '--exit-with-parent'], { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.stdin.end();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('reports in one line that its port is in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { child, output } = startEmulator(['--port', String(port)]);
    expect((await child.exited).code).toBe(1);
    expect(output.lines().map(({ text }) => text)).toEqual([`port ${port} is in use`]);
    await new Promise((resolve) => server.close(resolve));
  });

  test.each([
    ['an invalid port', ['--port', '70000'], {}],
    ['an unknown generation', ['--port', '0', '--generation', 'other'], {}],
    ['a string that is not a wallet key', ['--port', '0'], { EMULATOR_PRIVATE_KEY: 'a secret that is not a key' }],
    ['a wallet key above the order of the curve', ['--port', '0'], { EMULATOR_PRIVATE_KEY: 'ff'.repeat(32) }],
  ])('refuses %s with a message of one line that does not quote the value', async (_, further, environment) => {
    const { child, output } = startEmulator(further, environment);
    expect((await child.exited).code).toBe(2);
    const lines = output.lines().map(({ text }) => text);
    expect(lines).toHaveLength(1);
    expect(lines.join()).not.toMatch(/a secret|ffff/);
  });
});
