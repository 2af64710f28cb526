/** `POST /.well-known/attestation` over real HTTP, with the emulator and with an enclave API that offers no attestation or fails. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { decode } from 'cborg';
import { OdynClient } from '../../../src/enclave/odyn-client.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startNodeOverHttp } from '../../support/node-over-http.ts';
import { runningEmulator } from '../../support/running-emulator.ts';
import { scriptedServer, silence, type Answering } from '../../support/scripted-server.ts';

const NONCE = Buffer.from('of the caller').toString('base64');

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startNode(odynUrl: string) {
  const clock = new ManualClock();
  const attester = new OdynClient({ baseUrl: odynUrl }, { clock });
  const node = await startNodeOverHttp({ attester });
  closers.push(() => node.close(), () => attester.close());
  const ask = async (body?: unknown, method = 'POST'): Promise<Response> =>
    fetch(`${node.url}/.well-known/attestation`, { method, ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }) });
  return { ask, clock, node };
}

async function startWithEmulator() {
  const emulator = await runningEmulator('attested');
  closers.push(() => emulator.close());
  return { ...(await startNode(emulator.url)), enclave: emulator.enclave };
}

async function startScripted(answer: Answering) {
  const api = await scriptedServer(answer);
  closers.push(() => api.close());
  return { ...(await startNode(api.url)), api };
}

const errorOf = async (answer: Response) => ({ status: answer.status, ...((await answer.json()) as { code: string; message: string }) });

describe('the attestation', () => {
  test('is the document from the enclave API and contains the nonce from the caller', async () => {
    const { ask, enclave } = await startWithEmulator();
    const answer = await ask({ nonce: NONCE });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/cbor']);
    const document = decode(new Uint8Array(await answer.arrayBuffer())) as Record<string, Uint8Array>;
    expect(Buffer.from(document['nonce']!).toString('base64')).toBe(NONCE);
    expect(Buffer.from(document['public_key']!).toString('hex')).toBe(enclave.teePubkey);
  });

  test.each([[undefined], [{}], [{ nonce: null }]])('can be requested without a nonce: %j', async (body) => {
    const { ask } = await startWithEmulator();
    const answer = await ask(body);
    expect((decode(new Uint8Array(await answer.arrayBuffer())) as Record<string, unknown>)['nonce']).toBeNull();
  });

  test('contains nothing from the request except the nonce', async () => {
    const { ask, api } = await startScripted((_request, response) => void response.end(Buffer.from([0xa0])));
    const answer = await ask({ nonce: NONCE, public_key: 'mine', user_data: { eth_addr: 'mine' } });
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from([0xa0]));
    expect(api.requests.map(({ method, url, body }) => [method, url, JSON.parse(body) as unknown])).toEqual([['POST', '/v1/attestation', { nonce: NONCE }]]);
  });

  test('is made at most once a second, regardless of the number of callers', async () => {
    const { ask, node } = await startWithEmulator();
    expect((await ask({ nonce: NONCE })).status).toBe(200);
    const refused = await ask({ nonce: NONCE });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    await node.clock.advance(999);
    expect((await ask()).status).toBe(429);
    await node.clock.advance(1);
    expect((await ask()).status).toBe(200);
  });
});

describe('a request for the attestation is refused', () => {
  test.each<[string, unknown, number, string]>([
    ['when its nonce is not valid base64', { nonce: 'not base64!' }, 400, 'bad_request'],
    ['when its nonce is not a string', { nonce: 17 }, 400, 'bad_request'],
    ['when its nonce is too long for the hardware', { nonce: Buffer.alloc(514).toString('base64') }, 400, 'bad_request'],
    ['when it is not valid JSON', 'nonce', 400, 'bad_request'],
    ['when it is not an object', [], 400, 'bad_request'],
    ['when it is null', null, 400, 'bad_request'],
    ['when it is too long', { nonce: NONCE, padding: 'x'.repeat(5_000) }, 413, 'payload_too_large'],
  ])('%s', async (_, body, status, code) => {
    const { ask, api } = await startScripted((_request, response) => void response.end());
    expect(await errorOf(await ask(body))).toMatchObject({ status, code });
    expect(api.requests).toHaveLength(0);
  });

  test('when its method is not POST', async () => {
    const { ask } = await startWithEmulator();
    const answer = await ask(undefined, 'GET');
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test.each([404, 405])('with 404 when the enclave API answers %i because it offers no attestation', async (status) => {
    const { ask } = await startScripted((_request, response) => void response.writeHead(status).end());
    expect(await errorOf(await ask())).toMatchObject({ status: 404, code: 'not_found' });
  });

  test.each<[string, Answering, string]>([
    ['fails', (_request, response) => void response.writeHead(500).end('inside'), 'service_unavailable'],
    ['closes the connection', (_request, response) => void response.socket?.destroy(), 'service_unavailable'],
    ['returns a document that is too large', (_request, response) => void response.end(Buffer.alloc(65 * 1024)), 'service_unavailable'],
  ])('with 503 when the enclave API %s', async (_, answer, code) => {
    const { ask } = await startScripted(answer);
    const refused = await ask();
    expect(refused.headers.get('retry-after')).toBe('2');
    const error = await errorOf(refused);
    expect(error).toMatchObject({ status: 503, code });
    expect(JSON.stringify(error)).not.toContain('inside');
  });

  test('with 503 when the enclave API does not answer within the timeout', async () => {
    const { ask, clock, api } = await startScripted(silence);
    const asking = ask();
    await api.received(1);
    await clock.advance(10_000);
    expect((await asking).status).toBe(503);
  });
});
