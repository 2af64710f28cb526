/**
 * A limit of memory that the kernel holds processes to: a control group of version 1 or 2, with no swap beside it. What exceeds the limit,
 * and cannot be written back or dropped, is killed. A limit of address space or of a heap is not the same: Node.js reserves far more than
 * it uses.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

interface Version {
  readonly parent: string;
  readonly limit: string;
  /** Of memory and swap in version 1, of swap alone in version 2; a kernel without swap may have neither. */
  readonly swapLimit: string;
  readonly swapBytes: (bytes: number) => number;
  /** Has a line `oom_kill N`. */
  readonly events: string;
}

const VERSIONS: readonly Version[] = [
  { parent: '/sys/fs/cgroup', limit: 'memory.max', swapLimit: 'memory.swap.max', swapBytes: () => 0, events: 'memory.events' },
  { parent: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', swapLimit: 'memory.memsw.limit_in_bytes', swapBytes: (bytes) => bytes, events: 'memory.oom_control' },
];
let made = 0;

export class MemoryCap {
  readonly #folder: string;
  readonly #version: Version;

  private constructor(folder: string, version: Version) {
    this.#folder = folder;
    this.#version = version;
  }

  /** Null where this process may not make a control group, or memory is not under its control. */
  static create(bytes: number): MemoryCap | null {
    for (const version of VERSIONS) {
      made += 1;
      const folder = join(version.parent, `nova-kms-test-${process.pid}-${made}`);
      try {
        mkdirSync(folder);
      } catch {
        continue;
      }
      const cap = new MemoryCap(folder, version);
      if (cap.#set(bytes)) return cap;
      cap.remove();
    }
    return null;
  }

  /** The command line that runs another within the limit. */
  around(command: readonly string[]): readonly [string, ...string[]] {
    return ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.#folder, 'cgroup.procs'), ...command];
  }

  /** How often the kernel has killed a process for it. */
  get kills(): number {
    const [, count] = /^oom_kill (\d+)$/m.exec(readFileSync(join(this.#folder, this.#version.events), 'utf8')) ?? [];
    return Number(count);
  }

  /** Once its processes are gone. */
  remove(): void {
    rmdirSync(this.#folder);
  }

  #set(bytes: number): boolean {
    const { limit, swapLimit, swapBytes } = this.#version;
    try {
      writeFileSync(join(this.#folder, limit), String(bytes), { flag: 'r+' });
      const swap = join(this.#folder, swapLimit);
      if (existsSync(swap)) writeFileSync(swap, String(swapBytes(bytes)), { flag: 'r+' });
      return true;
    } catch {
      return false;
    }
  }
}
