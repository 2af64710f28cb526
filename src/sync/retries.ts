/**
 * Records that a peer refused temporarily (protocol.md §10, Rejections), each with the time when it will be sent again. The wait grows with
 * each refusal. There is one entry per key; a later write to the key replaces it.
 */
import { backoffMs, type BackoffLimits } from '../domain/backoff.ts';
import type { Clock, Random } from '../domain/ports.ts';

const BACKOFF: BackoffLimits = { firstMs: 1_000, lastMs: 60_000 };
/** When this many records are waiting, no new writes are sent to the peer. A batch that is already being sent may add more records. */
export const MAX_RETRIES = 4_096;

export interface Retry {
  readonly appId: string;
  readonly key: string;
  readonly sequenceNumber: number;
  /** Number of consecutive refusals. */
  readonly attempt: number;
  /** Monotonic milliseconds. */
  readonly dueAtMs: number;
}

export interface RetriesModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly random: Pick<Random, 'unit'>;
}

export class Retries {
  readonly #modules: RetriesModules;
  readonly #waiting = new Map<string, Retry>();

  constructor(modules: RetriesModules) {
    this.#modules = modules;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get isFull(): boolean {
    return this.#waiting.size >= MAX_RETRIES;
  }

  all(): Iterable<Retry> {
    return this.#waiting.values();
  }

  /** The retries that are due. @param above only retries with a higher sequence number are returned */
  due(above: number): readonly Retry[] {
    const nowMs = this.#modules.clock.monotonicMs();
    return [...this.#waiting.values()].filter(({ dueAtMs, sequenceNumber }) => dueAtMs <= nowMs && sequenceNumber > above);
  }

  has(appId: string, key: string): boolean {
    return this.#waiting.has(idOf(appId, key));
  }

  postpone(appId: string, key: string, sequenceNumber: number): void {
    const { clock, random } = this.#modules;
    const id = idOf(appId, key);
    const before = this.#waiting.get(id)?.attempt ?? 0;
    const dueAtMs = clock.monotonicMs() + backoffMs(BACKOFF, before, random.unit());
    this.#waiting.set(id, { appId, key, sequenceNumber, attempt: before + 1, dueAtMs });
  }

  drop(appId: string, key: string): void {
    this.#waiting.delete(idOf(appId, key));
  }

  clear(): void {
    this.#waiting.clear();
  }
}

function idOf(appId: string, key: string): string {
  return `${appId} ${key}`;
}
