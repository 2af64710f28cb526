/** Checks how many requests from one wallet wait for acknowledgements at the same time in a process (protocol.md §10, Bounds). */
import type { Life } from '../world/sim-node.ts';
import type { Checks, Report } from './violation.ts';

/** Maximum number of requests that one wallet may have under way. In a simulation, each app has one wallet. */
const MAX_UNDER_WAY = 32;
const INVARIANT = 'a wallet has at most the allowed number of requests under way';

export interface HeldWritesWatchModules {
  readonly report: Report;
  readonly checks: Checks;
}

/** Wraps the `acknowledgements.wait` of a process, to count the writes that wait. */
export function watchHeldWrites(life: Life, { report, checks }: HeldWritesWatchModules): void {
  const { acknowledgements } = life.node.inside;
  const wait = acknowledgements.wait.bind(acknowledgements);
  const waiting = new Map<string, number>();
  acknowledgements.wait = async (write, wanted, timeoutMs) => {
    const underWay = (waiting.get(write.appId) ?? 0) + 1;
    waiting.set(write.appId, underWay);
    checks.note(INVARIANT);
    if (underWay > MAX_UNDER_WAY) report(INVARIANT, `${underWay} writes of app ${write.appId} are under way on ${life.name}`);
    try {
      return await wait(write, wanted, timeoutMs);
    } finally {
      waiting.set(write.appId, waiting.get(write.appId)! - 1);
    }
  };
}
