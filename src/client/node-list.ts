/**
 * The list of nodes in the registry (protocol.md §6, Membership). It is read again when it is older than `ttlMs`. Only one read
 * runs at a time. If a read fails or is slow, the old list is used.
 */
import { DeadlineError, within } from '../domain/deadline.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import { KmsClientError } from './errors.ts';
import { REGISTRY_HEAD_START_MS, REGISTRY_PAUSE_MS, REGISTRY_TIMEOUT_MS, type MembershipSource } from './options.ts';

/** A node that a client can ask: a member of the KMS app with a registered key. */
export interface KmsNode {
  readonly wallet: Wallet;
  /** The URL of the node, as registered. */
  readonly url: string;
  readonly teePubkey: TeePubkey;
}

export class NodeList {
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #source: MembershipSource;
  readonly #closing: AbortSignal;
  #nodes: readonly KmsNode[] | null = null;
  #readAtMs = -Infinity;
  /** When the current read began; if none is running, when the last read ended. */
  #triedAtMs = -Infinity;
  #flight: Promise<void> | null = null;

  /** @param modules when `closing` is aborted, the read in progress ends */
  constructor(options: { readonly ttlMs: number }, modules: { readonly clock: Clock; readonly source: MembershipSource; readonly closing: AbortSignal }) {
    this.#ttlMs = options.ttlMs;
    this.#clock = modules.clock;
    this.#source = modules.source;
    this.#closing = modules.closing;
  }

  /** @throws KmsClientError registry_unavailable; the signal's reason when the signal is aborted */
  async current(signal: AbortSignal): Promise<readonly KmsNode[]> {
    const nowMs = this.#clock.monotonicMs();
    const ttlMs = this.#nodes?.length === 0 ? Math.min(this.#ttlMs, REGISTRY_PAUSE_MS) : this.#ttlMs;
    if (this.#nodes === null) await this.#read(signal);
    else if (nowMs - this.#readAtMs >= ttlMs && this.#mayTry(nowMs)) await this.#read(signal);
    if (this.#nodes === null) throw new KmsClientError('registry_unavailable', 'the list of nodes cannot be read from the registry');
    return this.#nodes;
  }

  /** Reads the list now, regardless of its age, unless the previous read ended less than `REGISTRY_PAUSE_MS` ago. */
  async refresh(signal: AbortSignal): Promise<readonly KmsNode[]> {
    if (this.#mayTry(this.#clock.monotonicMs())) await this.#read(signal);
    return this.current(signal);
  }

  #mayTry(nowMs: number): boolean {
    return this.#flight !== null || nowMs - this.#triedAtMs >= REGISTRY_PAUSE_MS;
  }

  /**
   * Waits for the read in progress, or starts one. If there is an old list to use instead, waits only until the read has been running for
   * `REGISTRY_HEAD_START_MS`. The caller's signal ends the wait, not the read.
   */
  async #read(signal: AbortSignal): Promise<void> {
    this.#flight ??= this.#readOnce().finally(() => (this.#flight = null));
    const flight = this.#flight;
    const hasNodes = this.#nodes !== null && this.#nodes.length > 0;
    // Without an old list, the timeout of the read ends the wait, because that timeout is shorter.
    const waitMs = hasNodes ? Math.max(0, this.#triedAtMs + REGISTRY_HEAD_START_MS - this.#clock.monotonicMs()) : 2 * REGISTRY_TIMEOUT_MS;
    if (waitMs === 0) return;
    try {
      await within(this.#clock, 'waiting for the registry', waitMs, signal, () => flight);
    } catch (error) {
      if (!hasNodes || !(error instanceof DeadlineError)) throw error;
    }
  }

  async #readOnce(): Promise<void> {
    this.#triedAtMs = this.#clock.monotonicMs();
    try {
      const { members } = await within(this.#clock, 'reading the registry', REGISTRY_TIMEOUT_MS, this.#closing, (limit) =>
        this.#source.readMembership(limit),
      );
      this.#nodes = members.flatMap(({ wallet, url, teePubkey }) => (teePubkey === '' ? [] : [{ wallet, url, teePubkey }]));
      this.#readAtMs = this.#clock.monotonicMs();
    } catch {
      // The old list is kept. If there is none, `current` throws.
    } finally {
      this.#triedAtMs = this.#clock.monotonicMs();
    }
  }
}
