/**
 * A memory limit that the kernel enforces: a control group of version 1 or 2, without swap. If a process exceeds the limit and its pages
 * cannot be written back or dropped, the kernel kills the process. A limit on address space cannot replace this limit, because Node.js
 * reserves far more than it uses. A limit on the heap covers only a part of the memory.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

interface Version {
  readonly parent: string;
  readonly limit: string;
  /**
   * The file that limits memory and swap together (version 1) or swap alone (version 2). A kernel without swap may not have this file.
   */
  readonly swapLimit: string;
  readonly swapBytes: (bytes: number) => number;
  /** The file with the line `oom_kill N`, where N is the number of killed processes. */
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

  /** @returns null if this process is not allowed to create a control group, or if control groups do not limit memory here */
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

  /** The command line that runs `command` within the limit. */
  around(command: readonly string[]): readonly [string, ...string[]] {
    return ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.#folder, 'cgroup.procs'), ...command];
  }

  /** The number of processes that the kernel has killed because of this limit. */
  get kills(): number {
    const [, count] = /^oom_kill (\d+)$/m.exec(readFileSync(join(this.#folder, this.#version.events), 'utf8')) ?? [];
    return Number(count);
  }

  /** Must be called after the processes within the limit have ended. */
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
