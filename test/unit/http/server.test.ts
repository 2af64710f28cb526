/** The shutdown of the server (protocol.md §2): requests in progress are answered, and idle connections do not delay the shutdown. */
import { describe, expect, test } from '@jest/globals';
import { Agent, get, type ServerResponse } from 'node:http';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { listen } from '../../../src/http/server.ts';
import { systemClock } from '../../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

async function startSlow() {
  const waiting: ServerResponse[] = [];
  const server = await listen({ host: '127.0.0.1', port: 0 }, { listener: (_, response) => void waiting.push(response), clock: systemClock });
  const agent = new Agent({ keepAlive: true });
  const ask = async (): Promise<{ text: string; connection: string | undefined }> => {
    const answered = Promise.withResolvers<{ text: string; connection: string | undefined }>();
    get({ host: '127.0.0.1', port: server.port, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => answered.resolve({ text, connection: response.headers.connection }));
    }).on('error', (error) => answered.reject(error));
    return answered.promise;
  };
  const arrived = (count: number): Promise<void> =>
    waitUntil({ what: 'the request', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (waiting.length >= count ? null : 'the request has not arrived'));
  return { server, waiting, agent, ask, arrived };
}

describe('draining', () => {
  test('waits for a request in progress, answers it with "connection: close" and closes the connection', async () => {
    const { server, waiting, agent, ask, arrived } = await startSlow();
    const answered = ask();
    await arrived(1);
    let drained = false;
    const drain = server.drain().then(() => (drained = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(drained).toBe(false);
    waiting[0]!.end('done');
    expect(await answered).toEqual({ text: 'done', connection: 'close' });
    await waitUntil({ what: 'draining', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (drained ? null : 'a connection is still open'));
    await drain;
    agent.destroy();
  });

  test('closes idle connections immediately and accepts no new connections', async () => {
    const { server, waiting, agent, ask, arrived } = await startSlow();
    const answered = ask();
    await arrived(1);
    waiting[0]!.end('done');
    await answered;
    await server.drain();
    agent.destroy();
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('that takes too long ends when the server is destroyed', async () => {
    const { server, agent, ask, arrived } = await startSlow();
    const answered = expect(ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
    await arrived(1);
    const drain = server.drain();
    server.destroy();
    await Promise.all([answered, drain]);
    agent.destroy();
  });
});

test('listening on a port that is in use fails with the error code of the system', async () => {
  const { server } = await startSlow();
  await expect(listen({ host: '127.0.0.1', port: server.port }, { listener: () => undefined, clock: systemClock })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await server.drain();
});
