/**
 * A caller without a valid proof that floods one node through the platform's ingress. During the flood, all callers of that node have
 * the loopback address, so the node cannot distinguish them by address (protocol.md §7, §8).
 */
import { memberEndpoint, type Member } from '../../domain/membership.ts';
import type { Transport } from '../../domain/ports.ts';
import type { SeededRandom } from '../world/seeded.ts';
import type { SimClock } from '../world/sim-clock.ts';

export const FLOOD_KINDS = ['flood of nonces', 'flood without proof'] as const;
export type FloodKind = (typeof FLOOD_KINDS)[number];

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const SIGNATURE_BYTES = 65;

export interface StrangerModules {
  readonly clock: SimClock;
  readonly random: SeededRandom;
  readonly transport: Transport;
  readonly onFault: (kind: string) => void;
}

export class Stranger {
  readonly #modules: StrangerModules;
  readonly #end = new AbortController();

  constructor(modules: StrangerModules) {
    this.#modules = modules;
  }

  end(): void {
    this.#end.abort(new Error('the flood is over'));
  }

  /** Sends requests until `end` is called. @param perSecond number of requests, sent at an even rate */
  flood(kind: FloodKind, { url }: Pick<Member, 'url'>, perSecond: number): void {
    const { clock, onFault } = this.#modules;
    const next = (): void => {
      if (this.#end.signal.aborted) return;
      onFault(kind);
      void this.#ask(kind, url);
      clock.setTimeout(next, 1_000 / perSecond);
    };
    next();
  }

  async #ask(kind: FloodKind, url: string): Promise<void> {
    const { transport, random, clock } = this.#modules;
    const options = { timeoutMs: TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES, signal: this.#end.signal };
    const request =
      kind === 'flood of nonces'
        ? ({ method: 'GET', url: memberEndpoint(url, '/nonce') } as const)
        : ({
            method: 'POST',
            url: memberEndpoint(url, '/kms/derive'),
            headers: {
              'content-type': 'application/json',
              'x-app-signature': `0x${Buffer.from(random.bytes(SIGNATURE_BYTES)).toString('hex')}`,
              'x-app-nonce': Buffer.from(random.bytes(16)).toString('base64'),
              'x-app-timestamp': String(Math.floor(clock.nowMs() / 1_000)),
            },
            body: '{}',
          } as const);
    // The outcome does not matter.
    await transport.request({ ...request, ...options }).catch(() => null);
  }
}
