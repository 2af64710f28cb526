/** `POST /kms/derive` (protocol.md §3): the request, and the form of its answer. */
import { z } from 'zod';
import { DEFAULT_DERIVED_KEY_BYTES, MAX_DERIVE_INFO_BYTES, MAX_DERIVED_KEY_BYTES } from '../domain/limits.ts';
import { base64 } from './base64.ts';
import { KmsClientError } from './errors.ts';
import type { KmsRequest } from './node-exchange.ts';
import type { KmsNode } from './node-list.ts';

export interface DeriveArguments {
  /** Must not be empty after trimming, but is used untrimmed. Path and `context` together take at most 4096 bytes of UTF-8. */
  readonly path: string;
  /** Joined to the path without escaping: `a:b` without a context and `a` with the context `b` result in the same key. */
  readonly context?: string;
  /** Bytes, 1 to 1024. Default: 32. */
  readonly length?: number;
}

export interface DerivedKey {
  /** The caller must wipe these bytes after use. */
  readonly key: Uint8Array;
  /** The id of the caller's app, as the node reads it from the registry. The key belongs to this app. */
  readonly appId: number;
  /** The node that answered. */
  readonly node: KmsNode;
}

/** Maximum size of an answer. It is sent as hex, and JSON may need six characters for one character of the path. Bytes. */
const MAX_ANSWER_BYTES = 128 * 1024;

const derivedAnswer = z.object({ app_id: z.number().int().positive(), path: z.string(), length: z.number(), key: base64 });

/** @throws KmsClientError invalid_argument */
export function deriveRequest({ path, context, length = DEFAULT_DERIVED_KEY_BYTES }: DeriveArguments): KmsRequest<{ key: Uint8Array; appId: number }> {
  if (!path.isWellFormed() || context?.isWellFormed() === false) {
    throw new KmsClientError('invalid_argument', 'path and context must be Unicode text');
  }
  const pathBytes = Buffer.byteLength(path) + Buffer.byteLength(context ?? '');
  if (path.trim() === '' || pathBytes > MAX_DERIVE_INFO_BYTES) {
    throw new KmsClientError('invalid_argument', `path must not be empty, and path and context together must not exceed ${MAX_DERIVE_INFO_BYTES} bytes`);
  }
  if (!Number.isInteger(length) || length < 1 || length > MAX_DERIVED_KEY_BYTES) {
    throw new KmsClientError('invalid_argument', `length must be a whole number from 1 to ${MAX_DERIVED_KEY_BYTES}`);
  }
  return {
    method: 'POST',
    path: '/kms/derive',
    op: 'derive',
    body: { path, ...(context === undefined ? {} : { context }), length },
    maxAnswerBytes: MAX_ANSWER_BYTES,
    read: (inner) => {
      const { data } = derivedAnswer.safeParse(inner);
      return data?.path === path && data.length === length && data.key.length === length ? { appId: data.app_id, key: data.key } : null;
    },
  };
}
