/**
 * A program that takes this one's place: its input and output, its signals, its exit code. It ends with this process: it holds
 * the other end of a pipe (`leash.mjs`), which closes when this process is gone, even by SIGKILL, or when the npm that started
 * this process is gone.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { whenStarterIsGone } from './starter.mjs';

const LEASH = fileURLToPath(new URL('./leash.mjs', import.meta.url));
/** Of the pipe, in the program. */
const LEASH_DESCRIPTOR = 3;
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'];

/** The programs that run now. */
const running = new Set();
let watching = false;

/** As a shell says it: the code of a process, or 128 and the number of the signal that ended it. */
export function exitCodeOf(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/**
 * From the first program on, and for good: without a handler a signal that comes between the program's end and this process's
 * would end this process, and hide the program's exit code.
 */
function watch() {
  if (watching) return;
  watching = true;
  for (const signal of SIGNALS) {
    // A terminal's Ctrl-C reaches the programs as well: they take copies for one.
    process.on(signal, () => {
      if (running.size === 0) process.exit(exitCodeOf(null, signal));
      for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    });
  }
  whenStarterIsGone(() => {
    if (running.size === 0) process.exit(exitCodeOf(null, 'SIGTERM'));
    for (const child of running) child.stdio[LEASH_DESCRIPTOR].destroy();
  });
}

/**
 * Runs Node in the foreground and resolves with its exit code. End this process by `process.exit` with that code at once: a
 * process that ends by itself takes its signal handlers down before it is gone.
 * @param node its path
 * @param arguments_ of the program: options for Node, the file, its own
 * @param output descriptor of a file for all that it prints, when several run at a time. Default: where this process prints
 */
export function runInForeground(node, arguments_, { env = process.env, output = 'inherit', ...options } = {}) {
  watch();
  return new Promise((resolve) => {
    const child = spawn(node, ['--import', LEASH, ...arguments_], {
      ...options,
      stdio: ['inherit', output, output, 'pipe'],
      env: { ...env, NOVA_KMS_LEASH: String(LEASH_DESCRIPTOR) },
    });
    running.add(child);
    child.stdio[LEASH_DESCRIPTOR]?.on('error', () => undefined);
    const end = (code) => {
      running.delete(child);
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`The runtime could not be started: ${error.message}\n`);
      end(1);
    });
    child.on('exit', (code, signal) => end(exitCodeOf(code, signal)));
  });
}
