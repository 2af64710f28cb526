/**
 * An HTTP server for an emulated enclave, with the same routes and refusals as the real enclave API (protocol.md §7). Errors are plain text
 * without a content type. For an unknown route or method, the text is empty. An internal failure closes the connection. `allowFaults` adds
 * a route that injects faults; the real API has no such route.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import { ENCLAVE_BODY_BYTES } from '../../domain/limits.ts';
import { EmulatorRefusal, type EmulatedEnclave } from './emulated-enclave.ts';
import {
  attestationRequest,
  decryptRequest,
  encryptRequest,
  faultRequest,
  signRequest,
  signTransactionRequest,
} from './requests.ts';
import { parseStrictJson } from './strict-json.ts';

const FAULT_ROUTE = '/emulator/fault';

export interface EmulatorServerOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly allowFaults: boolean;
}

interface Fault {
  readonly kind: 'fail' | 'close' | 'garbage' | 'hang';
  left: number;
}

type Answer = { readonly json: unknown } | { readonly cbor: Uint8Array };

interface Route {
  readonly method: 'GET' | 'POST';
  readonly answer: (body: unknown) => Answer | Promise<Answer>;
}

/** Ends the call with an answer that has this status (not 200) and this text. */
class HttpFailure extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new EmulatorRefusal('the request body is malformed');
  return parsed.data;
}

function routes(enclave: EmulatedEnclave): Readonly<Record<string, Route>> {
  return {
    '/v1/eth/address': {
      method: 'GET',
      answer: () => ({ json: { address: enclave.wallet, public_key: enclave.walletPublicKey } }),
    },
    '/v1/eth/sign': {
      method: 'POST',
      answer: (body) => {
        const { message } = read(signRequest, body);
        return { json: { signature: enclave.sign(message), address: enclave.wallet, attestation: null } };
      },
    },
    '/v1/eth/sign-tx': {
      method: 'POST',
      answer: async (body) => {
        const { payload } = read(signTransactionRequest, body);
        const { rawTransaction, transactionHash, signature } = await enclave.signTransaction(payload);
        const json = { raw_transaction: rawTransaction, transaction_hash: transactionHash, signature };
        return { json: { ...json, address: enclave.wallet, attestation: null } };
      },
    },
    '/v1/random': {
      method: 'GET',
      answer: () => ({ json: { random_bytes: `0x${Buffer.from(enclave.random32()).toString('hex')}` } }),
    },
    '/v1/encryption/public_key': {
      method: 'GET',
      answer: () => ({ json: { public_key_der: `0x${enclave.teePubkey}`, public_key_pem: enclave.teePubkeyPem } }),
    },
    '/v1/encryption/encrypt': {
      method: 'POST',
      answer: (body) => {
        const { plaintext, client_public_key: receiver } = read(encryptRequest, body);
        const sealed = enclave.encrypt(plaintext, receiver);
        return {
          json: { encrypted_data: sealed.encryptedData, enclave_public_key: sealed.senderPubkey, nonce: sealed.nonce },
        };
      },
    },
    '/v1/encryption/decrypt': {
      method: 'POST',
      answer: (body) => {
        const { nonce, client_public_key: senderPubkey, encrypted_data: encryptedData } = read(decryptRequest, body);
        return { json: { plaintext: enclave.decrypt({ nonce, senderPubkey, encryptedData }) } };
      },
    },
    '/v1/attestation': {
      method: 'POST',
      answer: (body) => {
        const { nonce, public_key: key, user_data: userData } = read(attestationRequest, body);
        const bytes = typeof nonce === 'string' ? Buffer.from(nonce, 'base64') : undefined;
        return { cbor: enclave.attestation({ nonce: bytes, publicKey: key ?? undefined, userData: userData ?? undefined }) };
      },
    },
  };
}

export class EmulatorServer {
  readonly #server: Server;
  readonly #options: EmulatorServerOptions;
  readonly #routes: Readonly<Record<string, Route>>;
  readonly #faults = new Map<string, Fault>();

  constructor(options: EmulatorServerOptions, modules: { readonly enclave: EmulatedEnclave }) {
    this.#options = options;
    this.#routes = routes(modules.enclave);
    // Like the platform's server, this one does not close idle connections, because a request that arrives during the close would fail.
    this.#server = createServer({ keepAliveTimeout: 0 }, (request, response) => void this.#serve(request, response));
  }

  /** Resolves with the base URL. Rejects with the error of `listen`, such as EADDRINUSE. */
  async listen(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#server.once('error', reject);
    this.#server.listen(this.#options.port, this.#options.host, () => resolve(undefined));
    await promise;
    this.#server.off('error', reject);
    const { port } = this.#server.address() as AddressInfo;
    return `http://${this.#options.host}:${port}`;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const path = new URL(request.url ?? '/', 'http://enclave').pathname;
      const fault = this.#takeFault(path);
      if (fault === 'hang') return;
      if (fault === 'close') {
        request.socket.destroy();
        return;
      }
      if (fault === 'fail') throw new HttpFailure(500, 'a fault was injected');
      if (fault === 'garbage') {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"plaintext":17,"address":"nonsense"');
        return;
      }
      const answer = await this.#answer(request, path);
      if ('cbor' in answer) send(response, 'application/cbor', answer.cbor);
      else send(response, 'application/json', Buffer.from(JSON.stringify(answer.json)));
    } catch (error) {
      if (response.headersSent || response.destroyed) return;
      const failure = error instanceof EmulatorRefusal ? new HttpFailure(400, error.message) : error;
      if (!(failure instanceof HttpFailure)) {
        request.socket.destroy();
        return;
      }
      if (failure.status === 413) response.setHeader('connection', 'close');
      response.writeHead(failure.status).end(failure.message);
    }
  }

  async #answer(request: IncomingMessage, path: string): Promise<Answer> {
    if (this.#options.allowFaults && path === FAULT_ROUTE) return this.#setFault(await readJson(request));
    const route = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined;
    if (route === undefined) throw new HttpFailure(404, '');
    if (route.method !== request.method) throw new HttpFailure(405, '');
    return route.answer(route.method === 'GET' ? undefined : await readJson(request));
  }

  #setFault(body: unknown): Answer {
    const { route, kind, times } = read(faultRequest, body);
    if (kind === 'none') this.#faults.delete(route);
    else this.#faults.set(route, { kind, left: times ?? Infinity });
    return { json: { route, kind } };
  }

  #takeFault(path: string): Fault['kind'] | null {
    if (path === FAULT_ROUTE) return null;
    const key = this.#faults.has(path) ? path : '*';
    const fault = this.#faults.get(key);
    if (fault === undefined) return null;
    fault.left -= 1;
    if (fault.left <= 0) this.#faults.delete(key);
    return fault.kind;
  }
}

/** Also sends the length of the body. Without it, Node would send the body in chunks, which costs both sides more. */
function send(response: ServerResponse, contentType: string, body: Uint8Array): void {
  response.writeHead(200, { 'content-type': contentType, 'content-length': body.length }).end(body);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ENCLAVE_BODY_BYTES) throw new HttpFailure(413, 'the request body is too large');
    chunks.push(chunk);
  }
  try {
    return parseStrictJson(Buffer.concat(chunks));
  } catch {
    throw new EmulatorRefusal('the request body is not valid JSON');
  }
}
