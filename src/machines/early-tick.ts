/**
 * Decides when the next node_tick runs (protocol.md §10, Early ticks). If the node is not ready at the end of a tick, or the tick could not
 * read the chain, the next tick runs early, after a delay that grows from one second to the regular interval (`domain/backoff.ts`). An
 * early tick also retries a first snapshot that failed. Progress restarts the backoff. A new reason for failing is not progress: if it
 * were, two alternating reasons would keep the delay at one second. The caller is `settleTick` in `model.ts`.
 */
import { backoffMs } from '../domain/backoff.ts';
import type { ReasonText } from '../domain/reasons.ts';
import { EARLY_TICK_FLOOR_MS } from './limits.ts';

export interface Backoff {
  /** Number of early ticks since the last progress; each new reason halves it. */
  readonly attempt: number;
  /** Reasons with which ticks have ended since the last progress. */
  readonly reasons: readonly ReasonText[];
  /** Identifies the last progress that a tick made: the head that it read, or the transaction that it sent. */
  readonly progress: string;
  /** The highest rank that a tick has reached since the last tick whose verdict was `node.prepared`; -1 if no tick has ended since. */
  readonly furthest: number;
}

/** The outcome of a tick whose verdict was not `node.prepared`. */
export interface TickEnding {
  readonly text: ReasonText;
  /** The head or the sent transaction; empty if there is neither. */
  readonly progress: string;
  /** Rank of the state that the tick led to: a higher rank is closer to ready. */
  readonly rank: number;
}

export const NO_BACKOFF: Backoff = { attempt: 0, reasons: [], progress: '', furthest: -1 };

/** The backoff after a tick with this ending. A new reason halves the number of attempts; progress resets it. */
export function nextBackoff(previous: Backoff, { text, progress, rank }: TickEnding): Backoff {
  const furthest = Math.max(previous.furthest, rank);
  const moved = progress !== '' && progress !== previous.progress;
  if (moved || rank > previous.furthest) {
    return { attempt: 0, reasons: [text], progress: progress === '' ? previous.progress : progress, furthest };
  }
  const known = previous.reasons.includes(text);
  return {
    attempt: known ? previous.attempt + 1 : Math.floor(previous.attempt / 2),
    reasons: known ? previous.reasons : [...previous.reasons, text],
    progress: previous.progress,
    furthest,
  };
}

/**
 * Milliseconds until an early tick, between EARLY_TICK_FLOOR_MS and `beatMs`.
 * @param unit a random number, uniform in [0, 1)
 */
export function earlyTickDelayMs(backoff: Pick<Backoff, 'attempt'>, beatMs: number, unit: number): number {
  const waitMs = backoffMs({ firstMs: EARLY_TICK_FLOOR_MS, lastMs: beatMs }, backoff.attempt, unit);
  return Math.round(Math.min(beatMs, waitMs));
}
