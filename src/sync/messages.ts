/** The inner bodies of `/sync` (protocol.md §4, §10). All nodes ignore unknown fields. */
import { z } from 'zod';

/** Maximum length of a page cursor that this node sends or accepts. Characters. */
const MAX_CURSOR_CHARS = 4_096;
/** Maximum length of a request id. This node sends 16 random bytes in hex; other nodes may use other forms. Characters. */
const MAX_REQUEST_ID_CHARS = 64;

export const requestId = z.string().min(1).max(MAX_REQUEST_ID_CHARS).regex(/^[0-9a-zA-Z_-]+$/);

/** Minimum size of a snapshot page that a peer may request, so that one small record fits. Bytes. */
const MIN_PAGE_BYTES = 4_096;

export const masterSecretRequest = z.object({ ecdh_pubkey: z.string().regex(/^[0-9a-fA-F]{1,1024}$/) });

/** A request may name buckets only if it also names their app. A walk through those buckets of all apps would be slow and find little. */
export const snapshotRequest = z
  .object({
    max_bytes: z.number().int().min(MIN_PAGE_BYTES).optional(),
    cursor: z.string().max(MAX_CURSOR_CHARS).optional(),
    app: z.string().regex(/^\d{1,16}$/).optional(),
    buckets: z.array(z.number().int().min(0).max(255)).max(256).optional().meta({ description: 'Only with `app`' }),
  })
  .refine(({ app, buckets }) => app !== undefined || buckets === undefined);

/** Only the outer object is checked here. It may hold as many apps as a body has room for; each record is checked later. */
const recordsByApp = z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));

export const deltaRequest = z.object({ data: recordsByApp.default({}) });

/** The id of the sender's store (protocol.md §10). */
export const storeIdField = z.string().min(1).max(64);

/** The fields that a current node puts into every answer, besides the fields of the answer's type. Older nodes send only `status`. */
export const answerFrame = z.looseObject({
  status: z.literal('ok'),
  store_id: storeIdField.optional(),
  request_id: z.string().max(MAX_REQUEST_ID_CHARS).optional(),
  next_nonce: z.string().max(256).optional(),
});

export const secretAnswer = z.looseObject({ sealed: z.unknown() });

/** Answers with snapshots or digests have this field, unless they come from older nodes (protocol.md §10, "404 means absent"). */
const sure = z.boolean().optional();
const nextCursor = z.string().min(1).max(MAX_CURSOR_CHARS).nullish();

export const snapshotAnswer = z.looseObject({
  data: recordsByApp,
  complete: z.boolean().optional(),
  sure,
  next_cursor: nextCursor,
});

/** An older node sends only `merged`. */
export const deltaAnswer = z.looseObject({
  merged: z.number().int().min(0),
  total: z.number().int().min(0).optional(),
  rejected: z.number().int().min(0).optional(),
  rejections: z.array(z.object({ app_id: z.string(), key: z.string(), reason: z.string().max(64) })).max(1_024).optional(),
});

/** The cursor of a page of apps: the last app id on the previous page. */
const appsCursor = z.string().regex(/^[1-9]\d{0,15}$/);

/** Asks for the root digest, a page of app digests, or the bucket digests of one app. */
export const digestRequest = z.object({
  apps: z.literal(true).optional(),
  cursor: appsCursor.optional(),
  app: z.string().regex(/^\d{1,16}$/).optional(),
});

const digest16 = z.string().regex(/^[0-9a-f]{32}$/);
const digest8 = z.string().regex(/^[0-9a-f]{16}$/);
export const rootAnswer = z.looseObject({ root: digest16, sure });
export const appsAnswer = z.looseObject({ apps: z.record(z.string().regex(/^[1-9]\d{0,15}$/), digest16), next_cursor: nextCursor, sure });
export const bucketsAnswer = z.looseObject({ buckets: z.array(digest8).length(256), sure });
