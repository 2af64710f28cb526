/** Collects the lines that `event-loop-probe.mjs` prints in the processes of a cluster. `MEASURED` makes a process load the probe. */
import { join } from 'node:path';
import { z } from 'zod';
import type { CapturedLine } from '../src/dev/captured-output.ts';
import type { Environment } from '../src/dev/cluster-node.ts';

const PROBE = join(import.meta.dirname, 'event-loop-probe.mjs');
const BYTES_PER_MIB = 1_048_576;

/** Environment that makes a process load the probe. */
export const MEASURED: Environment = { NODE_OPTIONS: `--import=${PROBE}` };

const probeLine = z.object({ probe: z.literal('event-loop'), at_ms: z.number(), block_ms: z.number(), own_ms: z.number(), rss: z.number() });

export interface LoopFigures {
  /** The longest time for which the event loop was blocked. Milliseconds. */
  readonly blockMs: number;
  /** The same time, minus the time for which the thread waited for a processor. Milliseconds. */
  readonly ownMs: number;
  readonly peakMiB: number;
  readonly samples: number;
}

export class EventLoopRecord {
  readonly #lines: (z.infer<typeof probeLine> & { readonly source: string })[] = [];

  /** Receives the lines that a cluster passes to `onLine`. */
  take({ source, stream, text }: CapturedLine): void {
    if (stream !== 'stderr' || !text.startsWith('{"probe"')) return;
    const parsed = probeLine.safeParse(JSON.parse(text));
    if (parsed.success) this.#lines.push({ ...parsed.data, source });
  }

  /** @param fromMs, toMs Unix milliseconds */
  between(source: string, fromMs: number, toMs: number): LoopFigures {
    const lines = this.#lines.filter((line) => line.source === source && line.at_ms >= fromMs && line.at_ms <= toMs);
    const most = (of: (line: (typeof lines)[number]) => number): number => lines.reduce((most, line) => Math.max(most, of(line)), 0);
    return {
      blockMs: most(({ block_ms: ms }) => ms),
      ownMs: most(({ own_ms: ms }) => ms),
      peakMiB: Math.round(most(({ rss }) => rss) / BYTES_PER_MIB),
      samples: lines.length,
    };
  }
}
