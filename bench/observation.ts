/**
 * Switches the observation of a node on and off (`switched-node.ts`), so that a benchmark can measure the same node in both states. While
 * it is on, the node keeps its audit log, and its metrics are scraped each second.
 */
import { createHash, randomBytes } from 'node:crypto';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode, Environment } from '../src/dev/cluster-node.ts';

const SCRAPE_EVERY_MS = 1_000;

export class Observation {
  /** The program and the variables of the node that is to be observed. */
  readonly nodeProgram = 'bench/switched-node.ts';
  readonly environment: Environment;
  readonly #token = randomBytes(24).toString('base64url');

  constructor() {
    const tokenHash = createHash('sha256').update(this.#token).digest('hex');
    this.environment = { METRICS_TOKEN_SHA256: tokenHash, AUDIT_TOKEN_SHA256: tokenHash };
  }

  /** A node is observed from its start. */
  switchOff(node: ClusterNode): void {
    process.kill(node.pid!, 'SIGHUP');
  }

  /** Switches the observation on. The returned function switches it off. */
  switchOn(node: ClusterNode): () => Promise<void> {
    process.kill(node.pid!, 'SIGUSR2');
    const ended = new AbortController();
    const scraping = this.#scrapeUntil(ended.signal, node);
    return async () => {
      ended.abort();
      await scraping;
      this.switchOff(node);
    };
  }

  async scrape(node: ClusterNode): Promise<void> {
    const answer = await fetch(`${node.localUrl}/metrics`, { headers: { authorization: `Bearer ${this.#token}` } });
    await answer.text();
    if (answer.status !== 200) throw new Error(`the request for the metrics was answered with status ${answer.status}`);
  }

  async #scrapeUntil(ended: AbortSignal, node: ClusterNode): Promise<void> {
    while (!ended.aborted) {
      await this.scrape(node);
      await delay(SCRAPE_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
    }
  }
}
