/** Notices that the npm which started this process is gone: npm, killed, cannot say so, and its shell hands no signal on. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** Between two looks whether it is still there. Milliseconds. */
const LOOK_EVERY_MS = 500;

/** The parent, and npm behind it where a shell stands between (seen on Linux only). A process that takes their place has another id. */
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

/** Calls `gone` once, when this process was started by npm or npx and they have ended. It keeps no process alive. */
export function whenStarterIsGone(gone) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const atFirst = starters();
  const timer = setInterval(() => {
    if (starters() === atFirst) return;
    clearInterval(timer);
    gone();
  }, LOOK_EVERY_MS).unref();
}
