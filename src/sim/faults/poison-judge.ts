/** Checks how honest nodes handle a liar's messages: a bad record must not harm the good records in the same message. */
import type { Member } from '../../domain/membership.ts';
import type { PoisonedMessage } from './poisoner.ts';
import type { FaultScene } from './fault-scene.ts';

/** Reasons that allow a node to refuse a good record. */
const EXCUSES: ReadonlySet<string> = new Set(['too_far_ahead', 'does_not_decrypt', 'store_full']);

export class PoisonJudge {
  readonly #scene: Pick<FaultScene, 'nodes' | 'checks' | 'watch' | 'report'>;

  constructor(scene: Pick<FaultScene, 'nodes' | 'checks' | 'watch' | 'report'>) {
    this.#scene = scene;
  }

  /** Reports a node that refused a message as a whole, because its bad records then harmed its good ones. */
  spoiled({ wallet, teePubkey }: Member): void {
    const victim = [...this.#scene.nodes.values()].find((node) => node.wallet === wallet);
    if (victim === undefined || victim.lies !== null) return;
    // A node may refuse a message from a faulty enclave, or a message that was sealed to the node's previous process.
    if (this.#hasBadEnclave() || victim.life?.enclave.teePubkey !== teePubkey) return;
    this.#scene.report('a poisoned record affects no other record', `${victim.name} refuses a whole message because of a bad record`);
  }

  #hasBadEnclave(): boolean {
    return [...this.#scene.nodes.values()].some(({ enclaveBehaviour: { failShare, garbageShare, closeShare } }) => failShare + garbageShare + closeShare > 0);
  }

  /** Checks that the victim judged each record separately and accepted the good ones. */
  poisoned({ wallet }: Member, { appId, good, sent }: PoisonedMessage, answer: Record<string, unknown>): void {
    const victim = [...this.#scene.nodes.values()].find((node) => node.wallet === wallet);
    if (victim?.life === null || victim === undefined || victim.lies !== null) return;
    this.#scene.checks.note('a poisoned record affects no other record');
    const { total, merged, skipped, rejected } = answer as Record<'total' | 'merged' | 'skipped' | 'rejected', number>;
    if (total !== sent || merged + skipped + rejected !== total) {
      this.#scene.report('a poisoned record affects no other record', `${victim.name} counts ${total} of ${sent} records: ${merged} merged, ${skipped} skipped, ${rejected} rejected`);
    }
    // If the ids differ, the answer came from a store that the victim has since replaced.
    if (answer['store_id'] !== victim.life.node.inside.store.storeId) return;
    const excused = new Set((answer['rejections'] as readonly { readonly key: string; readonly reason: string }[]).filter(({ reason }) => EXCUSES.has(reason)).map(({ key }) => key));
    for (const { key, version } of good) {
      if (excused.has(key)) continue;
      if (!this.#scene.watch.storeOf(victim.life).holds(appId, key, version)) {
        this.#scene.report('a poisoned record affects no other record', `${victim.name} lacks a good record that came with bad ones`);
      }
    }
  }
}
