/**
 * The enclave API over HTTP (protocol.md §7, and nothing else): the wallet that signs, the P-384 key that opens envelopes,
 * and randomness. It is on loopback, so no proxy is involved. Errors are sentences of our own; what the API says is
 * neither logged nor passed on. A call whose connection fails is tried once more on a fresh one, since the API may close
 * connections that were idle or just used; `decrypt` is not, since the API burns the nonce of a try that failed.
 */
import { Pool } from 'undici';
import { z } from 'zod';
import { readBoundedBody } from '../domain/bounded-body.ts';
import { within } from '../domain/deadline.ts';
import { malformedAnswer, nameOf, noAnswer, statusFailure, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';
import { endpointOf } from '../domain/endpoint.ts';
import type { DependencyError } from '../domain/errors.ts';
import { isHex } from '../domain/hex.ts';
import { parseHash32, parseTeePubkey, parseWallet, type TeePubkey, type Wallet } from '../domain/ids.ts';
import { ENCLAVE_BODY_BYTES, MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { Clock, Enclave, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';
import { secretFromHex } from '../domain/secret-bytes.ts';

/** Timeout of one call, its second try included. Milliseconds. */
const CALL_TIMEOUT_MS = 10_000;
/** Connections to the API at once; calls above it wait. */
const CONNECTIONS = 32;
/** Connections at once for calls that are tried once more. */
const FRESH_CONNECTIONS = 8;
/** JSON around the largest text that the API handles. Bytes. */
const MAX_ANSWER_BYTES = 2 * ENCLAVE_BODY_BYTES + 64 * 1024;

const withoutPrefix = (text: string): string => (text.startsWith('0x') ? text.slice(2) : text);
const bare = (text: string): string => withoutPrefix(text).toLowerCase();
const hexText = z.string().refine((text) => isHex(withoutPrefix(text)));
const prefixed = z.string().refine((text) => text.length > 2 && text.startsWith('0x') && isHex(text.slice(2)));

const wallet = z.string().transform((text, context) => parseWallet(text) ?? fail(context));
const teePubkey = z.string().transform((text, context) => parseTeePubkey(text) ?? fail(context));
const hash32 = z.string().transform((text, context) => parseHash32(text) ?? fail(context));

function fail(context: z.RefinementCtx): never {
  context.addIssue({ code: 'custom', message: 'malformed' });
  return z.NEVER;
}

const ANSWERS = {
  address: z.object({ address: wallet }),
  publicKey: z.object({ public_key_der: teePubkey }),
  random: z.object({ random_bytes: prefixed.length(2 + 2 * MASTER_SECRET_BYTES) }),
  sign: z.object({ signature: prefixed.length(2 + 2 * 65) }),
  signTransaction: z.object({ raw_transaction: prefixed, transaction_hash: hash32 }),
  encrypt: z.object({ encrypted_data: hexText, enclave_public_key: teePubkey, nonce: hexText }),
  decrypt: z.object({ plaintext: z.string() }),
};

type Operation = keyof typeof ANSWERS;
type Answer<Name extends Operation> = z.infer<(typeof ANSWERS)[Name]>;

interface OperationRule {
  readonly path: string;
  /** What it is called in errors: no path of the API gets out of here (protocol.md §2). */
  readonly name: string;
  /** What may be sent again: the first try may have been carried out, although its answer was lost. */
  readonly again: boolean;
}

const OPERATIONS: Readonly<Record<Operation, OperationRule>> = {
  address: { path: '/v1/eth/address', name: 'address', again: true },
  publicKey: { path: '/v1/encryption/public_key', name: 'public key', again: true },
  random: { path: '/v1/random', name: 'random', again: true },
  sign: { path: '/v1/eth/sign', name: 'sign', again: true },
  signTransaction: { path: '/v1/eth/sign-tx', name: 'sign transaction', again: true },
  encrypt: { path: '/v1/encryption/encrypt', name: 'encrypt', again: true },
  decrypt: { path: '/v1/encryption/decrypt', name: 'decrypt', again: false },
};

export interface OdynClientOptions {
  /** `ODYN_URL`, without a trailing slash. */
  readonly baseUrl: string;
}

export interface OdynClientModules {
  readonly clock: Clock;
  /** Hears of each call that failed, but for those that the API refused (4xx) or that were called off. */
  readonly onFailure?: (error: DependencyError) => void;
}

export class OdynClient implements Enclave {
  readonly #pool: Pool;
  /** Opens a connection for each call. */
  readonly #fresh: Pool;
  readonly #prefix: string;
  readonly #endpoint: string;
  readonly #modules: OdynClientModules;

  constructor(options: OdynClientOptions, modules: OdynClientModules) {
    const url = new URL(options.baseUrl);
    this.#prefix = url.pathname.replace(/\/+$/, '');
    this.#endpoint = endpointOf(options.baseUrl);
    this.#pool = new Pool(url.origin, { connections: CONNECTIONS, pipelining: 1 });
    this.#fresh = new Pool(url.origin, { connections: FRESH_CONNECTIONS, pipelining: 1 });
    this.#modules = modules;
  }

  async address(signal?: AbortSignal): Promise<Wallet> {
    return (await this.#call('address', undefined, signal)).address;
  }

  async publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return (await this.#call('publicKey', undefined, signal)).public_key_der;
  }

  async random(signal?: AbortSignal): Promise<Uint8Array> {
    const { random_bytes: text } = await this.#call('random', undefined, signal);
    return secretFromHex(bare(text));
  }

  async sign(message: string, signal?: AbortSignal): Promise<string> {
    const body = { message, include_attestation: false };
    return (await this.#call('sign', body, signal)).signature.toLowerCase();
  }

  async signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction> {
    const body = { payload: structuredPayload(transaction) };
    const answer = await this.#call('signTransaction', body, signal);
    return { rawTransaction: answer.raw_transaction as `0x${string}`, transactionHash: answer.transaction_hash };
  }

  async encrypt(plaintext: string, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    const body = { plaintext, client_public_key: `0x${receiver}` };
    const answer = await this.#call('encrypt', body, signal);
    return {
      senderPubkey: answer.enclave_public_key,
      nonce: bare(answer.nonce),
      encryptedData: bare(answer.encrypted_data),
    };
  }

  async decrypt(sealed: SealedText, signal?: AbortSignal): Promise<string> {
    const body = {
      nonce: sealed.nonce,
      client_public_key: `0x${sealed.senderPubkey}`,
      encrypted_data: sealed.encryptedData,
    };
    return (await this.#call('decrypt', body, signal)).plaintext;
  }

  /** Ends the calls under way. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#fresh.destroy()]);
  }

  /** @param body undefined: the operation is a read */
  async #call<Name extends Operation>(operation: Name, body: unknown, signal: AbortSignal | undefined): Promise<Answer<Name>> {
    const { name, again } = OPERATIONS[operation];
    const asked: DependencyCall = { dependency: 'enclave', endpoint: this.#endpoint, call: name, setting: 'ODYN_URL' };
    try {
      return await within(this.#modules.clock, nameOf(asked), CALL_TIMEOUT_MS, signal, async (deadline) => {
        try {
          return await this.#exchange(this.#pool, operation, asked, body, deadline);
        } catch (error) {
          const failure = noAnswer(asked, error, deadline.aborted);
          if (!again || failure.failure !== 'unreachable') throw failure;
        }
        return this.#exchange(this.#fresh, operation, asked, body, deadline);
      });
    } catch (error) {
      const failure = noAnswer(asked, error, signal?.aborted === true);
      if (failure.failure !== 'refused' && failure.failure !== 'aborted') this.#modules.onFailure?.(failure);
      throw failure;
    }
  }

  async #exchange<Name extends Operation>(
    pool: Pool,
    operation: Name,
    asked: DependencyCall,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Answer<Name>> {
    const { statusCode, body: answered } = await pool.request({
      path: this.#prefix + OPERATIONS[operation].path,
      signal,
      // The connection is not used again.
      reset: pool === this.#fresh,
      ...(body === undefined
        ? { method: 'GET' }
        : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const bytes = await readBoundedBody(answered as AsyncIterable<Uint8Array>, MAX_ANSWER_BYTES, () => tooLargeAnswer(asked, MAX_ANSWER_BYTES));
    if (statusCode !== 200) throw statusFailure(asked, statusCode);
    const parsed = ANSWERS[operation].safeParse(parseOrNull(bytes.toString('utf8')));
    if (!parsed.success) throw malformedAnswer(asked, `gave an answer to ${asked.call} that is malformed`);
    return parsed.data as Answer<Name>;
  }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const quantity = (value: bigint | number): string => `0x${value.toString(16)}`;

/** The form that the enclave API takes (protocol.md §9.20). */
function structuredPayload(transaction: UnsignedTransaction) {
  return {
    kind: 'structured',
    chain_id: quantity(transaction.chainId),
    nonce: quantity(transaction.nonce),
    max_priority_fee_per_gas: quantity(transaction.maxPriorityFeePerGas),
    max_fee_per_gas: quantity(transaction.maxFeePerGas),
    gas_limit: quantity(transaction.gasLimit),
    to: transaction.to,
    value: quantity(transaction.value),
    data: transaction.data,
  };
}
