/** All output of the visualisers of a cluster's nodes: the event stream of each, from its first event, and every other answer. */
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import { pause } from '../../../src/dev/waiting.ts';
import type { Output } from './secret-search.ts';

/** The pause between two attempts to reach a node that may be starting. Milliseconds. */
const TRY_AGAIN_MS = 100;

export class VisualizerRecord {
  readonly #stopping = new AbortController();
  readonly #texts = new Map<string, string>();
  readonly #reading: Promise<void>[] = [];

  /** Reads the node's events until `close` is called. It connects again when the node has restarted. */
  follow(node: ClusterNode): void {
    this.#reading.push(this.#read(node));
  }

  /** Requests every route, including commands. */
  async ask(node: ClusterNode): Promise<void> {
    const url = `http://127.0.0.1:${node.visualizerPort!}`;
    const trace = await this.#get(node, `${url}/trace`);
    const chart = /"chart":\{"id":"([0-9a-f]+)"/.exec(trace)?.[1] ?? 'none';
    for (const path of ['/session', `/layouts/${chart}`, '/nothing', '/', '/app.js']) await this.#get(node, `${url}${path}`);
    for (const headers of [{}, { origin: url }, { origin: url, 'x-visualizer-token': 'another' }]) await this.#get(node, `${url}/commands`, { method: 'POST', body: '{}', headers });
  }

  outputs(): readonly Output[] {
    return [...this.#texts].map(([source, text]) => ({ source, text }));
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#reading);
  }

  async #get(node: ClusterNode, url: string, init: RequestInit = {}): Promise<string> {
    const answer = await fetch(url, init);
    const text = await answer.text();
    this.#add(`visualiser of ${node.name}: ${new URL(url).pathname.split('/')[1]!}`, `${JSON.stringify([...answer.headers])}\n${text}\n`);
    return text;
  }

  async #read(node: ClusterNode): Promise<void> {
    const { signal } = this.#stopping;
    const source = `visualiser of ${node.name}: events`;
    while (!signal.aborted) {
      try {
        const answer = await fetch(`http://127.0.0.1:${node.visualizerPort!}/events`, { signal });
        for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) this.#add(source, Buffer.from(chunk).toString('utf8'));
      } catch {
        // The node is not running yet, or has ended.
      }
      await pause(TRY_AGAIN_MS).passed;
    }
  }

  #add(source: string, text: string): void {
    this.#texts.set(source, (this.#texts.get(source) ?? '') + text);
  }
}
