/** Follows the states of the nodes. It reads the fields of their log lines (domain/readiness.ts), never the message text. */
import { z } from 'zod';
import { parseJsonOrNull } from '../../crypto/json.ts';
import type { CapturedLine } from '../../dev/captured-output.ts';
import { READINESS_CHANGED, READINESS_STATES } from '../../domain/readiness.ts';
import type { DevEvent } from './report.ts';

type StateEvent = Extract<DevEvent, { event: 'state' }>;

const readinessLine = z.object({
  event: z.literal(READINESS_CHANGED),
  state: z.enum(READINESS_STATES),
  reason: z.string().nullable(),
});

interface Times {
  readonly startedMs: number;
  readonly changedMs: number;
}

export class DevProgress {
  readonly #monotonicMs: () => number;
  readonly #times = new Map<string, Times>();

  constructor(modules: { readonly monotonicMs: () => number }) {
    this.#monotonicMs = modules.monotonicMs;
  }

  /** Notes the start of a node; its times are measured from this moment. */
  started(node: string): void {
    const nowMs = this.#monotonicMs();
    this.#times.set(node, { startedMs: nowMs, changedMs: nowMs });
  }

  /** Returns the change of state that a line reports; null when the line reports none. */
  take({ source, text }: Pick<CapturedLine, 'source' | 'text'>): StateEvent | null {
    const times = this.#times.get(source);
    const read = readinessLine.safeParse(text.startsWith('{') ? parseJsonOrNull(text) : null);
    if (times === undefined || !read.success) return null;
    const nowMs = this.#monotonicMs();
    this.#times.set(source, { ...times, changedMs: nowMs });
    return {
      event: 'state',
      node: source,
      state: read.data.state,
      reason: read.data.reason,
      since_start_ms: Math.round(nowMs - times.startedMs),
      since_change_ms: Math.round(nowMs - times.changedMs),
    };
  }
}
