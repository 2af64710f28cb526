/** The CPU time, memory and event loop delay of the process. In the code for metrics, only this file reads figures from the runtime. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { getHeapStatistics } from 'node:v8';

/** Interval between two samples of the event loop. A sample includes this interval, so `lagSeconds` subtracts it. Milliseconds. */
const RESOLUTION_MS = 20;
const NS_PER_SECOND = 1e9;
const US_PER_SECOND = 1e6;

export interface ProcessFigures {
  readonly lagP99Seconds: number;
  readonly lagMaxSeconds: number;
  readonly cpuSeconds: number;
  /** NaN if `/proc` cannot be read. */
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly startedSeconds: number;
}

export class ProcessWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #startedSeconds: number;

  /** @param nowMs Unix milliseconds */
  constructor(nowMs: number) {
    this.#startedSeconds = nowMs / 1_000 - process.uptime();
    this.#delay.enable();
  }

  /** Returns the current figures. Those of the event loop cover the time since the previous call. */
  read(): ProcessFigures {
    const { user, system } = process.cpuUsage();
    const { used_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
    const figures = {
      lagP99Seconds: lagSeconds(this.#delay.percentile(99)),
      lagMaxSeconds: lagSeconds(this.#delay.max),
      cpuSeconds: (user + system) / US_PER_SECOND,
      residentBytes: residentBytes(),
      heapBytes,
      externalBytes,
      startedSeconds: this.#startedSeconds,
    };
    this.#delay.reset();
    return figures;
  }

  close(): void {
    this.#delay.disable();
  }
}

/** @param ns a time between two samples of the loop; not meaningful before the first sample */
function lagSeconds(ns: number): number {
  const seconds = ns / NS_PER_SECOND - RESOLUTION_MS / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

/** Node reads this figure from `/proc`, and throws if it cannot. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return NaN;
  }
}
