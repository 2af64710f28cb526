/** Children of the development cluster stop when whoever started them is gone, even by SIGKILL. */
import process from 'node:process';

/** Calls `stop` when standard input ends: the parent holds its other end. */
export function exitWithParent(stop: () => void): void {
  process.stdin.resume();
  process.stdin.once('end', stop);
  process.stdin.once('close', stop);
  process.stdin.once('error', stop);
}
