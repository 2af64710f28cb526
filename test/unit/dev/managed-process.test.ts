/** How a child process of the development cluster is stopped, tested with real processes and signals. */
import process from 'node:process';
import { expect, test } from '@jest/globals';
import { CapturedOutput } from '../../../src/dev/captured-output.ts';
import { ManagedProcess } from '../../../src/dev/managed-process.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

/** Prints each SIGTERM, and exits on SIGWINCH. If a SIGTERM was sent before the SIGWINCH, the kernel delivers the SIGTERM first. */
const STUBBORN = "process.on('SIGTERM', () => console.log('SIGTERM')); process.on('SIGWINCH', () => process.exit(0)); process.stdin.resume(); console.log('started');";

function start(program: string) {
  const output = new CapturedOutput('child', 10);
  const child = new ManagedProcess({ name: 'child', arguments: ['-e', program], environment: {}, output });
  const printed = () => output.lines().map(({ text }) => text);
  return { child, printed };
}

test('a process that several callers stop gets one SIGTERM, and all callers wait until it has ended', async () => {
  const { child, printed } = start(STUBBORN);
  await child.firstLine(WAIT_TIMEOUT_MS);
  const first = child.stop();
  await waitUntil({ what: 'the first SIGTERM', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (printed().includes('SIGTERM') ? null : 'the child has not printed SIGTERM'));
  const second = child.stop();
  process.kill(child.pid!, 'SIGWINCH');
  const exit = { code: 0, signal: null };
  expect(await Promise.all([first, second])).toEqual([exit, exit]);
  expect(printed()).toEqual(['started', 'SIGTERM']);
  expect(await child.stop()).toEqual(exit);
});
