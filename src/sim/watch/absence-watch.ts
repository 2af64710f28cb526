/**
 * Callers trust one node's 404 and then make new secrets (protocol.md §10, 404 means absent). So a node that began with an empty store must
 * not report a key as absent if all nodes with older stores hold it. A node that was cut off for too long must not report any key as
 * absent.
 */
import type { RequestStep } from '../scenario.ts';
import type { RequestOutcome } from '../world/sim-app.ts';
import type { Life } from '../world/sim-node.ts';
import { compareContents, covers, isPresent } from './reference.ts';
import type { Checks, Report } from './violation.ts';
import type { Write, WriteHistory } from './write-history.ts';

const INVARIANT = 'a node that is not sure never answers 404';
const STALE = 'a node that was cut off for too long never says that a key is absent';
/** Allowance for answers that were under way when the node became stale. Milliseconds. */
const STALE_MARGIN_MS = 10_000;
/** A record that expires within this time may be absent on one node and present on another. Milliseconds. */
const EXPIRY_MARGIN_MS = 20_000;

export interface AbsenceWatchModules {
  readonly checks: Checks;
  readonly report: Report;
  readonly history: WriteHistory;
  /** Processes of instances that have never lied. */
  readonly honestLives: () => readonly Life[];
  /** When the current store of a process was created; it was empty then. Simulated milliseconds. */
  readonly storeSinceMs: (life: Life) => number;
  /** Simulated milliseconds. */
  readonly nowMs: () => number;
}

export class AbsenceWatch {
  readonly #modules: AbsenceWatchModules;
  /** Processes that answered "absent" while stale, with the time of the first such answer. Simulated milliseconds. */
  readonly #staleSinceMs = new Map<Life, number>();

  constructor(modules: AbsenceWatchModules) {
    this.#modules = modules;
  }

  /** Checks one answer to an app. */
  judge(life: Life, appId: string, step: RequestStep, { outcome, answer }: RequestOutcome): void {
    const { checks, report } = this.#modules;
    const listed = step.do === 'list' && outcome === 'ok' ? new Set(answer?.['keys'] as readonly string[]) : null;
    const isAbsent = outcome === 'not_found' && (step.do === 'get' || step.do === 'delete');
    if (!isAbsent && listed === null) return;
    this.#checkStale(life);
    checks.note(INVARIANT);
    const before = this.#modules.honestLives().filter((other) => other !== life && this.#modules.storeSinceMs(other) < this.#modules.storeSinceMs(life));
    if (before.length === 0) return;
    const missing = listed === null ? this.#bestOf(life, appId, step.key) : this.#firstMissing(life, appId, listed);
    if (missing === null || !this.#isHeldByAll(missing, before, life)) return;
    report(INVARIANT, `${life.name} lacks ${missing.key} of app ${appId}, which all nodes with older stores hold`, life.name);
  }

  #checkStale(life: Life): void {
    const { checks, report, nowMs } = this.#modules;
    checks.note(STALE);
    if (!life.node.inside.staleness.isStale()) {
      this.#staleSinceMs.delete(life);
      return;
    }
    const sinceMs = this.#staleSinceMs.get(life) ?? nowMs();
    this.#staleSinceMs.set(life, sinceMs);
    if (nowMs() - sinceMs > STALE_MARGIN_MS) report(STALE, `${life.name} has been saying for ${Math.round(nowMs() - sinceMs)} ms that keys are absent`, life.name);
  }

  /** The winning write to a key, among the writes that were made under the secret that the node uses. */
  #bestOf(life: Life, appId: string, key: string): Write | null {
    const secretHash = life.node.inside.vault.servingHash();
    let best: Write | null = null;
    for (const write of this.#modules.history.of(appId, key)) {
      if (write.secretHash === secretHash && (best === null || compareContents(write.record, best.record) > 0)) best = write;
    }
    return best;
  }

  #firstMissing(life: Life, appId: string, listed: ReadonlySet<string>): Write | null {
    for (const key of this.#modules.history.keysOf(appId)) {
      const best = listed.has(key) ? null : this.#bestOf(life, appId, key);
      if (best !== null && !best.record.tombstone) return best;
    }
    return null;
  }

  #isHeldByAll({ appId, key, record, holders }: Write, before: readonly Life[], life: Life): boolean {
    const { history, storeSinceMs } = this.#modules;
    if (record.tombstone || history.isTouched(appId, key) || life.node.inside.store.recordOf(appId, key) !== null) return false;
    const sinceMs = storeSinceMs(life);
    return before.every((other) => {
      const held = other.node.inside.store.recordOf(appId, key);
      const heldMs = holders.get(other);
      const isHeld = held !== null && covers(held.version, record.version) && isPresent(held, other.clock.nowMs() + EXPIRY_MARGIN_MS);
      return isHeld && heldMs !== undefined && heldMs < sinceMs;
    });
  }
}
