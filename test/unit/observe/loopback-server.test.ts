/** The metrics on a loopback port (`METRICS_PORT`): readers on this machine get them, but web pages of other sites do not. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { serveMetrics, type MetricsServer } from '../../../src/observe/metrics/loopback-server.ts';

const PAGE = { contentType: 'text/plain; version=0.0.4; charset=utf-8', render: async () => 'up 1\n' };
let server: MetricsServer;

beforeAll(async () => {
  server = await serveMetrics(0, PAGE);
});
afterAll(() => server.close());

interface Seen {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

/** Sends a request with any `Host` header. `fetch` cannot do that, because it sets this header itself. */
async function ask(path: string, { method = 'GET', host = `127.0.0.1:${server.port}` } = {}): Promise<Seen> {
  const { promise, resolve, reject } = Promise.withResolvers<Seen>();
  const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers: { host } }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], text }));
  });
  asked.on('error', reject).end();
  return promise;
}

describe('the loopback port', () => {
  test('returns the metrics in the text format of Prometheus', async () => {
    expect(await ask('/metrics')).toEqual({ status: 200, type: PAGE.contentType, text: 'up 1\n' });
    expect(await ask('/metrics?name=up', { host: `localhost:${server.port}` })).toMatchObject({ status: 200 });
  });

  test.each<readonly [string, string, { readonly method?: string; readonly host?: string }, number]>([
    ['a Host header with a foreign name that resolves to this machine', '/metrics', { host: 'rebound.example' }, 421],
    ['a Host header with a different port', '/metrics', { host: '127.0.0.1:1' }, 421],
    ['a different path', '/status', {}, 404],
    ['a write', '/metrics', { method: 'POST' }, 405],
  ])('refuses %s', async (_, path, options, status) => {
    const answer = await ask(path, options);
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('up 1');
  });

  test('causes an error if it is already in use', async () => {
    await expect(serveMetrics(server.port, PAGE)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('answers an internal failure with status 500 and without details', async () => {
    const broken = await serveMetrics(0, { ...PAGE, render: async () => Promise.reject(new Error('inside')) });
    const answer = await fetch(`http://127.0.0.1:${broken.port}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([500, 'the metrics could not be collected']);
    await broken.close();
  });
});
