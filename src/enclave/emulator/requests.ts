/** The request bodies that the enclave API takes (protocol.md §7). Anything else is refused. */
import { z } from 'zod';
import { isHex } from '../../domain/hex.ts';
import { parseTeePubkey, parseWallet } from '../../domain/ids.ts';
import type { UnsignedTransaction } from '../../domain/ports.ts';

const hex = z
  .string()
  .transform((text) => text.replace(/^0x/, '').toLowerCase())
  .refine(isHex);

const publicKey = z.string().transform((text, context) => {
  const parsed = parseTeePubkey(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: 'custom', message: 'not hex' });
  return z.NEVER;
});

const wallet = z.string().transform((text, context) => {
  const parsed = parseWallet(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: 'custom', message: 'not an address' });
  return z.NEVER;
});

const quantity = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,64}$/)
  .transform((text) => BigInt(text));

const smallQuantity = quantity.refine((value) => value <= BigInt(Number.MAX_SAFE_INTEGER)).transform(Number);

export const signRequest = z.object({ message: z.string(), include_attestation: z.boolean().optional() });

export const signTransactionRequest = z.object({
  payload: z
    .strictObject({
      kind: z.literal('structured'),
      chain_id: smallQuantity,
      nonce: smallQuantity,
      max_priority_fee_per_gas: quantity,
      max_fee_per_gas: quantity,
      gas_limit: quantity,
      to: wallet,
      value: quantity,
      data: z.string().regex(/^0x(?:[0-9a-fA-F]{2})*$/),
    })
    .transform(
      (payload): UnsignedTransaction => ({
        chainId: payload.chain_id,
        nonce: payload.nonce,
        maxPriorityFeePerGas: payload.max_priority_fee_per_gas,
        maxFeePerGas: payload.max_fee_per_gas,
        gasLimit: payload.gas_limit,
        to: payload.to,
        value: payload.value,
        data: payload.data as `0x${string}`,
      }),
    ),
});

export const encryptRequest = z.object({ plaintext: z.string(), client_public_key: publicKey });

export const decryptRequest = z.object({
  nonce: hex.refine((text) => text.length === 24 || text.length === 64),
  client_public_key: publicKey,
  encrypted_data: hex.refine((text) => text.length >= 32),
});

export const attestationRequest = z.object({ nonce: z.string().optional(), user_data: z.string().optional() });

/** A fault to inject, for tests of what depends on the API. */
export const faultRequest = z.object({
  /** Path of the route, such as `/v1/eth/sign`; `*` for all. */
  route: z.string(),
  kind: z.enum(['fail', 'garbage', 'hang', 'none']),
  /** Calls it lasts; absent: until it is taken back. */
  times: z.number().int().positive().optional(),
});
