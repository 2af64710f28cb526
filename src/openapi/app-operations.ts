/** The operations of apps (`http/kms-routes.ts`), with the schemas of the inner bodies (protocol.md §3, §10). */
import { z } from 'zod';
import { deleteBody, MAX_ASKED_KEYS, putBody } from '../http/data.ts';
import { deriveBody } from '../http/derive.ts';
import { base64, count, unixMs } from './fields.ts';
import { text, whole, type Operations, type Schemas } from './operation.ts';

/** The fields that bind an inner body to its request (protocol.md §10, Bound to the request). */
const bound = (op: string) => ({ nonce: z.string().optional().meta({ description: 'The same nonce as in the header x-app-nonce' }), op: z.literal(op).optional() });
/** The answer to a signed request repeats the nonce from the header `x-app-nonce`. */
const bond = { nonce: base64.optional() };
const replicated = { acks: count.optional() };

export const APP_SCHEMAS = {
  DeriveRequest: deriveBody.safeExtend(bound('derive')),
  DeriveAnswer: z.object({ app_id: count, path: z.string(), key: base64, length: count, ...bond }),
  PutRequest: putBody.safeExtend(bound('put')),
  PutAnswer: z.object({ app_id: count, key: z.string(), updated_at_ms: unixMs, ...replicated, ...bond }),
  DeleteRequest: deleteBody.safeExtend(bound('delete')),
  DeleteAnswer: z.object({ app_id: count, key: z.string(), deleted: z.literal(true), ...replicated, ...bond }),
  ReadAnswer: z.object({ app_id: count, key: z.string(), value: base64, updated_at_ms: unixMs, ...bond }),
  ListAnswer: z.object({
    app_id: count,
    keys: z.array(z.string()),
    count,
    more: z.boolean().optional(),
    prefix: z.string().nullable(),
    after: z.string().nullable(),
    limit: count.nullable(),
    ...bond,
  }),
  SealedError: z.object({ code: z.literal('not_found'), message: z.string(), ...bond }),
} satisfies Schemas;

const APP_ERRORS = [400, 403, 404, 405, 413, 415, 429, 500, 503];
const WRITE_ERRORS = [...APP_ERRORS, 504, 507];
const NOT_FOUND = { 404: ['SealedError'] } as const;

export const APP_OPERATIONS = {
  'POST /kms/derive': { summary: 'Derives a key for the app', security: 'app', sealed: { request: ['DeriveRequest'], answers: { 200: ['DeriveAnswer'] } }, errors: APP_ERRORS },
  'GET /kms/data': {
    summary: 'Returns one value if `key` is given, otherwise lists the keys of the app',
    security: 'app',
    parameters: [
      { name: 'key', in: 'query', description: 'Return the value of this key', schema: { ...text, minLength: 1 } },
      { name: 'prefix', in: 'query', description: 'Only keys that begin with this text', schema: text },
      { name: 'after', in: 'query', description: 'Only keys after this key', schema: text },
      { name: 'limit', in: 'query', description: 'Maximum number of keys', schema: whole(1, MAX_ASKED_KEYS) },
    ],
    sealed: { answers: { 200: ['ReadAnswer', 'ListAnswer'], ...NOT_FOUND } },
    errors: APP_ERRORS,
  },
  'GET /kms/data/<key>': {
    summary: 'Returns one value; the key may contain slashes',
    security: 'app',
    parameters: [{ name: 'key', in: 'path', description: 'The key, percent-encoded', schema: text }],
    sealed: { answers: { 200: ['ReadAnswer'], ...NOT_FOUND } },
    errors: APP_ERRORS,
  },
  'PUT /kms/data': { summary: 'Writes a value', security: 'app', sealed: { request: ['PutRequest'], answers: { 200: ['PutAnswer'] } }, errors: WRITE_ERRORS },
  'DELETE /kms/data': { summary: 'Deletes a key', security: 'app', sealed: { request: ['DeleteRequest'], answers: { 200: ['DeleteAnswer'], ...NOT_FOUND } }, errors: WRITE_ERRORS },
} satisfies Operations<keyof typeof APP_SCHEMAS>;
