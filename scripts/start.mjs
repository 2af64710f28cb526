/**
 * `npm start`: installs when needed, then runs `nova-kms dev` on the product's runtime. Plain
 * JavaScript without dependencies: on a fresh machine this runs before anything is installed.
 *
 * The cluster holds the other end of a pipe as its standard input, and stops when that closes: nothing is left behind, even
 * when this process, or the npm that started it, is killed.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { exitCodeOf } from '../bin/foreground.mjs';
import { childEnvironment, ensureInstalled, ROOT, runtime } from './runtime.mjs';

/** What npm needs to install from the lockfile. */
const OLDEST_HOST = [20, 19];
/** Between two looks whether npm is still there. Milliseconds. */
const STARTER_LOOK_EVERY_MS = 500;

function stopWith(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

const [major, minor] = process.version.replace(/^v/, '').split('.').map(Number);
if (major < OLDEST_HOST[0] || (major === OLDEST_HOST[0] && minor < OLDEST_HOST[1])) {
  stopWith(`Node ${OLDEST_HOST.join('.')} or newer is needed to install and start: this is ${process.version}.`);
}

ensureInstalled();
const child = spawn(runtime(), ['src/cli/nova-kms.ts', 'dev', '--exit-with-parent', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: ['pipe', 'inherit', 'inherit'],
  env: childEnvironment(),
});
child.stdin.on('error', () => undefined);
child.on('error', (error) => stopWith(`The runtime could not be started: ${error.message}`));

// A terminal sends Ctrl-C to the whole group, so that the cluster gets it twice; it takes copies for one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));

/** Who started this: the parent, and npm behind it where a shell stands between (seen on Linux only). */
function starters() {
  const parent = process.ppid;
  try {
    if (!/^\S*sh\0-c\0/.test(readFileSync(`/proc/${parent}/cmdline`, 'utf8'))) return `${parent}`;
    // The fourth field; the second is a name in brackets that may hold anything.
    const behind = readFileSync(`/proc/${parent}/stat`, 'utf8').replace(/^.*\) \S+ /s, '').split(' ', 1)[0];
    return `${parent} ${behind}`;
  } catch {
    return `${parent}`;
  }
}

// npm cannot say that it was killed, but whoever takes its place has another process id.
if (process.env.npm_lifecycle_event !== undefined) {
  const atFirst = starters();
  setInterval(() => {
    if (starters() !== atFirst) child.stdin.destroy();
  }, STARTER_LOOK_EVERY_MS).unref();
}

child.on('exit', (code, signal) => {
  process.exitCode = exitCodeOf(code, signal);
});
