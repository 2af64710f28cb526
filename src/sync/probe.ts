/** Figures about the peers for operators (protocol.md §1, step 1; `/nodes`): which peers answer `GET /status`, and how fast. */
import type { ProbeFigures } from '../domain/figures.ts';
import type { Wallet } from '../domain/ids.ts';
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import { memberEndpoint, type Member } from '../domain/membership.ts';
import type { Clock, Transport } from '../domain/ports.ts';
import { DependencyError } from '../domain/errors.ts';

/** Maximum number of probes at the same time. */
const MAX_PARALLEL = 16;

export class PeerProbe {
  readonly #clock: Clock;
  readonly #transport: Transport;
  #figures = new Map<Wallet, ProbeFigures>();

  constructor(modules: { readonly clock: Clock; readonly transport: Transport }) {
    this.#clock = modules.clock;
    this.#transport = modules.transport;
  }

  figuresOf(wallet: Wallet): ProbeFigures | null {
    return this.#figures.get(wallet) ?? null;
  }

  /** Probes all members and drops the figures of wallets that are no longer members. */
  async probePeers(members: readonly Member[], signal: AbortSignal): Promise<void> {
    const wallets = new Set(members.map(({ wallet }) => wallet));
    this.#figures = new Map([...this.#figures].filter(([wallet]) => wallets.has(wallet)));
    const queue = [...members];
    const worker = async (): Promise<void> => {
      for (let member = queue.shift(); member !== undefined && !signal.aborted; member = queue.shift()) {
        const figures = await this.#probe(member, signal);
        if (figures !== null) this.#figures.set(member.wallet, figures);
      }
    };
    await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL, members.length) }, worker));
  }

  /** Null if the round ended before the answer came, because the missing answer is then not the peer's fault. */
  async #probe(member: Member, signal: AbortSignal): Promise<ProbeFigures | null> {
    const startedMs = this.#clock.monotonicMs();
    try {
      const answer = await this.#transport.request({
        method: 'GET',
        url: memberEndpoint(member.url, '/status'),
        maxAnswerBytes: SMALL_ANSWER_BYTES,
        timeoutMs: PEER_TIMEOUT_MS.probe,
        signal,
      });
      const durationMs = this.#clock.monotonicMs() - startedMs;
      return { reachable: true, httpCode: answer.status, durationMs, checkedAtMs: this.#clock.nowMs() };
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      if (signal.aborted || error.failure === 'aborted') return null;
      // An answer that is too long is still an answer.
      const reachable = error.failure === 'too_large';
      const durationMs = reachable ? this.#clock.monotonicMs() - startedMs : null;
      return { reachable, httpCode: null, durationMs, checkedAtMs: this.#clock.nowMs() };
    }
  }
}
