/** Functions that wait, for development tools. Every wait has a timeout, and the timeout error gives a reason. */
import { setTimeout as delay } from 'node:timers/promises';

/** A pause that can be cancelled: `cancel` makes `passed` resolve early. */
export function pause(durationMs: number): { readonly passed: Promise<undefined>; readonly cancel: () => void } {
  const controller = new AbortController();
  const passed = delay(durationMs, undefined, { signal: controller.signal }).catch(() => undefined);
  return { passed, cancel: () => controller.abort() };
}

export class WaitError extends Error {
  constructor(what: string, timeoutMs: number, reason: string) {
    super(`${what} took longer than ${Math.round(timeoutMs / 1000)} s: ${reason}`);
    this.name = 'WaitError';
  }
}

export interface WaitOptions {
  /** What the caller waits for, as the subject of a sentence. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Pause between two calls of `look`. Milliseconds. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const LOOK_EVERY_MS = 200;

/**
 * Calls `look` until it returns null. Until then, `look` returns the reason to keep waiting. The timeout error quotes the last reason.
 * @throws WaitError, what `look` throws, or the signal's reason
 */
export async function waitUntil(options: WaitOptions, look: () => Promise<string | null>): Promise<void> {
  const endsAtMs = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const reason = await look();
    if (reason === null) return;
    if (performance.now() >= endsAtMs) throw new WaitError(options.what, options.timeoutMs, reason);
    await delay(options.everyMs ?? LOOK_EVERY_MS, undefined, { signal: options.signal });
  }
}
