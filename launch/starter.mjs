/** Notices that the npm that started this process has ended. A killed npm cannot report that, and its shell passes no signal on. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** Time between two checks. Milliseconds. */
const LOOK_EVERY_MS = 500;

/** Ids of the parent, and of npm when a shell is between (detected on Linux only). A process that replaces them has another id. */
function starters() {
  const parent = process.ppid;
  try {
    if (!/^\S*sh\0-c\0/.test(readFileSync(`/proc/${parent}/cmdline`, 'utf8'))) return `${parent}`;
    // The fourth field. The second is a name in brackets that may contain any character.
    const behind = readFileSync(`/proc/${parent}/stat`, 'utf8').replace(/^.*\) \S+ /s, '').split(' ', 1)[0];
    return `${parent} ${behind}`;
  } catch {
    return `${parent}`;
  }
}

/** Calls `gone` once if npm or npx started this process and has ended. The timer keeps no process alive. */
export function whenStarterIsGone(gone) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const atFirst = starters();
  const timer = setInterval(() => {
    if (starters() === atFirst) return;
    clearInterval(timer);
    gone();
  }, LOOK_EVERY_MS).unref();
}
