/**
 * Has the enclave sign the newest entry of the audit log when `checkpoint-plan.ts` says so. Only one signature is made at a time, each has
 * a timeout, and no request waits for a signature. A failed attempt is repeated with backoff; the unsigned entries stay in the ring.
 */
import { auditMessage } from '../crypto/messages.ts';
import { recoverEip191 } from '../crypto/signature.ts';
import { within } from '../domain/deadline.ts';
import { DependencyError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Clock, Enclave, Random, TimerId } from '../domain/ports.ts';
import { CHECKPOINT_ENTRIES, planCheckpoint, type CheckpointState } from './checkpoint-plan.ts';
import type { AuditTrail } from './trail.ts';

/** How long one signature may take. Milliseconds. */
const SIGN_TIMEOUT_MS = 5_000;

export interface CheckpointsModules {
  readonly clock: Clock;
  readonly random: Pick<Random, 'unit'>;
  readonly enclave: Pick<Enclave, 'sign'>;
  /** Returns the wallet of this node; null until the enclave has reported the identity of this node. */
  readonly wallet: () => Wallet | null;
  readonly trail: Pick<AuditTrail, 'pointToSign' | 'addCheckpoint'>;
  readonly onFailure: (error: unknown) => void;
}

export class Checkpoints {
  readonly #modules: CheckpointsModules;
  /** Number of entries that no checkpoint covers yet. At first, this is only the `start` entry, with which every chain begins. */
  #unsigned = 1;
  #state: Omit<CheckpointState, 'unsigned'> = { isSigning: false, failures: 0, unit: 0 };
  #signing: Promise<void> = Promise.resolve();
  #timer: { readonly id: TimerId } | null = null;
  #ended = false;

  constructor(modules: CheckpointsModules) {
    this.#modules = modules;
  }

  /** Called after each entry that needs a signature. */
  noteUnsigned(): void {
    this.#unsigned += 1;
    // Nearly every request calls this method. Usually the timer is already set and no checkpoint is due, so there is nothing to plan.
    if (this.#timer === null || this.#unsigned >= CHECKPOINT_ENTRIES) this.#proceed();
  }

  /**
   * Makes a last checkpoint if there are unsigned entries. No checkpoint is made after it. Never rejects.
   * @returns whether checkpoints cover all entries
   */
  async end(): Promise<boolean> {
    this.#ended = true;
    this.#disarm();
    await this.#signing;
    if (this.#unsigned > 0) await this.#sign();
    return this.#unsigned === 0;
  }

  #proceed(): void {
    if (this.#ended) return;
    const plan = planCheckpoint({ ...this.#state, unsigned: this.#unsigned });
    if (plan.kind === 'now') void this.#sign();
    // Keeps a timer that is already set, because a new one would not fire earlier.
    if (plan.kind !== 'in' || this.#timer !== null) return;
    const id = this.#modules.clock.setTimeout(() => {
      this.#timer = null;
      void this.#sign();
    }, plan.delayMs);
    this.#timer = { id };
  }

  #disarm(): void {
    if (this.#timer !== null) this.#modules.clock.clearTimeout(this.#timer.id);
    this.#timer = null;
  }

  async #sign(): Promise<void> {
    this.#disarm();
    this.#state = { ...this.#state, isSigning: true };
    this.#signing = this.#trySigning();
    await this.#signing;
    this.#proceed();
  }

  async #trySigning(): Promise<void> {
    const { clock, random, enclave, trail, onFailure } = this.#modules;
    const { sequence, hash } = trail.pointToSign();
    const covered = this.#unsigned;
    try {
      const wallet = this.#modules.wallet();
      if (wallet === null) throw new DependencyError('enclave', 'unreachable', 'the enclave has not reported the identity of this node');
      const message = auditMessage(sequence, hash, wallet);
      const signature = await within(clock, 'the signature of an audit checkpoint', SIGN_TIMEOUT_MS, undefined, (signal) => enclave.sign(message, signal));
      // The enclave may have restarted with a new wallet. Then the signature is not from the wallet in the message.
      if (recoverEip191(message, signature) !== wallet) throw new DependencyError('enclave', 'malformed', 'an audit checkpoint was signed by a different wallet');
      trail.addCheckpoint({ sequence, hash, wallet, signature });
      this.#unsigned -= covered;
      this.#state = { isSigning: false, failures: 0, unit: 0 };
    } catch (error) {
      this.#state = { ...this.#state, isSigning: false, failures: this.#state.failures + 1, unit: random.unit() };
      onFailure(error);
    }
  }
}
