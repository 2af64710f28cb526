/** Notices when the npm that started this process has ended. A killed npm cannot report its end, and its shell does not forward signals. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** Time between two checks. Milliseconds. */
const LOOK_EVERY_MS = 500;

/**
 * The ids of the parent process, and of npm if a shell is between npm and this process (detected only on Linux). If one of them ends, the
 * ids change.
 */
function starters() {
  const parent = process.ppid;
  try {
    if (!/^\S*sh\0-c\0/.test(readFileSync(`/proc/${parent}/cmdline`, 'utf8'))) return `${parent}`;
    // The fourth field is the id of the shell's parent. The second field is a name in brackets, which may contain any character.
    const behind = readFileSync(`/proc/${parent}/stat`, 'utf8').replace(/^.*\) \S+ /s, '').split(' ', 1)[0];
    return `${parent} ${behind}`;
  } catch {
    return `${parent}`;
  }
}

/** If npm or npx started this process, calls `gone` once, when npm or npx has ended. The timer does not keep the process alive. */
export function whenStarterIsGone(gone) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const atFirst = starters();
  const timer = setInterval(() => {
    if (starters() === atFirst) return;
    clearInterval(timer);
    gone();
  }, LOOK_EVERY_MS).unref();
}
