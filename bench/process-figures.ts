/** Reads figures about a process from /proc. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** Length of a tick of `utime` and `stime` (proc(5), sysconf(_SC_CLK_TCK)). Milliseconds. */
const CLOCK_TICK_MS = 10;
const NS_PER_MS = 1_000_000;
const KIB_PER_MIB = 1_024;

/** Processor time that a process has used in all its threads, in user and system mode. Milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in brackets, which may contain any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}

/**
 * Like `cpuMs`, but with a precision of nanoseconds, and without threads that have ended. Use it for short measurements of a process whose
 * threads keep running. Milliseconds.
 */
export function exactCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const usedNs = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return usedNs.reduce((sum, ns) => sum + ns, 0) / NS_PER_MS;
}

/** Resident memory now. MiB. */
export function residentMiB(pid: number): number {
  return statusMiB(pid, 'VmRSS');
}

/** Maximum of the resident memory since the start. MiB. */
export function peakResidentMiB(pid: number): number {
  return statusMiB(pid, 'VmHWM');
}

function statusMiB(pid: number, field: string): number {
  const [, kib] = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / KIB_PER_MIB);
}
