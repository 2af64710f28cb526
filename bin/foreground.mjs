/** A program that takes this one's place: its input and output, its signals, its exit code. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import process from 'node:process';

/** As a shell says it: the code of a process, or 128 and the number of the signal that ended it. */
export function exitCodeOf(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/** Resolves with the exit code. */
export function runInForeground(file, arguments_, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, arguments_, { stdio: 'inherit', ...options });
    const forward = (signal) => () => child.kill(signal);
    const handlers = [
      ['SIGTERM', forward('SIGTERM')],
      ['SIGHUP', forward('SIGHUP')],
      // A terminal's Ctrl-C reaches the child as well: it takes copies for one.
      ['SIGINT', forward('SIGINT')],
    ];
    for (const [signal, handler] of handlers) process.on(signal, handler);
    const end = (code) => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`The runtime could not be started: ${error.message}\n`);
      end(1);
    });
    child.on('exit', (code, signal) => end(exitCodeOf(code, signal)));
  });
}
