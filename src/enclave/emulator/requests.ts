/** The request bodies that the enclave API accepts (protocol.md §7). All other bodies are refused; unknown fields are ignored. */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { isHex } from '../../domain/hex.ts';
import { parseTeePubkey, parseWallet, type TeePubkey } from '../../domain/ids.ts';
import type { SignableTransaction } from '../transaction.ts';

const hex = z
  .string()
  .transform((text) => text.replace(/^0x/, '').toLowerCase())
  .refine(isHex);

function refuse(context: z.RefinementCtx): never {
  context.addIssue({ code: 'custom', message: 'malformed' });
  return z.NEVER;
}

const publicKey = z.string().transform((text, context) => parseTeePubkey(text) ?? refuse(context));
const address = z.string().transform((text, context) => parseWallet(text.startsWith('0x') ? text : `0x${text}`) ?? refuse(context));

const quantity = z
  .string()
  .regex(/^(?:0x)?[0-9a-fA-F]{1,64}$/)
  .transform((text) => BigInt(text.startsWith('0x') ? text : `0x${text}`));

const smallQuantity = quantity.refine((value) => value <= BigInt(Number.MAX_SAFE_INTEGER)).transform(Number);

const bytes = z.string().regex(/^(?:0x)?(?:[0-9a-fA-F]{2})*$/).transform((text): `0x${string}` => `0x${text.replace(/^0x/, '')}`);
const storageKey = bytes.refine((text) => text.length === 66);

export const signRequest = z.object({ message: z.string().min(1), include_attestation: z.boolean().nullish() });

export const signTransactionRequest = z.object({
  payload: z
    .object({
      kind: z.literal('structured'),
      chain_id: smallQuantity.refine((id) => id > 0),
      nonce: smallQuantity,
      max_priority_fee_per_gas: quantity,
      max_fee_per_gas: quantity,
      gas_limit: quantity,
      to: address.nullish(),
      value: quantity.nullish(),
      data: bytes.nullish(),
      access_list: z.array(z.object({ address, storage_keys: z.array(storageKey) })).nullish(),
    })
    .transform(
      (payload): SignableTransaction => ({
        chainId: payload.chain_id,
        nonce: payload.nonce,
        maxPriorityFeePerGas: payload.max_priority_fee_per_gas,
        maxFeePerGas: payload.max_fee_per_gas,
        gasLimit: payload.gas_limit,
        to: payload.to ?? null,
        value: payload.value ?? 0n,
        data: payload.data ?? '0x',
        accessList: (payload.access_list ?? []).map((entry) => ({ address: entry.address as `0x${string}`, storageKeys: entry.storage_keys })),
      }),
    ),
});

export const encryptRequest = z.object({ plaintext: z.string(), client_public_key: publicKey });

/** The length of the ciphertext is checked later, after the nonce has been used up. */
export const decryptRequest = z.object({
  nonce: hex.refine((text) => text.length === 24 || text.length === 64),
  client_public_key: publicKey,
  encrypted_data: hex,
});

/** Converts a PEM key to DER in hex. */
const pemKey = z.string().transform((text, context) => {
  try {
    return createPublicKey({ key: text, format: 'pem', type: 'spki' }).export({ type: 'spki', format: 'der' }).toString('hex') as TeePubkey;
  } catch {
    return refuse(context);
  }
});

export const attestationRequest = z.object({
  nonce: z.base64().nullish(),
  public_key: pemKey.nullish(),
  user_data: z.record(z.string(), z.unknown()).nullish(),
});

/** A fault to inject, for tests of code that depends on the API. */
export const faultRequest = z.object({
  /** Path of the route, such as `/v1/eth/sign`; `*` for all routes. */
  route: z.string(),
  kind: z.enum(['fail', 'close', 'garbage', 'hang', 'none']),
  /** Number of affected calls. If absent, the fault stays until a request with `none` removes it. */
  times: z.number().int().positive().optional(),
});
