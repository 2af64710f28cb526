/**
 * An RPC with the faults of a replica (protocol.md §6): it may lag behind the chain, stay at one block, or give answers to some calls that
 * differ from those of the chain. It records the requests that it gets.
 */
import type { ServerResponse } from 'node:http';
import { scriptedServer, type ReceivedRequest } from '../../support/scripted-server.ts';

export interface RpcRequest {
  readonly id: unknown;
  readonly method: string;
  readonly params?: readonly unknown[];
}

export interface NotedRequest extends RpcRequest {
  /** Path and query, as sent. */
  readonly path: string;
}

/** Sends the request to the chain. */
type Ask = (request: RpcRequest) => Promise<object>;

/** The answer of a replica whose newest block is `head`. */
export async function answerAt(head: number, request: RpcRequest, ask: Ask): Promise<object> {
  const give = (result: unknown): object => ({ jsonrpc: '2.0', id: request.id, result });
  const hex = `0x${Math.max(0, head).toString(16)}`;
  if (request.method === 'eth_blockNumber') return give(hex);
  const params = (request.params ?? []).map((each) => (each === 'latest' || each === 'pending' ? hex : each));
  const asked = params.find((each) => typeof each === 'string' && /^0x[0-9a-f]{1,10}$/.test(each)) as string | undefined;
  if (asked !== undefined && Number(asked) > head) {
    return request.method === 'eth_getBlockByNumber' ? give(null) : { jsonrpc: '2.0', id: request.id, error: { code: -32_000, message: 'header not found' } };
  }
  return ask({ ...request, params });
}

export class ReplicaRpc {
  /** URL of the chain. */
  target = '';
  /** The head of this replica; null means the head of the chain. */
  head: number | null = null;
  /** How far this replica is behind the chain. Blocks. */
  lag = 0;
  /** The URL to which this replica redirects all requests; null means that it answers them. */
  redirect: string | null = null;
  /** Returns an answer that replaces the answer of the chain; undefined means that the chain answers. */
  bend: (request: RpcRequest) => object | undefined = () => undefined;
  readonly noted: NotedRequest[] = [];
  readonly #server: Awaited<ReturnType<typeof scriptedServer>>;

  private constructor(server: Awaited<ReturnType<typeof scriptedServer>>) {
    this.#server = server;
  }

  static async start(): Promise<ReplicaRpc> {
    const server = await scriptedServer((request, response) => replica.#serve(request, response).catch(() => void response.destroy()));
    const replica = new ReplicaRpc(server);
    return replica;
  }

  get url(): string {
    return this.#server.url;
  }

  /** How many times a method was called. */
  count(method: string): number {
    return this.noted.filter((request) => request.method === method).length;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async #serve({ url, body }: ReceivedRequest, response: ServerResponse): Promise<void> {
    const asked = JSON.parse(body) as RpcRequest;
    this.noted.push({ ...asked, path: url });
    if (this.redirect !== null) {
      response.writeHead(308, { location: this.redirect }).end();
      return;
    }
    const bent = this.bend(asked);
    const answer = bent === undefined ? await this.#answer(asked) : { jsonrpc: '2.0', id: asked.id, ...bent };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  async #answer(request: RpcRequest): Promise<object> {
    if (this.head === null && this.lag === 0) return this.#ask(request);
    const { result } = (await this.#ask({ id: 1, method: 'eth_blockNumber' })) as { readonly result: string };
    return answerAt((this.head ?? Number(result)) - this.lag, request, (asked) => this.#ask(asked));
  }

  async #ask({ id, method, params = [] }: RpcRequest): Promise<object> {
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const answer = await fetch(this.target, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    return (await answer.json()) as object;
  }
}
