/** Holds honest nodes against what a liar sends them: a poisoned record harms itself alone. */
import type { Member } from '../../domain/membership.ts';
import type { PoisonedMessage } from './poisoner.ts';
import type { FaultScene } from './fault-scene.ts';

/** Why a good record may be refused after all. */
const EXCUSES: ReadonlySet<string> = new Set(['too_far_ahead', 'does_not_decrypt', 'store_full']);

export class PoisonJudge {
  readonly #scene: Pick<FaultScene, 'nodes' | 'checks' | 'watch' | 'report'>;

  constructor(scene: Pick<FaultScene, 'nodes' | 'checks' | 'watch' | 'report'>) {
    this.#scene = scene;
  }

  /** A node that refuses a whole message for some of its records lets them harm the others. */
  spoiled({ wallet, teePubkey }: Member): void {
    const victim = [...this.#scene.nodes.values()].find((node) => node.wallet === wallet);
    if (victim === undefined || victim.lies !== null) return;
    // No one can read what a faulty enclave made, or what was sealed to an earlier process.
    if (this.#hasBadEnclave() || victim.life?.enclave.teePubkey !== teePubkey) return;
    this.#scene.report('a poisoned record harms itself alone', `${victim.name} refuses all that came with it`);
  }

  #hasBadEnclave(): boolean {
    return [...this.#scene.nodes.values()].some(({ enclaveBehaviour: { failShare, garbageShare, closeShare } }) => failShare + garbageShare + closeShare > 0);
  }

  /** Each record was judged on its own: the good ones are there. */
  poisoned({ wallet }: Member, { appId, good, sent }: PoisonedMessage, answer: Record<string, unknown>): void {
    const victim = [...this.#scene.nodes.values()].find((node) => node.wallet === wallet);
    if (victim?.life === null || victim === undefined || victim.lies !== null) return;
    this.#scene.checks.note('a poisoned record harms itself alone');
    const { total, merged, skipped, rejected } = answer as Record<'total' | 'merged' | 'skipped' | 'rejected', number>;
    if (total !== sent || merged + skipped + rejected !== total) {
      this.#scene.report('a poisoned record harms itself alone', `${victim.name} counts ${total} of ${sent}: ${merged}, ${skipped}, ${rejected}`);
    }
    // Another store than the one that answered, or another secret, or another time of day.
    if (answer['store_id'] !== victim.life.node.inside.store.storeId) return;
    const excused = new Set((answer['rejections'] as readonly { readonly key: string; readonly reason: string }[]).filter(({ reason }) => EXCUSES.has(reason)).map(({ key }) => key));
    for (const { key, version } of good) {
      if (excused.has(key)) continue;
      if (!this.#scene.watch.storeOf(victim.life).holds(appId, key, version)) {
        this.#scene.report('a poisoned record harms itself alone', `${victim.name} lacks a good record that came with bad ones`);
      }
    }
  }
}
