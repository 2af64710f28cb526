/** Aims of benchmarks. A missed aim is printed and sets exit code 1. */
import process from 'node:process';

export function aimAt(what: string, isMet: boolean): void {
  if (isMet) return;
  process.stdout.write(`missed: ${what}\n`);
  process.exitCode = 1;
}
