/** An RPC that is slower than Anvil: every request waits before it is forwarded, as on a real network. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface SlowRpc {
  readonly url: string;
  /** Number of forwarded HTTP requests. */
  requests(): number;
  close(): Promise<void>;
}

export async function startSlowRpc(target: string, latencyMs: number): Promise<SlowRpc> {
  let requests = 0;
  const server: Server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    void (async () => {
      requests += 1;
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      await delay(latencyMs);
      const answer = await fetch(target, { method: 'POST', body: Buffer.concat(chunks), headers: { 'content-type': 'application/json' } });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(Buffer.from(await answer.arrayBuffer()));
    })().catch(() => response.destroy());
  });
  const listening = Promise.withResolvers<undefined>();
  server.listen(0, '127.0.0.1', () => listening.resolve(undefined));
  await listening.promise;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    async close() {
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      server.closeAllConnections();
      await closed.promise;
    },
  };
}
