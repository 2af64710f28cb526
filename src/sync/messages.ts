/** The inner bodies of `/sync` (protocol.md §4, §10). Unknown fields are ignored by all. */
import { z } from 'zod';

/** Longest cursor of a page that this node gives or takes. Characters. */
export const MAX_CURSOR_CHARS = 4_096;
/** 16 random bytes in hex; older or other nodes may write theirs differently. Characters. */
const MAX_REQUEST_ID_CHARS = 64;

export const requestId = z.string().min(1).max(MAX_REQUEST_ID_CHARS).regex(/^[0-9a-zA-Z_-]+$/);

/** The least that a snapshot page may be asked to be: one small record fits. Bytes. */
const MIN_PAGE_BYTES = 4_096;

export const masterSecretRequest = z.object({ ecdh_pubkey: z.string().regex(/^[0-9a-fA-F]{1,1024}$/) });

export const snapshotRequest = z.object({
  max_bytes: z.number().int().min(MIN_PAGE_BYTES).optional(),
  cursor: z.string().max(MAX_CURSOR_CHARS).optional(),
  app: z.string().regex(/^\d{1,16}$/).optional(),
  buckets: z.array(z.number().int().min(0).max(255)).max(256).optional(),
});

export const deltaRequest = z.object({ data: z.record(z.string(), z.unknown()).default({}) });

/** What every answer of this node's kind carries beside its own fields; older nodes send none of it. */
export const answerFrame = z.looseObject({
  status: z.literal('ok'),
  store_id: z.string().max(64).optional(),
  request_id: z.string().max(MAX_REQUEST_ID_CHARS).optional(),
  next_nonce: z.string().max(256).optional(),
});

export const secretAnswer = z.looseObject({ sealed: z.unknown() });

export const snapshotAnswer = z.looseObject({
  data: z.record(z.string(), z.unknown()),
  complete: z.boolean().optional(),
  next_cursor: z.string().min(1).max(MAX_CURSOR_CHARS).nullish(),
});
