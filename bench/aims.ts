/** Aims of benchmarks: what their results should be. A missed aim is printed, and the benchmark then exits with code 1. */
import process from 'node:process';

export function aimAt(what: string, isMet: boolean): void {
  if (isMet) return;
  process.stdout.write(`missed aim: ${what}\n`);
  process.exitCode = 1;
}
