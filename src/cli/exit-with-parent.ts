/** Stops a child process when its parent has ended, even if SIGKILL ended the parent. */
import { Option } from 'commander';
import process from 'node:process';

export function exitWithParentOption(): Option {
  return new Option('--exit-with-parent', 'stop when standard input closes').hideHelp();
}

/**
 * Calls `stop` once, when standard input ends. Standard input is a pipe, and only the parent holds its other end, so the pipe ends with
 * the parent.
 */
export function exitWithParent(stop: () => void): void {
  let gone = false;
  const leave = (): void => {
    if (gone) return;
    gone = true;
    stop();
  };
  process.stdin.resume();
  for (const event of ['end', 'close', 'error']) process.stdin.once(event, leave);
}
