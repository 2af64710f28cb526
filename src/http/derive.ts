/** `POST /kms/derive` (protocol.md §3): checks the inner body and derives the key. */
import { z } from 'zod';
import { encodeBase64 } from '../crypto/base64.ts';
import type { Vault } from '../crypto/vault.ts';
import { RefusalError } from '../domain/errors.ts';
import type { AppId } from '../domain/ids.ts';
import { DEFAULT_DERIVED_KEY_BYTES, MAX_DERIVE_INFO_BYTES, MAX_DERIVED_KEY_BYTES } from '../domain/limits.ts';

/** A lone surrogate has no UTF-8 form. If it were replaced, another node could derive a different key. */
const text = z.string().refine((value) => value.isWellFormed(), 'is not valid Unicode text');

export const deriveBody = z
  .object({
    path: text.refine((value) => value.trim() !== '', 'is empty').meta({ minLength: 1, pattern: '\\S', description: `Together with the context, at most ${MAX_DERIVE_INFO_BYTES} bytes of UTF-8` }),
    context: text.optional(),
    length: z.number().int().min(1).max(MAX_DERIVED_KEY_BYTES).default(DEFAULT_DERIVED_KEY_BYTES),
  })
  .refine(
    ({ path, context = '' }) => Buffer.byteLength(path) + Buffer.byteLength(context) <= MAX_DERIVE_INFO_BYTES,
    `path and context together are longer than ${MAX_DERIVE_INFO_BYTES} bytes`,
  );

export interface DeriveAnswer {
  readonly app_id: AppId;
  readonly path: string;
  /** The derived key in base64. */
  readonly key: string;
  readonly length: number;
}

/** @throws RefusalError bad_request, forbidden, service_unavailable */
export function derive(vault: Pick<Vault, 'deriveAppKey'>, appId: AppId, inner: Record<string, unknown>): DeriveAnswer {
  const parsed = deriveBody.safeParse(inner);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') ?? '';
    const what = field === '' ? 'path and context together are too long' : `${field} is not valid`;
    throw new RefusalError('bad_request', what);
  }
  const { path, context, length } = parsed.data;
  const key = vault.deriveAppKey(appId, path, context, length);
  try {
    return { app_id: appId, path, key: encodeBase64(key), length };
  } finally {
    key.fill(0);
  }
}
