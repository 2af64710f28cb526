/**
 * The enclave API over HTTP (protocol.md §7, and nothing else): the wallet that signs, the P-384 key that opens envelopes,
 * and randomness. It is on loopback, so no proxy is involved. Errors are sentences of our own; what the API says is
 * neither logged nor passed on.
 */
import { Pool } from 'undici';
import { z } from 'zod';
import { DeadlineError, within } from '../domain/deadline.ts';
import { DependencyError } from '../domain/errors.ts';
import { isHex } from '../domain/hex.ts';
import { parseHash32, parseTeePubkey, parseWallet, type TeePubkey, type Wallet } from '../domain/ids.ts';
import { ENCLAVE_BODY_BYTES, MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { Clock, Enclave, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';

/** Time limit of one call. Milliseconds. */
const CALL_LIMIT_MS = 10_000;
/** Connections to the API at once; calls above it wait. */
const CONNECTIONS = 32;
/** Tries of a call that changes nothing, when the connection fails. */
const READ_ATTEMPTS = 2;
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

/** How an operation is called, and what it is called in errors: no path of the API gets out of here (protocol.md §2). */
const OPERATIONS: Readonly<Record<Operation, { readonly path: string; readonly name: string }>> = {
  address: { path: '/v1/eth/address', name: 'address' },
  publicKey: { path: '/v1/encryption/public_key', name: 'public key' },
  random: { path: '/v1/random', name: 'random' },
  sign: { path: '/v1/eth/sign', name: 'sign' },
  signTransaction: { path: '/v1/eth/sign-tx', name: 'sign transaction' },
  encrypt: { path: '/v1/encryption/encrypt', name: 'encrypt' },
  decrypt: { path: '/v1/encryption/decrypt', name: 'decrypt' },
};

export interface OdynClientOptions {
  /** `ODYN_URL`, without a trailing slash. */
  readonly baseUrl: string;
}

export class OdynClient implements Enclave {
  readonly #pool: Pool;
  readonly #prefix: string;
  readonly #clock: Clock;

  constructor(options: OdynClientOptions, modules: { readonly clock: Clock }) {
    const url = new URL(options.baseUrl);
    this.#prefix = url.pathname.replace(/\/+$/, '');
    this.#pool = new Pool(url.origin, { connections: CONNECTIONS, pipelining: 1, maxResponseSize: MAX_ANSWER_BYTES });
    this.#clock = modules.clock;
  }

  async address(signal?: AbortSignal): Promise<Wallet> {
    return (await this.#read('address', signal)).address;
  }

  async publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return (await this.#read('publicKey', signal)).public_key_der;
  }

  async random(signal?: AbortSignal): Promise<Uint8Array> {
    const { random_bytes: text } = await this.#read('random', signal);
    return Uint8Array.from(Buffer.from(bare(text), 'hex'));
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

  /** Not tried again: the API burns the nonce of a try that failed. */
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
    await this.#pool.destroy();
  }

  async #read<Name extends Operation>(operation: Name, signal: AbortSignal | undefined): Promise<Answer<Name>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#call(operation, undefined, signal);
      } catch (error) {
        const worthwhile = error instanceof DependencyError && error.failure === 'unreachable';
        if (!worthwhile || attempt >= READ_ATTEMPTS) throw error;
      }
    }
  }

  /** @param body undefined: the operation is a read */
  async #call<Name extends Operation>(operation: Name, body: unknown, signal: AbortSignal | undefined): Promise<Answer<Name>> {
    const { name } = OPERATIONS[operation];
    const { status, text } = await this.#exchange(operation, body, signal);
    if (status !== 200) {
      const failure = status >= 400 && status < 500 ? 'refused' : 'unreachable';
      throw new DependencyError('enclave', failure, `the enclave API answered ${status} to ${name}`, status);
    }
    const parsed = ANSWERS[operation].safeParse(parseOrNull(text));
    if (!parsed.success) throw new DependencyError('enclave', 'malformed', `the enclave API's answer to ${name} is malformed`);
    return parsed.data as Answer<Name>;
  }

  async #exchange(operation: Operation, body: unknown, signal: AbortSignal | undefined): Promise<{ status: number; text: string }> {
    const { path, name } = OPERATIONS[operation];
    try {
      return await within(this.#clock, `the enclave API's ${name}`, CALL_LIMIT_MS, signal, async (limit) => {
        const answer = await this.#pool.request({
          path: this.#prefix + path,
          signal: limit,
          ...(body === undefined
            ? { method: 'GET' }
            : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        });
        return { status: answer.statusCode, text: await answer.body.text() };
      });
    } catch (error) {
      if (signal?.aborted === true) throw new DependencyError('enclave', 'aborted', `the call of ${name} was aborted`);
      if (error instanceof DeadlineError) throw new DependencyError('enclave', 'timeout', error.message);
      throw new DependencyError('enclave', 'unreachable', `the enclave API cannot be reached for ${name}`);
    }
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
