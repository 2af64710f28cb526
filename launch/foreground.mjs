/**
 * Runs programs in place of this process: a program gets the input, output and signals of this process, which exits with the code of the
 * program. A program must not outlive this process. So it holds one end of a pipe (`leash.mjs`), and ends when the pipe closes. The pipe
 * closes when this process ends, even by SIGKILL, and when the npm that started this process ends.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import process from 'node:process';
import { whenStarterIsGone } from './starter.mjs';

/** A URL and not a path, because `--import` reads a path as part of a URL, in which `#`, `?` and `%` have special meanings. */
const LEASH = new URL('./leash.mjs', import.meta.url).href;
/** The pipe's file descriptor in the program. */
const LEASH_DESCRIPTOR = 3;
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'];

/** The programs that are running. */
const running = new Set();
let watching = false;

/** The exit code as a shell would report it: the code of a process, or 128 plus the number of the signal that ended it. */
export function exitCodeOf(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/**
 * Starts to handle signals when the first program starts, and keeps handling them. Without a handler, a signal that arrives after the end
 * of the program would end this process and hide the program's exit code.
 */
function watch() {
  if (watching) return;
  watching = true;
  for (const signal of SIGNALS) {
    // The programs receive a Ctrl-C from the terminal twice: directly and through this process. They treat both as one signal.
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
 * Runs Node in the foreground and resolves with its exit code. Call `process.exit` with that code immediately. If the process is left to
 * end on its own, it removes its signal handlers first, and a signal that arrives then changes the exit code.
 * @param node the path of Node
 * @param arguments_ options for Node, the file of the program, the arguments of the program
 * @param output descriptor of a file for the program's output, if several programs run at the same time. Default: the output of this
 * process
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
