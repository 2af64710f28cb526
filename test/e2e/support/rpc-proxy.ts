/**
 * A proxy between a node and Anvil. It fails in the way that the test chooses (protocol.md §6, §9.18): a rule decides what happens to each
 * JSON-RPC call. When the rule changes, calls that hang are cut off.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one call. */
export type RpcFate =
  | 'pass'
  /** The connection is cut; the call never reaches the chain. */
  | 'refuse'
  /** The call gets no answer, and the connection stays open. */
  | 'hang'
  /** The answer is 200 with a body that is not valid JSON. */
  | 'garbage'
  /** The chain accepts the call, but the connection is cut before the answer. */
  | 'lose the answer'
  /** The chain accepts the call, but the answer is an error without a reason. */
  | 'deny the answer'
  /** The answer is a JSON-RPC error; the call never reaches the chain. */
  | 'error'
  /** The answer is the error that the EVM returns when a contract reverts. */
  | 'revert';

export interface RpcCall {
  readonly method: string;
  /** The parameters as JSON. */
  readonly parameters: string;
}

export type RpcRule = (call: RpcCall) => RpcFate;

const PASS: RpcRule = () => 'pass';

export class RpcProxy {
  /** The URL that calls are forwarded to. */
  target = '';
  readonly url: string;
  readonly #server: Server;
  readonly #held = new Set<ServerResponse>();
  #rule: RpcRule = PASS;
  #marred = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<RpcProxy> {
    // Idle connections stay open. If the proxy closed a connection just as a caller reused it, the request would fail.
    const server = createServer({ keepAliveTimeout: 0 });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const proxy = new RpcProxy(server);
    server.on('request', (request, response) => void proxy.#serve(request, response));
    return proxy;
  }

  /** The number of calls with a fate other than `pass` since the rule was set. */
  get marred(): number {
    return this.#marred;
  }

  setRule(rule: RpcRule): void {
    this.#rule = rule;
    this.#marred = 0;
    for (const response of this.#held) response.destroy();
    this.#held.clear();
  }

  passAll(): void {
    this.setRule(PASS);
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    const call = JSON.parse(body) as { id: unknown; method: string; params?: unknown };
    const fate = this.#rule({ method: call.method, parameters: JSON.stringify(call.params ?? []) });
    if (fate !== 'pass') this.#marred += 1;
    const answer = (text: string): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    const fail = (error: object): void => answer(JSON.stringify({ jsonrpc: '2.0', id: call.id, error }));
    switch (fate) {
      case 'pass':
        return this.#relay(body, response, answer);
      case 'refuse':
        response.destroy();
        return;
      case 'hang':
        this.#held.add(response);
        return;
      case 'garbage':
        answer('<html>502 Bad Gateway');
        return;
      case 'lose the answer':
        return this.#relay(body, response, () => response.destroy());
      case 'deny the answer':
        return this.#relay(body, response, () => fail({ code: -32_603, message: 'internal error' }));
      case 'error':
        fail({ code: -32_000, message: 'header not found' });
        return;
      case 'revert':
        fail({ code: 3, message: 'execution reverted', data: '0x' });
    }
  }

  async #relay(body: string, response: ServerResponse, give: (text: string) => void): Promise<void> {
    try {
      const answer = await fetch(this.target, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
      give(await answer.text());
    } catch {
      response.destroy();
    }
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
