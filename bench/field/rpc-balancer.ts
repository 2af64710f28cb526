/**
 * Two backends behind one URL, which receive requests alternately, as with public RPCs (protocol.md §6). One backend is the chain. The
 * other backend fails, and its kind of failure changes from time to time: a head that is far behind, an empty answer, null, 429 with
 * `Retry-After`, HTML.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerAt, type RpcRequest } from '../../test/e2e/support/replica-rpc.ts';

/** How the bad backend fails. */
const FAULTS = ['lag', 'empty', 'null', 'limited', 'html'] as const;
export type RpcFault = (typeof FAULTS)[number];
/** Duration of one kind of failure. Milliseconds. */
const FAULT_MS = 20_000;
/** How many blocks the bad backend is behind while it lags. */
const LAG_BLOCKS = 156;

export class RpcBalancer {
  /** URL of the chain. */
  target = '';
  readonly url: string;
  /** Number of requests to the bad backend, by kind of failure. */
  readonly given = new Map<RpcFault, number>();
  passed = 0;
  readonly #server: Server;
  #turn = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<RpcBalancer> {
    const server = createServer({ keepAliveTimeout: 0 });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const balancer = new RpcBalancer(server);
    server.on('request', (request, response) => void balancer.#serve(request, response).catch(() => response.destroy()));
    return balancer;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    const answer = (value: unknown): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(typeof value === 'string' ? value : JSON.stringify(value));
    this.#turn += 1;
    if (this.#turn % 2 === 0) {
      this.passed += 1;
      answer(await this.#ask(body));
      return;
    }
    const fault = FAULTS[Math.floor(performance.now() / FAULT_MS) % FAULTS.length]!;
    this.given.set(fault, (this.given.get(fault) ?? 0) + 1);
    const asked = JSON.parse(body) as RpcRequest | readonly RpcRequest[];
    const each = (give: (call: RpcRequest) => object): unknown => (Array.isArray(asked) ? (asked as readonly RpcRequest[]).map(give) : give(asked as RpcRequest));
    switch (fault) {
      case 'limited':
        response.writeHead(429, { 'retry-after': '1', 'content-type': 'text/plain' }).end('Too Many Requests');
        return;
      case 'html':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>502 Bad Gateway</body></html>');
        return;
      case 'empty':
        answer(each(({ id }) => ({ jsonrpc: '2.0', id, result: '0x' })));
        return;
      case 'null':
        answer(each(({ id }) => ({ jsonrpc: '2.0', id, result: null })));
        return;
      case 'lag':
        answer(Array.isArray(asked) ? await Promise.all((asked as readonly RpcRequest[]).map((call) => this.#late(call))) : await this.#late(asked as RpcRequest));
    }
  }

  /** The answer that a replica far behind the head would give. */
  async #late(call: RpcRequest): Promise<object> {
    const ask = async (request: RpcRequest): Promise<object> => JSON.parse(await this.#ask(JSON.stringify({ ...request, jsonrpc: '2.0' }))) as object;
    const { result } = (await ask({ id: 1, method: 'eth_blockNumber', params: [] })) as { readonly result: string };
    return answerAt(Number(result) - LAG_BLOCKS, call, ask);
  }

  async #ask(body: string): Promise<string> {
    const answer = await fetch(this.target, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    return answer.text();
  }
}
